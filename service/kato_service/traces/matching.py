"""A span for every prediction: how long it waited for a processor, and computed."""

from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeVar

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from kato_service.domain.deadline import Deadline
from kato_service.processing.matching_threads import MatchingThreads
from kato_service.search.pace import Pace
from kato_service.traces.tracer import Tracer

T = TypeVar("T")


class TracedThreads(MatchingThreads):
    """The span is called ``match``; its attribute ``kato.waited_ms`` is the time in the queue."""

    def __init__(self, tracer: Tracer, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._within = tracer.within

    async def run(self, user: str, compute: Callable[[Pace], T], deadline: Deadline) -> T:
        with self._within("match", SpanKind.INTERNAL, {}):
            return await super().run(user, _noting_start(compute), deadline)

    async def run_to_its_end(
        self, user: str, compute: Callable[[Pace], T], deadline: Deadline
    ) -> T:
        with self._within("match", SpanKind.INTERNAL, {}):
            return await super().run_to_its_end(user, _noting_start(compute), deadline)


def _noting_start(compute: Callable[[Pace], T]) -> Callable[[Pace], T]:
    joined, span = perf_counter(), trace.get_current_span()

    def started(pace: Pace) -> T:
        span.set_attribute("kato.waited_ms", round((perf_counter() - joined) * 1000, 3))
        return compute(pace)

    return started
