"""Server-side apply of children, only where the live object differs from the manifest."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic

import structlog

from kato_operator import names
from kato_operator.cluster.cache import Cache
from kato_operator.cluster.compare import covers
from kato_operator.cluster.contests import Contests
from kato_operator.cluster.fields import Ownership, ownership, transferred
from kato_operator.cluster.kube import Kube
from kato_operator.cluster.review import Difference, Review
from kato_operator.crd.parts import ForeignFields
from kato_operator.errors import ConflictError, ContestedError, RefusedError, TransientError
from kato_operator.kinds import CHILDREN
from kato_operator.manifests import Manifest, digest, namespaced_name, version

log = structlog.get_logger()

REMADE = frozenset(CHILDREN) - {"StatefulSet", "PersistentVolumeClaim", "Secret", "Deployment"}
"""Kinds that hold no data, and that the operator may delete: its rights do not include the others.

What the API server refuses to change in those stays, and is reported.
"""


@dataclass(frozen=True, slots=True)
class NoChange:
    """An apply that changed nothing, although the comparison had found a difference."""

    uid: str
    content: str
    digest: str


class Applier:
    """Applies manifests, and puts the answers into the cache."""

    def __init__(self, kube: Kube, cache: Cache, *, clock: Callable[[], float] = monotonic) -> None:
        self._kube = kube
        self._cache = cache
        self._no_changes: dict[tuple[str, str, str], NoChange] = {}
        self._contests = Contests(clock=clock)

    async def create(self, wanted: Manifest) -> Manifest:
        """Apply a manifest whose object does not exist.

        Raises:
            ContestedError: Something deletes it as often as it is created.
        """
        wanted = _signed(wanted)
        self._refuse_contest(wanted, Difference(""))
        return await self._apply(wanted)

    async def update(self, live: Manifest, wanted: Manifest, chosen: ForeignFields) -> Manifest:
        """Apply a manifest to this very object; the object itself if there is nothing to change.

        Fields that others have added are removed, unless they may own them (*chosen* by the spec,
        or by our own rules). The API server may spell a field in a way that the comparison does
        not recognise. Then an apply changes nothing; it is remembered, so that no later pass
        repeats it.

        Raises:
            ContestedError: Something changes the object as often as it is repaired.
        """
        wanted = _signed(wanted)
        found = self._review(live, wanted, chosen)
        if self._is_applied(found):
            return live
        self._refuse_contest(wanted, *found.additions, *found.changes(wanted))
        if live["kind"] == "Deployment" and "replicas" not in wanted["spec"]:
            await self._hand_over_replicas(live)
        if found.surplus:
            await self._take_over(found)
        apply = self._remade if found.is_unmendable else self._applied_or_remade
        answer = await apply(live, wanted)
        if version(answer) == version(live):
            self._no_changes[_identity(live)] = _no_change(live, wanted)
        return answer

    def drift(
        self, live: Manifest, wanted: Manifest, chosen: ForeignFields
    ) -> tuple[Difference, ...]:
        """Where this object differs from a manifest, or has fields that others may own.

        The digest alone differs where the manifest no longer names a field.
        """
        signed = _signed(wanted)
        found = self._review(live, signed, chosen)
        changes: tuple[Difference, ...] = ()
        if not self._has_no_change(live, signed):
            changes = tuple(found.changes(wanted)) or tuple(found.changes(signed))
        differing = (*changes, *found.additions)
        if self._contests.is_waiting(_identity(live), digest(signed)):
            differing = tuple(replace(item, contested=True) for item in differing)
        return (*differing, *found.allowances)

    def drift_in_part(
        self, live: Manifest, wanted: Manifest, chosen: ForeignFields
    ) -> tuple[Difference, ...]:
        """Where this object differs from a manifest that names only a part of its fields."""
        return tuple(self._review(live, wanted, chosen).changes(wanted))

    def is_absence_contested(self, wanted: Manifest) -> bool:
        """Whether something deletes the object of a manifest as often as it is created."""
        signed = _signed(wanted)
        return self._contests.is_waiting(_identity(signed), digest(signed))

    def _review(self, live: Manifest, wanted: Manifest, chosen: ForeignFields) -> Review:
        return Review(live, wanted, self._ownership(live), chosen)

    def _ownership(self, live: Manifest) -> Ownership:
        """The ownership of an object, from the cache unless the object still has all of it."""
        if "managedFields" in live["metadata"]:
            return ownership(live)
        return self._cache.ownership(live)

    def _is_applied(self, found: Review) -> bool:
        if found.surplus or found.is_unmendable or not found.ownership.is_applied:
            return False
        return covers(found.rest, found.wanted) or self._has_no_change(found.live, found.wanted)

    def _has_no_change(self, live: Manifest, signed: Manifest) -> bool:
        return self._no_changes.get(_identity(live)) == _no_change(live, signed)

    def _refuse_contest(self, wanted: Manifest, *found: Difference) -> None:
        kind, _, name = _identity(wanted)
        if self._contests.is_waiting(_identity(wanted), digest(wanted)):
            first = next(iter(found), Difference(""))
            raise ContestedError(kind, name, first.path, first.manager)

    async def _apply(self, wanted: Manifest) -> Manifest:
        meta = wanted["metadata"]
        try:
            answer = await self._kube.apply(CHILDREN[wanted["kind"]], wanted)
        except ConflictError as error:  # another uid: the next pass finds the new object
            raise TransientError(str(error), status=error.status) from error
        log.info("child applied", kind=wanted["kind"], child=meta["name"], new="uid" not in meta)
        rest = {name: value for name, value in meta.items() if name != "uid"}
        self._contests.applied(_identity(wanted), digest({**wanted, "metadata": rest}))
        self._cache.put(answer)
        return answer

    async def _applied_or_remade(self, live: Manifest, wanted: Manifest) -> Manifest:
        """Apply a manifest to this very object, or make it again if it cannot become so.

        Somebody may have made it immutable, or made it anew with another value of an immutable
        field.
        """
        meta = {**wanted["metadata"], "uid": live["metadata"]["uid"]}
        try:
            return await self._apply({**wanted, "metadata": meta})
        except RefusedError as error:
            if not error.is_immutable or wanted["kind"] not in REMADE:
                raise
            log.warning("child cannot change", child=meta["name"], cause=str(error))
        return await self._remade(live, wanted)

    async def _remade(self, live: Manifest, wanted: Manifest) -> Manifest:
        """Delete this very object, and create it again from the manifest."""
        kind, meta = CHILDREN[live["kind"]], live["metadata"]
        log.warning("child re-made", kind=kind.name, child=meta["name"])
        await self._kube.delete(kind, meta["namespace"], meta["name"], uid=meta["uid"])
        return await self._apply(wanted)

    async def _take_over(self, known: Review) -> None:
        """Make our apply the owner of what others have added: the next apply removes it.

        So everything changes in one write. Two would pass through states that the API server
        refuses, such as a probe of two kinds or a Service without ports. The object has no digest
        until then: after an interruption, it is applied all the same.
        """
        kind, (namespace, name) = CHILDREN[known.live["kind"]], namespaced_name(known.live)
        fresh = await self._kube.get(kind, namespace, name)
        if fresh is None:
            return
        found = Review(fresh, known.wanted, ownership(fresh), known.chosen)
        taken = [item.path for item in found.surplus]
        meta = {
            "uid": known.live["metadata"]["uid"],
            "resourceVersion": fresh["metadata"]["resourceVersion"],
            "managedFields": transferred(fresh["metadata"]["managedFields"], taken),
            "annotations": {names.APPLIED_ANNOTATION: None},
        }
        try:
            await self._kube.merge(kind, namespace, name, {"metadata": meta})
        except ConflictError as error:  # it has changed: the next pass looks again
            raise TransientError(str(error), status=error.status) from error
        managers = sorted({item.manager for item in found.surplus})
        removed = sorted({item.path for item in found.additions})
        log.info(
            "fields of others removed", kind=kind.name, child=name, fields=removed, of=managers
        )

    async def _hand_over_replicas(self, live: Manifest) -> None:
        """Let another field manager own `replicas` before our manifest drops them.

        A server-side apply removes the fields that its manager owned and no longer names:
        `replicas` would become 1 before the autoscaler sets them.
        """
        kind, meta = CHILDREN[live["kind"]], live["metadata"]
        fresh = await self._kube.get(kind, meta["namespace"], meta["name"])
        if fresh is None or not _owns_replicas(fresh, names.FIELD_MANAGER):
            return
        manifest = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {name: fresh["metadata"][name] for name in ("name", "namespace", "uid")},
            "spec": {"replicas": fresh["spec"]["replicas"]},
        }
        await self._kube.apply(kind, manifest, manager=names.REPLICAS_MANAGER)


def _signed(manifest: Manifest) -> Manifest:
    """The manifest with its own digest, so that a field it no longer names is a difference too."""
    meta = manifest["metadata"]
    annotations = {**meta.get("annotations", {}), names.APPLIED_ANNOTATION: digest(manifest)}
    return {**manifest, "metadata": {**meta, "annotations": annotations}}


def _owns_replicas(live: Manifest, manager: str) -> bool:
    return any(
        entry["manager"] == manager and "f:replicas" in entry["fieldsV1"].get("f:spec", {})
        for entry in live["metadata"].get("managedFields", ())
        if entry["operation"] == "Apply"
    )


def _no_change(live: Manifest, wanted: Manifest) -> NoChange:
    """The memory of an apply; reports that change only the status leave it valid."""
    meta = {
        name: value
        for name, value in live["metadata"].items()
        if name not in ("resourceVersion", "generation", "managedFields")
    }
    content = {name: value for name, value in live.items() if name != "status"}
    return NoChange(meta["uid"], digest({**content, "metadata": meta}), digest(wanted))


def _identity(live: Manifest) -> tuple[str, str, str]:
    return live["kind"], *namespaced_name(live)
