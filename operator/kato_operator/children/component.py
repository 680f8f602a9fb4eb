"""A component of an instance: the names, labels and owner of its objects."""

from dataclasses import dataclass
from typing import Any

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.kinds import CHILDREN, INSTANCE
from kato_operator.manifests import Manifest


@dataclass(frozen=True, slots=True)
class Component:
    """The service or a store of an instance.

    *version* is the version of its image, for labels; empty where none is needed.
    """

    instance: KatoInstance
    name: str
    version: str = ""

    @property
    def object_name(self) -> str:
        """The name of the workload, and of the Service that clients use."""
        name = self.instance.metadata.name
        if self.name == names.SERVICE:
            return names.service(name)
        return names.store(name, self.name)

    @property
    def host(self) -> str:
        """The DNS name of the Service that clients use."""
        return names.host(self.object_name, self.instance.metadata.namespace)

    @property
    def peers(self) -> str:
        """The name of a store's headless Service."""
        return names.store_peers(self.instance.metadata.name, self.name)

    @property
    def peers_domain(self) -> str:
        """The domain below which each pod of a store has a name, in a cluster of any domain."""
        return names.host(self.peers, self.instance.metadata.namespace)

    @property
    def selector(self) -> dict[str, str]:
        """The labels that select the pods of this component; a workload's selector is immutable."""
        return {
            names.NAME_LABEL: names.PART_OF,
            names.COMPONENT_LABEL: self.name,
            names.INSTANCE_LABEL: self.instance.metadata.name,
        }

    @property
    def labels(self) -> dict[str, str]:
        """The labels of pods and claims; without a version, whose change would restart the pods."""
        return {
            **self.selector,
            names.APP_INSTANCE_LABEL: self.instance.metadata.name,
            names.PART_OF_LABEL: names.PART_OF,
            names.MANAGED_BY_LABEL: names.MANAGED_BY,
        }

    def manifest(self, kind: str, name: str = "", **fields: Any) -> Manifest:
        """An object that the instance owns, named like the workload unless *name* is given."""
        return _with(
            self._unowned(kind, name or self.object_name, fields), "ownerReferences", self._owner
        )

    def retained(self, kind: str, name: str, **fields: Any) -> Manifest:
        """An object that outlives the instance, unless the deletion policy is Delete."""
        if self.instance.spec.deletion_policy == "Delete":
            return self.manifest(kind, name, **fields)
        found = self._unowned(kind, name, fields)
        return _with(found, "labels", {**found["metadata"]["labels"], names.RETAINED_LABEL: "true"})

    def _unowned(self, kind: str, name: str, fields: Manifest) -> Manifest:
        version = {names.VERSION_LABEL: self.version} if self.version else {}
        return {
            "apiVersion": CHILDREN[kind].api_version,
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": self.instance.metadata.namespace,
                "labels": {**self.labels, **version},
            },
            **fields,
        }

    @property
    def _owner(self) -> list[Manifest]:
        return [
            {
                "apiVersion": INSTANCE.api_version,
                "kind": INSTANCE.name,
                "name": self.instance.metadata.name,
                "uid": self.instance.metadata.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]


def annotated(manifest: Manifest, annotations: dict[str, str]) -> Manifest:
    """The manifest with annotations, if there are any."""
    return _with(manifest, "annotations", annotations) if annotations else manifest


def labelled(manifest: Manifest, labels: dict[str, str]) -> Manifest:
    """The manifest with more labels; those that it has already win."""
    return _with(manifest, "labels", {**labels, **manifest["metadata"]["labels"]})


def _with(manifest: Manifest, field: str, value: object) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], field: value}}
