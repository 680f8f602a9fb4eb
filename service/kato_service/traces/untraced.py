"""The parts of the service as they are without traces."""

from typing import Any, TypeVar

from starlette.types import ASGIApp

from kato_service.processing.matching_threads import MatchingThreads

Port = TypeVar("Port")


class Untraced:
    """Changes nothing. `Traced` overrides each method."""

    def store(self, port: Port, system: str) -> Port:
        """*port*, which speaks to the store *system*; None stays None."""
        return port

    def threads(self, *given: Any, **named: Any) -> MatchingThreads:
        """Matching threads; takes what `MatchingThreads` takes."""
        return MatchingThreads(*given, **named)

    def app(self, app: ASGIApp) -> ASGIApp:
        """*app*, the outermost application."""
        return app
