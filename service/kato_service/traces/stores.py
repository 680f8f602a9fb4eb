"""A span for every call to a store."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from opentelemetry.trace import SpanKind

from kato_service.traces.tracer import Tracer

Port = TypeVar("Port")


def traced(port: Port, system: str, tracer: Tracer) -> Port:
    """*port*, each of whose calls is a span that is named after *system* and the call.

    Args:
        port: What speaks to a store; what a log has next to it is traced like the log.
        system: The store: redis, mongodb, qdrant, sqlite, memory.
    """
    return cast(Port, _Traced(port, system, tracer))


class _Traced:
    def __init__(self, port: object, system: str, tracer: Tracer) -> None:
        self._port = port
        self._system = system
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name in ("views", "erasures", "configurations"):
            found = _Traced(found, self._system, self._tracer)
        elif iscoroutinefunction(found):
            found = self._spanned(name, found)
        else:
            return found  # it may change: ask again
        setattr(self, name, found)
        return found

    def _spanned(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        title = f"{self._system} {name}"
        about = {"db.system.name": self._system, "db.operation.name": name}
        within = self._tracer.within

        @wraps(call)
        async def spanned(*given: Any, **named: Any) -> Any:
            with within(title, SpanKind.CLIENT, about):
                return await call(*given, **named)

        return spanned
