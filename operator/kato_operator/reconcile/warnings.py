"""What Events tell of objects whose own status does not say why they wait.

A StatefulSet reports refused pods only as an Event, a node what it cannot set up, a storage driver
what it cannot make. Events are many and short-lived: they are read about single objects and only
while something waits, never watched.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from kato_operator.cluster.cluster import Cluster
from kato_operator.errors import RefusedError
from kato_operator.manifests import Manifest
from kato_operator.status.causes import SILENT, Warned, Warnings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard at a time, on the clock of `EventReader`."""

    at: float
    warnings: Warnings


class EventReader:
    """Reads the Events about objects, at most once in *every_s* for the same objects."""

    def __init__(self, cluster: Cluster, *, every_s: float, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._every_s = every_s
        self._clock = clock
        self._heard: dict[str, Heard] = {}

    async def read(self, instance_uid: str, suspects: Iterable[Manifest]) -> Warnings:
        """The newest Event about each of the objects, by its uid."""
        wanted = {item["metadata"]["uid"]: item for item in suspects}
        if not wanted:
            self.forget(instance_uid)
            return {}
        known = self._heard.get(instance_uid)
        now = self._clock()
        if known and known.warnings.keys() == wanted.keys() and now - known.at < self._every_s:
            return known.warnings
        warnings = {uid: await self._newest(item) for uid, item in wanted.items()}
        self._heard[instance_uid] = Heard(now, warnings)
        return warnings

    def forget(self, instance_uid: str) -> None:
        """Drop what is kept of an instance."""
        self._heard.pop(instance_uid, None)

    async def _newest(self, suspect: Manifest) -> Warned:
        """The newest Event, if it is a warning: a later one says that the trouble has passed."""
        try:
            events = await self._cluster.events_about(suspect)
        except RefusedError as error:  # Events only explain: without the right, nothing else fails
            log.warning("events not read", error=str(error))
            return SILENT
        newest = max(events, key=_age, default=None)
        if newest is None or newest.get("type") != "Warning":
            return SILENT
        return Warned(newest.get("reason", ""), newest.get("message", "").strip())


def _age(event: Manifest) -> tuple[str, int]:
    """What grows with the time of an Event; its seconds may be equal, its versions are not."""
    series = event.get("series") or {}
    times = (
        event.get("lastTimestamp"),
        series.get("lastObservedTime"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    )
    newest = max((time[:19] for time in times if time), default="")
    return newest, int(event["metadata"]["resourceVersion"])
