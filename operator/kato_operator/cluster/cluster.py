"""Instances and their children in the cluster: read from caches, written only where they differ."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import structlog

from kato_operator.cluster.applying import Applier
from kato_operator.cluster.cache import UNSERVED_S, Cache, Informer
from kato_operator.cluster.compare import canonical, merge_patch
from kato_operator.cluster.instances import Instances
from kato_operator.cluster.kube import Kube
from kato_operator.cluster.ownership import is_ours, is_prunable
from kato_operator.cluster.review import Difference
from kato_operator.cluster.secrets import ReferredSecrets
from kato_operator.crd.instance import KatoInstance
from kato_operator.errors import ConflictError, MissingError, NameConflictError, TransientError
from kato_operator.kinds import EVENT, INSTANCE, SECRET_METADATA, WATCHED
from kato_operator.manifests import DELETED, Key, Manifest, by_name, is_deleted

log = structlog.get_logger()


class Cluster:
    """What the operator reads and writes in the cluster.

    Args:
        namespace: The only namespace to look at; empty: all of them.
        changed: Gets the key of an instance whenever it or one of its children changes.
        excluded: Namespaces whose instances do not exist for this operator.
        ipv6: Whether pods have IPv6 addresses by which others reach them.
        recheck_s: Seconds until a kind that is not served is looked for again.
    """

    def __init__(
        self,
        kube: Kube,
        *,
        namespace: str,
        changed: Callable[[Key], None],
        excluded: Iterable[str] = (),
        ipv6: bool = False,
        recheck_s: float = UNSERVED_S,
    ) -> None:
        self.has_ipv6 = ipv6
        self._kube = kube
        self._namespace = namespace
        self._changed = changed
        self._cache = Cache(changed=changed, appeared=self._all_changed)
        self._applier = Applier(kube, self._cache)
        self.instances = Instances(changed=changed, excluded=excluded)
        self._informers = {
            kind.name: Informer(kube, kind, self._cache, namespace=namespace, unserved_s=recheck_s)
            for kind in WATCHED.values()
        }
        self.secrets = ReferredSecrets(
            kube, changed=changed, is_current=lambda: self.watches_secrets
        )
        self._secrets = Informer(kube, SECRET_METADATA, self.secrets, namespace=namespace)

    async def watch(self) -> None:
        """Keep the cache of children up to date until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in (*self._informers.values(), self._secrets):
                group.create_task(informer.run())

    async def synced(self) -> None:
        """Wait until every kind has been listed once."""
        for informer in self._informers.values():
            await informer.synced.wait()

    @property
    def is_synced(self) -> bool:
        return all(informer.synced.is_set() for informer in self._informers.values())

    @property
    def watches_secrets(self) -> bool:
        """Whether changes of Secrets that specs refer to are reported now."""
        return self._secrets.is_current

    async def resync(self) -> tuple[Key, ...]:
        """List everything again; the keys of all instances.

        Raises:
            KubeError: A list failed.
        """
        self.instances.replace(await self._kube.list(INSTANCE, namespace=self._namespace))
        for informer in (*self._informers.values(), self._secrets):
            if informer.is_served:  # its own task looks for a kind that is not, and more often
                with suppress(MissingError):
                    await informer.relist()
        return self.instances.keys()

    def children(self, key: Key) -> tuple[Manifest, ...]:
        """Every object with our label that names the instance, including pods and claims."""
        return self._cache.of_instance(key)

    def child(self, manifest: Manifest) -> Manifest | None:
        """The object in the cache that a manifest describes."""
        meta = manifest["metadata"]
        return self._cache.get(manifest["kind"], meta["namespace"], meta["name"])

    async def load(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """An object from the cache, or from the API server where the cache does not hold it."""
        return self._cache.get(kind, namespace, name) or await self.read(kind, namespace, name)

    async def read(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """An object from the API server; None when there is none."""
        return await self._kube.get(WATCHED[kind], namespace, name)

    async def apply(self, instance: KatoInstance, manifest: Manifest) -> Manifest:
        """Make the live object match the manifest; no write if it already does.

        An object that is being deleted is left alone: its deletion will ask for another pass.

        Raises:
            MissingError: The cluster does not serve the kind.
            NameConflictError: The object of this name is not the instance's.
            ContestedError: Something else changes it as often as it is repaired.
        """
        wanted = canonical(manifest)
        kind, meta = wanted["kind"], wanted["metadata"]
        if not self._informers[kind].is_served:
            raise MissingError(f"this cluster does not serve the kind {kind}", status=404)
        live = await self.load(kind, meta["namespace"], meta["name"])
        if live is None:
            return await self._applier.create(wanted)
        if not is_ours(live, instance):
            raise NameConflictError(kind, meta["name"])
        if is_deleted(live):
            return live
        return await self._applier.update(live, wanted, instance.spec.foreign_fields)

    def drift(
        self, instance: KatoInstance, manifest: Manifest, *, in_part: bool = False
    ) -> tuple[Difference, ...]:
        """Where the object in the cache differs from the manifest, and what others may own of it.

        An absent object differs as a whole: its path is empty. No object is expected of a kind that
        this cluster does not serve.

        Args:
            in_part: Whether the manifest names only a part of the fields that are applied.
        """
        wanted = canonical(manifest)
        live = self.child(wanted)
        if live is None:
            absent = Difference("", contested=self._applier.is_absence_contested(wanted))
            return (absent,) if self._informers[wanted["kind"]].is_served else ()
        if not is_ours(live, instance):
            return ()
        if is_deleted(live):
            return (Difference(DELETED),)  # nothing is applied to it any more
        compare = self._applier.drift_in_part if in_part else self._applier.drift
        return compare(live, wanted, instance.spec.foreign_fields)

    def is_shared(self, manifest: Manifest) -> bool:
        """Whether others own fields of the object in the cache."""
        live = self.child(manifest)
        return live is not None and bool(self._cache.ownership(live).others)

    async def create(self, manifest: Manifest) -> Manifest | None:
        """Create an object; None when one of this name exists already."""
        try:
            answer = await self._kube.create(WATCHED[manifest["kind"]], canonical(manifest))
        except ConflictError:
            return None
        self._cache.put(answer)
        return answer

    async def merge_metadata(self, live: Manifest, metadata: dict[str, Any]) -> Manifest:
        """Merge labels, annotations or owners into this very object."""
        return await self._merge(live, {"metadata": metadata})

    async def expand(self, claim: Manifest, size: str | int) -> Manifest:
        """Ask for a larger volume through this very claim.

        Raises:
            RefusedError: The storage class or a quota does not allow it.
        """
        return await self._merge(claim, {"spec": {"resources": {"requests": {"storage": size}}}})

    async def stop(self, instance: KatoInstance, workload: Manifest) -> None:
        """Scale this very workload to 0 and change nothing else, if it is the instance's.

        Raises:
            RefusedError: An admission policy does not allow it.
        """
        if is_ours(workload, instance) and not is_deleted(workload):
            log.info("workload stopped", kind=workload["kind"], child=workload["metadata"]["name"])
            await self._merge(workload, {"spec": {"replicas": 0}})

    async def prune(self, instance: KatoInstance, desired: Iterable[Manifest]) -> None:
        """Delete the children of this very instance that are no longer desired."""
        wanted = by_name(desired)
        for name, child in by_name(self.children(instance.key)).items():
            if name not in wanted and is_prunable(child, instance):
                log.info("child pruned", kind=name[0], child=name[1])
                await self.delete(child)

    async def delete(self, live: Manifest, *, unchanged: bool = False) -> None:
        """Delete this very object; with *unchanged*, only as it is in the cache.

        Raises:
            TransientError: It has changed: a later pass decides again.
        """
        meta = live["metadata"]
        kind, seen = WATCHED[live["kind"]], meta["resourceVersion"] if unchanged else ""
        try:
            await self._kube.delete(
                kind, meta["namespace"], meta["name"], uid=meta["uid"], resource_version=seen
            )
        except ConflictError as error:
            if not unchanged:
                raise
            raise TransientError(str(error), status=error.status) from error

    async def evict(self, pod: Manifest) -> None:
        """Delete this very pod, if its disruption budget allows it.

        Raises:
            TransientError: The budget does not allow it now (status 429).
        """
        meta = pod["metadata"]
        await self._kube.evict(meta["namespace"], meta["name"], uid=meta["uid"])

    async def instances_in(self, namespace: str) -> tuple[Manifest, ...]:
        """The instances in a namespace, also in an excluded one, as the API server has them."""
        return tuple((await self._kube.list(INSTANCE, namespace=namespace)).items)

    async def write_status(
        self, raw: Manifest, status: Manifest, *, unchanged: bool = False
    ) -> None:
        """Replace the status of this very instance; one that was deleted is dropped.

        Raises:
            ConflictError: With *unchanged*: it is no longer in the version that *raw* has.
        """
        meta = raw["metadata"]
        seen = {"uid": meta["uid"]} | (
            {"resourceVersion": meta["resourceVersion"]} if unchanged else {}
        )
        patch = {"metadata": seen, "status": merge_patch(raw.get("status"), status)}
        try:
            answer = await self._kube.merge(
                INSTANCE, meta["namespace"], meta["name"], patch, subresource="status"
            )
        except MissingError:
            return self.instances.remove(Key(meta["namespace"], meta["name"]), meta["uid"])
        return self.instances.put_answer(raw, status, answer)

    async def events_about(self, found: Manifest) -> tuple[Manifest, ...]:
        """The Kubernetes Events about this very object, in no order."""
        meta = found["metadata"]
        return await self._kube.events_about(meta["namespace"], meta["uid"])

    async def publish(self, event: Manifest) -> None:
        """Create a Kubernetes Event."""
        await self._kube.create(EVENT, event)

    def _all_changed(self) -> None:
        """Ask for a pass of every instance: each may want an object of a kind that has appeared."""
        known = self.instances.keys()
        for key in known:
            self._changed(key)

    async def _merge(self, live: Manifest, patch: Manifest) -> Manifest:
        """Merge-patch this very object: the uid in the patch refuses one that was re-created."""
        meta = live["metadata"]
        patch = {**patch, "metadata": {**patch.get("metadata", {}), "uid": meta["uid"]}}
        kind = WATCHED[live["kind"]]
        answer = await self._kube.merge(kind, meta["namespace"], meta["name"], patch)
        self._cache.put(answer)
        return answer
