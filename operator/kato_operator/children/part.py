"""A component of one instance: how its objects are named, labelled and owned."""

from dataclasses import dataclass
from typing import Any

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.kinds import CHILDREN, INSTANCE
from kato_operator.manifests import Manifest


@dataclass(frozen=True, slots=True)
class Part:
    """A component of an instance; *version* is what its image says, for labels."""

    instance: KatoInstance
    component: str
    version: str = ""

    @property
    def name(self) -> str:
        """Of the workload, and of the Service that clients use."""
        name = self.instance.metadata.name
        if self.component == names.SERVICE:
            return names.service(name)
        return names.store(name, self.component)

    @property
    def host(self) -> str:
        """The DNS name of the Service that clients use."""
        return names.host(self.name, self.instance.metadata.namespace)

    @property
    def peers(self) -> str:
        """Of a store's headless Service."""
        return names.store_peers(self.instance.metadata.name, self.component)

    @property
    def peers_domain(self) -> str:
        """Where a store's pods have names, in a cluster of any domain."""
        return names.host(self.peers, self.instance.metadata.namespace)

    @property
    def selector(self) -> dict[str, str]:
        """What tells these pods from all others; it can never be changed."""
        return {
            names.NAME_LABEL: names.PART_OF,
            names.COMPONENT_LABEL: self.component,
            names.INSTANCE_LABEL: self.instance.metadata.name,
        }

    @property
    def labels(self) -> dict[str, str]:
        """Of pods and claims: without a version, which would restart pods when it changes."""
        return {
            **self.selector,
            names.APP_INSTANCE_LABEL: self.instance.metadata.name,
            names.PART_OF_LABEL: names.PART_OF,
            names.MANAGED_BY_LABEL: names.MANAGED_BY,
        }

    def manifest(self, kind: str, name: str = "", **fields: Any) -> Manifest:
        """An object of this component, named like its workload unless *name* is given."""
        return _with(self._unowned(kind, name or self.name, fields), "ownerReferences", self._owner)

    def kept(self, kind: str, name: str, **fields: Any) -> Manifest:
        """An object that outlives the instance if the deletion policy says so."""
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
    """The manifest with more labels, which never replace ours."""
    return _with(manifest, "labels", {**labels, **manifest["metadata"]["labels"]})


def _with(manifest: Manifest, field: str, value: object) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], field: value}}
