"""Claims: the field of an instance's status that names the installation that orchestrates it."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256

import structlog

from kato_operator import names
from kato_operator.claims.leadership import Leadership
from kato_operator.claims.rivals import Rivals
from kato_operator.cluster.cluster import Cluster
from kato_operator.errors import ConflictError, KubeError, RefusedError, TransientError
from kato_operator.manifests import Key, Manifest, namespaced_name
from kato_operator.status import events

log = structlog.get_logger()

OLD_CRD = (
    "the CRD in this cluster does not keep status.orchestratedBy: it is older than the operator;"
    " apply the CRD of this release"
)


class Claims:
    """The instances of one installation; those of others are not touched.

    Args:
        excluded: Namespaces whose instances are left to other installations.
        changed: Gets the key of an instance that may be claimed now.
        every_s: Seconds between two looks at other installations.
    """

    def __init__(
        self,
        cluster: Cluster,
        leadership: Leadership,
        rivals: Rivals,
        *,
        excluded: tuple[str, ...],
        changed: Callable[[Key], None],
        every_s: float,
    ) -> None:
        self._cluster = cluster
        self._leadership = leadership
        self._rivals = rivals
        self._me = str(leadership.installation)
        self._excluded = excluded
        self._changed = changed
        self._every_s = every_s
        self._reported: dict[Key, tuple[str, str]] = {}

    def is_ours(self, key: Key) -> bool:
        """Whether the instance is known to be claimed by this installation."""
        raw = self._cluster.instances.get(key)
        return raw is not None and owner(raw) == self._me

    async def hold(self, raw: Manifest) -> bool:
        """Whether this installation orchestrates an instance, which it claims if it may.

        Raises:
            KubeError: It could not be claimed or reported; a later pass tries again.
        """
        found = owner(raw)
        if found == self._me:
            return True
        if found and not self._rivals.is_gone(found):
            await self._report(raw, found)
            return False
        return await self._claim(raw, found)

    def phases(self) -> Iterator[str]:
        """The phase of every instance, for metrics; none while this process does not write."""
        if not self._leadership.is_held:
            return
        for raw in self._cluster.instances.all():
            status = raw.get("status") or {}
            is_ours = owner(raw) in ("", self._me)
            yield status.get("phase", "") if is_ours else names.REASON_ORCHESTRATED_ELSEWHERE

    def ours(self) -> Iterator[Manifest]:
        """The instances that are not left to others; none while this process does not write."""
        if self._leadership.is_held:
            found = self._cluster.instances.all()
            yield from (raw for raw in found if owner(raw) in ("", self._me))

    async def run(self) -> None:
        """Give up excluded instances, and look for installations that are gone, until cancelled."""
        await self._leadership.held()
        await self._give_up_excluded()
        while True:
            await self._leadership.held()
            elsewhere = {
                namespaced_name(raw): found
                for raw in self._cluster.instances.all()
                if (found := owner(raw)) not in ("", self._me)
            }
            await self._rivals.look(elsewhere.values(), every_s=self._every_s)
            for name, found in elsewhere.items():
                if self._rivals.is_gone(found):
                    self._changed(Key(*name))
            await asyncio.sleep(self._every_s)

    async def _claim(self, raw: Manifest, before: str) -> bool:
        key = Key(*namespaced_name(raw))
        wanted = {**(raw.get("status") or {}), "orchestratedBy": self._me}
        try:
            await self._cluster.write_status(raw, wanted, unchanged=True)
        except ConflictError as error:  # a later pass sees the newer one, perhaps claimed by others
            raise TransientError(
                "the instance has just changed; it is claimed later", status=error.status
            ) from error
        known = self._cluster.instances.get(key)
        if known is None:
            return False
        if not owner(known):
            raise TransientError(OLD_CRD)
        log.info("instance claimed", namespace=key.namespace, instance=key.name, before=before)
        return owner(known) == self._me

    async def _report(self, raw: Manifest, found: str) -> None:
        """Say once that the instance is left to another installation: in the log, by an Event."""
        key, uid = Key(*namespaced_name(raw)), raw["metadata"]["uid"]
        if self._reported.get(key) == (uid, found):
            return
        event = events.about(
            raw,
            kind="Warning",
            reason=names.REASON_ORCHESTRATED_ELSEWHERE,
            message=(
                f"operator {self._me} does not touch this instance: {found} orchestrates it, as"
                " status.orchestratedBy says; let only one operator watch the namespace, or set"
                f" the field to {self._me} to hand the instance over"
            ),
            now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            # the same name every time: a restart does not repeat the Event while it exists
            suffix=sha256(f"{uid} {self._me} {found}".encode()).hexdigest()[:16],
        )
        try:
            await self._cluster.publish(event)
        except ConflictError:
            log.debug("event exists", reason=event["reason"])
        except RefusedError as error:
            log.warning("event not published", reason=event["reason"], error=str(error))
        log.info("instance orchestrated elsewhere", owner=found)
        self._reported[key] = (uid, found)

    def forget(self, key: Key) -> None:
        """Forget an instance that is deleted."""
        self._reported.pop(key, None)

    async def _give_up_excluded(self) -> None:
        """Remove claims of this installation in namespaces that it no longer watches.

        Nobody else would claim those instances while this installation exists.
        """
        waiting = list(self._excluded)
        while waiting:
            try:
                for raw in await self._cluster.instances_in(waiting[0]):
                    if owner(raw) == self._me:
                        await self._give_up(raw)
                waiting.pop(0)
            except KubeError as error:
                log.warning("claims not given up", namespace=waiting[0], error=str(error))
                await asyncio.sleep(self._every_s)
                await self._leadership.held()

    async def _give_up(self, raw: Manifest) -> None:
        rest = {name: it for name, it in raw["status"].items() if name != "orchestratedBy"}
        await self._cluster.write_status(raw, rest, unchanged=True)
        namespace, name = namespaced_name(raw)
        log.info("instance given up", namespace=namespace, instance=name)


def owner(raw: Manifest) -> str:
    """The installation that orchestrates an instance; empty if nobody has claimed it."""
    return str((raw.get("status") or {}).get("orchestratedBy") or "")
