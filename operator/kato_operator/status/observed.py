"""What a pass has observed of one instance."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest, component_of, is_deleted, name_of
from kato_operator.status.budget import Budget
from kato_operator.status.causes import Warnings
from kato_operator.status.diagnosis import Verdict


@dataclass(frozen=True, slots=True)
class Observed:
    """What a pass has observed of one instance.

    *verdicts* hold, by component, what the workloads do not show: refused writes, missing Secrets,
    failed deep checks. *versions* are those of the components' images. *primary* is the pod of
    MongoDB's primary, empty if it is unknown. *notes* are added to the message of Progressing and
    block nothing. *warnings* are what Events say of objects that wait, by their uid.
    """

    children: tuple[Manifest, ...]
    credentials: Verdict
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    primary: str = ""
    notes: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()
    warnings: Warnings = field(default_factory=dict)

    def workload(self, instance: KatoInstance, component: str) -> Manifest | None:
        """The Deployment or StatefulSet of a component; None if it does not exist."""
        if component == names.SERVICE:
            return self._child("Deployment", names.service(instance.metadata.name))
        return self._child("StatefulSet", names.store(instance.metadata.name, component))

    def pods(self, component: str) -> list[Manifest]:
        """The pods of a component, without those that are being deleted."""
        return [pod for pod in self._of_kind("Pod", component) if not is_deleted(pod)]

    def claims(self, component: str) -> list[Manifest]:
        """The claims of a component."""
        return self._of_kind("PersistentVolumeClaim", component)

    def _of_kind(self, kind: str, component: str) -> list[Manifest]:
        return [
            item
            for item in self.children
            if item["kind"] == kind and component_of(item) == component
        ]

    def _child(self, kind: str, name: str) -> Manifest | None:
        found = (item for item in self.children if name_of(item) == (kind, name))
        return next(found, None)


def mode(instance: KatoInstance, component: str) -> str:
    """The mode of a store; the service is always Managed."""
    if component == names.SERVICE:
        return "Managed"
    return str(getattr(instance.spec, component).mode)
