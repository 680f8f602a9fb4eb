"""A span for every request, and for every frame of a WebSocket."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kato_service.logs import traced_lines
from kato_service.traces.tracer import SERVER_ERROR, Tracer, failed

_W3C = TraceContextTextMapPropagator()
UNTRACED = ("/health", "/v2/health", "/metrics")
"""Paths, or beginnings of paths, that probes and Prometheus ask for every few seconds."""


class TracedRequests:
    """The outermost application: it begins the span in which all others are."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # A span ends with what it is about, and a socket may stay open for days.
            scope.setdefault("state", {})["frame_span"] = partial(self._frame, _parent(scope))
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and not scope["path"].startswith(UNTRACED):
            await self._answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _frame(self, parent: Context) -> AbstractContextManager[None]:
        return _current(self._tracer.begin("WebSocket frame", parent, {}))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        given = {"http.request.method": method, "url.scheme": scope["scheme"]}
        span = self._tracer.begin(method, _parent(scope), given)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                _note_answer(span, message)
            await send(message)

        with _current(span):
            try:
                await self._app(scope, receive, noting)
            finally:
                # Known only afterwards. Never the path itself: it may hold the id of a session.
                route = getattr(scope.get("route"), "path", "unmatched")
                span.set_attribute("http.route", route)
                span.update_name(f"{method} {route}")


def _parent(scope: Scope) -> Context:
    """The trace that the caller began, by its header `traceparent`."""
    return _W3C.extract(scope["headers"], Context(), _Headers())


class _Headers(Getter[Sequence[tuple[bytes, bytes]]]):
    def get(self, carrier: Sequence[tuple[bytes, bytes]], key: str) -> list[str] | None:
        name = key.encode("ascii")
        return [value.decode("latin-1") for known, value in carrier if known == name] or None

    def keys(self, carrier: Sequence[tuple[bytes, bytes]]) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier]


def _note_answer(span: Span, message: Message) -> None:
    status = message["status"]
    span.set_attribute("http.response.status_code", status)
    for name, value in message["headers"]:
        if name == b"x-request-id":
            span.set_attribute("kato.request_id", value.decode("latin-1"))
    if status >= SERVER_ERROR:
        span.set_status(Status(StatusCode.ERROR))


@contextmanager
def _current(span: Span) -> Iterator[None]:
    """Make *span* that of the task, and name it in every line of the log; end it afterwards."""
    token = context.attach(trace.set_span_in_context(span))
    try:
        with traced_lines(span.get_span_context().trace_id):
            yield
    except BaseException as exc:
        failed(span, exc)
        raise
    finally:
        span.end()
        context.detach(token)
