"""What a pass has observed of one instance."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import DELETED, Manifest, component_of, is_deleted, name_of
from kato_operator.status.budget import Budget
from kato_operator.status.causes import Warnings, has_ended
from kato_operator.status.diagnosis import Verdict

SET = "StatefulSet"
SURPLUS = ".metadata"
"""The path of a child that the spec does not ask for."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A field in which a child differs from what the spec asks for; no *path*: the whole child.

    *manager* is the field manager that owns it, if one does. *state* is what becomes of it.
    """

    kind: str
    name: str
    component: str
    path: str
    manager: str = ""
    state: str = names.DRIFT_REPAIRING

    def described(self) -> dict[str, str]:
        """The difference in the spelling of the status."""
        manager = {"manager": self.manager} if self.manager else {}
        found = {"kind": self.kind, "name": self.name, "path": self.path}
        return {**found, **manager, "state": self.state}

    @property
    def is_tolerable(self) -> bool:
        """Whether the spec asks for nothing that this contradicts.

        Labels and annotations of a child itself run nothing.
        """
        if self.state == names.DRIFT_CONTESTED:
            return self.path.startswith((".metadata.labels", ".metadata.annotations"))
        return self.state == names.DRIFT_ALLOWED

    def __str__(self) -> str:
        if self.path == DELETED:
            return f"{self.kind} {self.name} is being deleted"
        if self.path == SURPLUS:
            return f"{self.kind} {self.name} is no longer asked for"
        if not self.path:
            return f"{self.kind} {self.name} does not exist"
        by = f" (set by {self.manager})" if self.manager else ""
        return f"{self.kind} {self.name} differs from the spec in {self.path}{by}"


@dataclass(frozen=True, slots=True)
class Observed:
    """What a pass has observed of one instance.

    *verdicts* hold, by component, what the workloads do not show: refused writes, missing Secrets,
    failed deep checks. *versions* are those of the components' images. *primary* is the pod of
    MongoDB's primary, empty if it is unknown. *notes* are added to the message of Progressing and
    block nothing. *warnings* are what Events say of objects that wait, by their uid. *drift* is
    where children differ from the spec, *tolerated* where they may; *blocker* is why no child could
    be applied, if that is so.
    """

    children: tuple[Manifest, ...]
    credentials: Verdict
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    primary: str = ""
    notes: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()
    warnings: Warnings = field(default_factory=dict)
    drift: tuple[Drift, ...] = ()
    tolerated: tuple[Drift, ...] = ()
    blocker: Verdict | None = None

    def workload(self, instance: KatoInstance, component: str) -> Manifest | None:
        """The Deployment or StatefulSet of a component; None if it does not exist."""
        if component == names.SERVICE:
            return self._child("Deployment", names.service(instance.metadata.name))
        return self._child(SET, names.store(instance.metadata.name, component))

    def pods(self, component: str) -> list[Manifest]:
        """The pods of a component, without those that are being deleted."""
        return [pod for pod in self._of_kind("Pod", component) if not is_deleted(pod)]

    def drift_of(self, component: str) -> Drift | None:
        """The first difference of a component's children."""
        return next((item for item in self.drift if item.component == component), None)

    def left(self, component: str) -> int:
        """The number of pods of a component that still run.

        A pod that is ending counts as long as it exists; workloads no longer count it.
        """
        pods = sum(is_running(pod) for pod in self._of_kind("Pod", component))
        counted: int = sum(
            item.get("status", {}).get("replicas", 0) for item in self._workloads(component)
        )
        return max(pods, counted)

    def unfinished(self, component: str) -> Manifest | None:
        """A workload that has not been scaled to 0, or whose controller has not seen it yet."""
        return next((item for item in self._workloads(component) if _is_unfinished(item)), None)

    def _workloads(self, component: str) -> list[Manifest]:
        return [*self._of_kind("Deployment", component), *self._of_kind(SET, component)]

    def claims(self, component: str) -> list[Manifest]:
        """The claims of a component."""
        return self._of_kind("PersistentVolumeClaim", component)

    def service(self, instance: KatoInstance) -> Manifest | None:
        """The Service that clients of the instance call; None if it does not exist."""
        return self._child("Service", names.service(instance.metadata.name))

    def _of_kind(self, kind: str, component: str) -> list[Manifest]:
        return [
            item
            for item in self.children
            if item["kind"] == kind and component_of(item) == component
        ]

    def _child(self, kind: str, name: str) -> Manifest | None:
        found = (item for item in self.children if name_of(item) == (kind, name))
        return next(found, None)


def is_running(item: Manifest) -> bool:
    """Whether an object is a pod whose containers have not ended."""
    return item["kind"] == "Pod" and not has_ended(item)


def _is_unfinished(item: Manifest) -> bool:
    is_seen = item.get("status", {}).get("observedGeneration", 0) >= item["metadata"]["generation"]
    return not is_seen or bool(item["spec"].get("replicas", 1))


def wanted_pods(instance: KatoInstance, component: str) -> int | None:
    """How many pods the spec asks for; None where an autoscaler says so."""
    spec = instance.spec
    if spec.hibernate:
        return 0
    if component == names.SERVICE:
        return None if spec.service.autoscaling is not None else spec.service.replicas
    if component == names.MONGODB:
        return spec.mongodb.managed.members
    return spec.qdrant.managed.replicas if component == names.QDRANT else 1


def mode(instance: KatoInstance, component: str) -> str:
    """The mode of a store; the service is always Managed."""
    if component == names.SERVICE:
        return "Managed"
    return str(getattr(instance.spec, component).mode)
