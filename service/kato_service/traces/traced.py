"""The parts of the service with traces."""

from typing import Any, TypeVar

from starlette.types import ASGIApp

from kato_service.processing.matching_threads import MatchingThreads
from kato_service.traces.matching import TracedThreads
from kato_service.traces.requests import TracedRequests
from kato_service.traces.stores import traced
from kato_service.traces.tracer import Tracer
from kato_service.traces.untraced import Untraced

Port = TypeVar("Port")


class Traced(Untraced):
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def store(self, port: Port, system: str) -> Port:
        return port if port is None else traced(port, system, self._tracer)

    def threads(self, *given: Any, **named: Any) -> MatchingThreads:
        return TracedThreads(self._tracer, *given, **named)

    def app(self, app: ASGIApp) -> ASGIApp:
        return TracedRequests(app, self._tracer)

    def close(self) -> None:
        """Send what has ended; returns in seconds, also if the collector does not answer."""
        self._tracer.close()
