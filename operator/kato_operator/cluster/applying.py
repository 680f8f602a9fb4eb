"""Server-side apply of children, only where the live object differs from the manifest."""

from dataclasses import dataclass

import structlog

from kato_operator import names
from kato_operator.cluster.cache import Cache
from kato_operator.cluster.compare import covers, differences
from kato_operator.cluster.kube import Kube
from kato_operator.errors import ConflictError, TransientError
from kato_operator.kinds import CHILDREN
from kato_operator.manifests import Manifest, digest, namespaced_name, version

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NoChange:
    """An apply that changed nothing, although the comparison had found a difference."""

    uid: str
    content: str
    digest: str


class Applier:
    """Applies manifests, and puts the answers into the cache."""

    def __init__(self, kube: Kube, cache: Cache) -> None:
        self._kube = kube
        self._cache = cache
        self._no_changes: dict[tuple[str, str, str], NoChange] = {}

    async def create(self, wanted: Manifest) -> Manifest:
        """Apply a manifest whose object does not exist."""
        return await self._apply(_signed(wanted))

    async def update(self, live: Manifest, wanted: Manifest) -> Manifest:
        """Apply a manifest to this very object; the object itself if there is nothing to change.

        The API server may spell a field in a way that the comparison does not recognise. Then an
        apply changes nothing; it is remembered, so that no later pass repeats it.
        """
        wanted = _signed(wanted)
        if covers(live, wanted) or self._no_changes.get(_identity(live)) == _no_change(
            live, wanted
        ):
            return live
        if live["kind"] == "Deployment" and "replicas" not in wanted["spec"]:
            await self._hand_over_replicas(live)
        meta = {**wanted["metadata"], "uid": live["metadata"]["uid"]}
        answer = await self._apply({**wanted, "metadata": meta})
        if version(answer) == version(live):
            self._no_changes[_identity(live)] = _no_change(live, wanted)
        return answer

    def drift(self, live: Manifest, wanted: Manifest) -> tuple[str, ...]:
        """The paths at which this object differs from a manifest; none if an apply changes nothing.

        The digest alone differs where the manifest no longer names a field.
        """
        signed = _signed(wanted)
        if self._no_changes.get(_identity(live)) == _no_change(live, signed):
            return ()
        return tuple(differences(live, wanted)) or tuple(differences(live, signed))

    async def _apply(self, wanted: Manifest) -> Manifest:
        meta = wanted["metadata"]
        try:
            answer = await self._kube.apply(CHILDREN[wanted["kind"]], wanted)
        except ConflictError as error:  # another uid: the next pass finds the new object
            raise TransientError(str(error), status=error.status) from error
        log.info("child applied", kind=wanted["kind"], child=meta["name"], new="uid" not in meta)
        self._cache.put(answer)
        return answer

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
