"""Instances and their children in the cluster: read from caches, written only where they differ."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from kato_operator import names
from kato_operator.cluster.cache import Cache, Informer
from kato_operator.cluster.compare import canonical, covers
from kato_operator.cluster.kube import Kube
from kato_operator.crd.instance import KatoInstance
from kato_operator.errors import ConflictError, MissingError, NameConflictError, TransientError
from kato_operator.kinds import CLAIM, EVENT, INSTANCE, WATCHED
from kato_operator.manifests import (
    Key,
    Manifest,
    by_name,
    digest,
    is_deleted,
    namespaced_name,
    version,
)

log = structlog.get_logger()

NEVER_PRUNED = frozenset({"StatefulSet", "PersistentVolumeClaim", "Pod"})


@dataclass(frozen=True, slots=True)
class NoChange:
    """An apply that changed nothing, though the comparison saw a difference."""

    uid: str
    version: int
    digest: str


class Cluster:
    """What the operator knows and does in the cluster; *changed* gets the key of every change."""

    def __init__(
        self,
        kube: Kube,
        *,
        namespace: str,
        changed: Callable[[Key], None],
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._changed = changed
        self._cache = Cache(changed=changed)
        self._instances: dict[Key, Manifest] = {}
        self._no_changes: dict[tuple[str, str, str], NoChange] = {}
        self._informers = [
            Informer(kube, kind, self._cache, namespace=namespace) for kind in WATCHED.values()
        ]

    async def watch(self) -> None:
        """Keep the caches true until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run())

    async def synced(self) -> None:
        """Wait until every cache has been filled once."""
        for informer in self._informers:
            await informer.synced.wait()

    @property
    def is_synced(self) -> bool:
        return all(informer.synced.is_set() for informer in self._informers)

    async def resync(self) -> tuple[Key, ...]:
        """List everything anew; the keys of all instances."""
        listing = await self._kube.list(INSTANCE, namespace=self._namespace)
        listed = {_key(item): item for item in listing.items}
        for key, known in tuple(self._instances.items()):
            if key not in listed and version(known) <= int(listing.resource_version):
                self.forget(key, known["metadata"]["uid"])
        for item in listing.items:
            self.learn_of(item)
        for informer in self._informers:
            with suppress(MissingError):  # the kind is not served here, as ServiceMonitor may be
                await informer.relist()
        return tuple(self._instances)

    def learn_of(self, raw: Manifest) -> None:
        """Take in an instance, unless a newer state of it is known."""
        known = self._instances.get(_key(raw))
        if known is None or version(known) < version(raw):
            self._note(raw)
            self._changed(_key(raw))

    def forget(self, key: Key, uid: str) -> None:
        """An instance is gone; one that was made anew under its name is not."""
        known = self._instances.get(key)
        if known is not None and known["metadata"]["uid"] == uid:
            del self._instances[key]
            self._changed(key)

    def instance(self, key: Key) -> Manifest | None:
        """The instance as last heard of; None when it is gone."""
        return self._instances.get(key)

    def phases(self) -> tuple[str, ...]:
        """The phase of every instance."""
        return tuple((raw.get("status") or {}).get("phase", "") for raw in self._instances.values())

    def children(self, key: Key) -> tuple[Manifest, ...]:
        """Everything with our label that names the instance, pods and claims included."""
        return self._cache.of_instance(key)

    async def load(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """An object by name: from the cache, or confirmed to be absent by the API server."""
        return self._cache.get(kind, namespace, name) or await self.read(kind, namespace, name)

    async def read(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """An object as it is now."""
        return await self._kube.get(WATCHED[kind], namespace, name)

    async def apply(self, instance: KatoInstance, manifest: Manifest) -> Manifest:
        """Make the live object say what the manifest says; write only if it does not.

        Raises:
            NameConflictError: The object of this name is not ours.
        """
        wanted = _signed(canonical(manifest))
        kind, meta = wanted["kind"], wanted["metadata"]
        live = await self.load(kind, meta["namespace"], meta["name"])
        if live is None:
            return await self._write(wanted)
        if not is_ours(live, instance):
            raise NameConflictError(kind, meta["name"])
        if is_deleted(live) or covers(live, wanted) or self._changes_nothing(live, wanted):
            return live
        if kind == "Deployment" and "replicas" not in wanted["spec"]:
            await self._hand_over_replicas(live)
        answer = await self._write({**wanted, "metadata": {**meta, "uid": live["metadata"]["uid"]}})
        if version(answer) == version(live):
            self._no_changes[_identity(live)] = _no_change(live, wanted)
        return answer

    async def create(self, manifest: Manifest) -> Manifest | None:
        """Create an object; None when there is one of its name already."""
        try:
            answer = await self._kube.create(WATCHED[manifest["kind"]], canonical(manifest))
        except ConflictError:
            return None
        self._cache.put(answer)
        return answer

    async def mark(self, live: Manifest, metadata: dict[str, Any]) -> Manifest:
        """Merge into the metadata of this very object."""
        place = live["metadata"]
        patch = {"metadata": {**metadata, "uid": place["uid"]}}
        answer = await self._kube.merge(
            WATCHED[live["kind"]], place["namespace"], place["name"], patch
        )
        self._cache.put(answer)
        return answer

    async def prune(self, instance: KatoInstance, desired: Iterable[Manifest]) -> None:
        """Delete children of this very instance that are not desired any more."""
        wanted = by_name(desired)
        key = Key(instance.metadata.namespace, instance.metadata.name)
        for name, child in by_name(self.children(key)).items():
            if name not in wanted and _is_prunable(child, instance):
                log.info("child pruned", kind=name[0], child=name[1])
                await self.delete(child)

    async def delete(self, live: Manifest) -> None:
        """Delete this very object."""
        meta = live["metadata"]
        kind = WATCHED[live["kind"]]
        await self._kube.delete(kind, meta["namespace"], meta["name"], uid=meta["uid"])

    async def evict(self, pod: Manifest) -> None:
        """Delete this very pod, if its disruption budget allows it."""
        meta = pod["metadata"]
        await self._kube.evict(meta["namespace"], meta["name"], uid=meta["uid"])

    async def grow(self, claim: Manifest, size: str | int) -> Manifest:
        """Ask for a larger volume."""
        meta = claim["metadata"]
        patch = {
            "metadata": {"uid": meta["uid"]},
            "spec": {"resources": {"requests": {"storage": size}}},
        }
        answer = await self._kube.merge(CLAIM, meta["namespace"], meta["name"], patch)
        self._cache.put(answer)
        return answer

    async def write_status(self, raw: Manifest, status: Manifest) -> None:
        """Replace the status of an instance, as long as it is the same object."""
        meta = raw["metadata"]
        patch = {"metadata": {"uid": meta["uid"]}, "status": _merging(raw.get("status"), status)}
        try:
            answer = await self._kube.merge(
                INSTANCE, meta["namespace"], meta["name"], patch, subresource="status"
            )
        except MissingError:
            return self.forget(_key(raw), meta["uid"])
        return self._note_answer(raw, answer)

    async def announce(self, event: Manifest) -> None:
        """Publish a Kubernetes Event."""
        await self._kube.create(EVENT, event)

    def _note_answer(self, raw: Manifest, answer: Manifest) -> None:
        """Take in what a write gave back, unless the watch was faster to tell of more.

        An edit between the two is in the answer, whose version hides the edit's own event.
        """
        known = self._instances.get(_key(raw))
        if known is None or version(known) >= version(answer):
            return
        self._note(answer)
        if answer["metadata"]["generation"] != raw["metadata"]["generation"]:
            self._changed(_key(raw))

    def _note(self, raw: Manifest) -> None:
        raw["metadata"].pop("managedFields", None)
        self._instances[_key(raw)] = raw

    async def _write(self, wanted: Manifest) -> Manifest:
        meta = wanted["metadata"]
        try:
            answer = await self._kube.apply(WATCHED[wanted["kind"]], wanted)
        except ConflictError as error:
            raise TransientError(str(error), status=error.status) from error
        log.info("child applied", kind=wanted["kind"], child=meta["name"], new="uid" not in meta)
        self._cache.put(answer)
        return answer

    async def _hand_over_replicas(self, live: Manifest) -> None:
        """Let another manager own `replicas` before they leave our manifest, or they become 1."""
        meta = live["metadata"]
        fresh = await self.read(live["kind"], meta["namespace"], meta["name"])
        if fresh is None or not _owns_replicas(fresh, names.FIELD_MANAGER):
            return
        kept = {name: fresh["metadata"][name] for name in ("name", "namespace", "uid")}
        manifest = {
            "apiVersion": "apps/v1",
            "kind": live["kind"],
            "metadata": kept,
            "spec": {"replicas": fresh["spec"]["replicas"]},
        }
        kind = WATCHED[live["kind"]]
        await self._kube.apply(kind, manifest, manager=names.REPLICAS_MANAGER)

    def _changes_nothing(self, live: Manifest, wanted: Manifest) -> bool:
        return self._no_changes.get(_identity(live)) == _no_change(live, wanted)


def is_ours(live: Manifest, instance: KatoInstance) -> bool:
    """Whether an object is a child of this instance, or of one of its name before it."""
    owner = _controller(live)
    if owner is not None and owner["uid"] == instance.metadata.uid:
        return True
    if not _is_labelled_for(live, instance.metadata.name):
        return False
    return owner is None or (owner["kind"], owner["name"]) == (names.KIND, instance.metadata.name)


def _is_prunable(child: Manifest, instance: KatoInstance) -> bool:
    owner = _controller(child)
    return (
        owner is not None
        and owner["uid"] == instance.metadata.uid
        and child["kind"] not in NEVER_PRUNED
        and child.get("type") != names.CREDENTIALS_TYPE
        and not is_deleted(child)
    )


def _is_labelled_for(live: Manifest, name: str) -> bool:
    labels = live["metadata"].get("labels") or {}
    return (labels.get(names.MANAGED_BY_LABEL), labels.get(names.INSTANCE_LABEL)) == (
        names.MANAGED_BY,
        name,
    )


def _controller(live: Manifest) -> dict[str, Any] | None:
    owners = live["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def _owns_replicas(live: Manifest, manager: str) -> bool:
    return any(
        entry["manager"] == manager and "f:replicas" in entry["fieldsV1"].get("f:spec", {})
        for entry in live["metadata"].get("managedFields", ())
        if entry["operation"] == "Apply"
    )


def _merging(before: Manifest | None, after: Manifest) -> Manifest:
    """The merge patch that turns one status into the other: what is gone is null."""
    known = before or {}
    patch: Manifest = {name: None for name in known if name not in after}
    for name, value in after.items():
        was = known.get(name)
        nested = isinstance(value, dict) and isinstance(was, dict)
        patch[name] = _merging(was, value) if nested else value
    return patch


def _signed(manifest: Manifest) -> Manifest:
    """The manifest with its own digest, so that a field it no longer names is a difference, too."""
    meta = manifest["metadata"]
    annotations = {**meta.get("annotations", {}), names.APPLIED_ANNOTATION: digest(manifest)}
    return {**manifest, "metadata": {**meta, "annotations": annotations}}


def _no_change(live: Manifest, wanted: Manifest) -> NoChange:
    return NoChange(live["metadata"]["uid"], version(live), digest(wanted))


def _identity(live: Manifest) -> tuple[str, str, str]:
    return live["kind"], *namespaced_name(live)


def _key(raw: Manifest) -> Key:
    return Key(*namespaced_name(raw))
