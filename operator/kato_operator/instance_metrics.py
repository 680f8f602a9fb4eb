"""Metrics that name instances, read from what the operator holds anyway when they are scraped."""

import time
from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kato_operator import names
from kato_operator.cluster.instances import Instances
from kato_operator.manifests import Key, Manifest, namespaced_name
from kato_operator.queue import WorkQueue

LABELS = ("namespace", "instance")


class InstanceMetrics(Collector):
    """One series per metric and instance, for at most *most* instances; 0 names none.

    Instances that are not ready are named first: they are those that alerts are about. The series
    of a deleted instance end with it.

    Args:
        known: The instances that exist.
        ours: Gives those of them that this process looks after.
        clock: Gives the time in seconds since the epoch.
    """

    def __init__(
        self,
        known: Instances,
        queue: WorkQueue,
        *,
        ours: Callable[[], Iterable[Manifest]],
        most: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._known = known
        self._queue = queue
        self._ours = ours
        self._most = most
        self._clock = clock
        self._began_at = clock()
        self._passed_at: dict[Key, float] = {}

    def passed(self, key: Key) -> None:
        """Note that a pass over this instance was completed; one that is gone is forgotten."""
        if self._known.get(key) is None:
            self._passed_at.pop(key, None)
        else:
            self._passed_at[key] = self._clock()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The metrics at this moment, as the registry asks for them."""
        found = [(Key(*namespaced_name(raw)), raw) for raw in self._ours()]
        found.sort(key=lambda item: (_holds(item[1], names.READY), item[0]))
        named = found[: self._most]
        unnamed = GaugeMetricFamily(
            "kato_operator_instances_unnamed",
            "Instances that no metric names: there are more than KATO_OPERATOR_INSTANCE_METRICS.",
        )
        unnamed.add_metric((), len(found) - len(named))
        return (unnamed, self._phases(named), *self._gauges(named))

    def _phases(self, named: Iterable[tuple[Key, Manifest]]) -> GaugeMetricFamily:
        found = GaugeMetricFamily(
            "kato_operator_instance_phase",
            "Always 1; the label has the phase of the instance.",
            labels=(*LABELS, "phase"),
        )
        for key, raw in named:
            phase = (raw.get("status") or {}).get("phase", "")
            found.add_metric((key.namespace, key.name, phase), 1)
        return found

    def _gauges(self, named: Iterable[tuple[Key, Manifest]]) -> Iterable[GaugeMetricFamily]:
        ready, stalled, passed, failed = found = tuple(
            GaugeMetricFamily(f"kato_operator_instance_{name}", text, labels=LABELS)
            for name, text in (
                ("ready", "1 if the instance is Ready for its newest spec, else 0."),
                ("stalled", "1 if the instance waits for a person (Stalled), else 0."),
                (
                    "last_pass_timestamp_seconds",
                    "Time of the last completed pass over the instance, or else of the start.",
                ),
                ("failed_passes", "Passes in a row that were interrupted or crashed."),
            )
        )
        for key, raw in named:
            labels = (key.namespace, key.name)
            ready.add_metric(labels, _holds(raw, names.READY))
            stalled.add_metric(labels, _holds(raw, names.STALLED))
            passed.add_metric(labels, self._passed_at.get(key, self._began_at))
            failed.add_metric(labels, self._queue.failures(key))
        return found


def _holds(raw: Manifest, kind: str) -> bool:
    """Whether a condition is True, for the newest spec."""
    return any(
        item["type"] == kind
        and item["status"] == "True"
        and item.get("observedGeneration") == raw["metadata"]["generation"]
        for item in (raw.get("status") or {}).get("conditions", ())
    )
