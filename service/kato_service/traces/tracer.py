"""Spans of this process, on OpenTelemetry's SDK."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from kato_service import __version__
from kato_service.errors import KatoError

Attributes = Mapping[str, str | int | float | bool]
SERVER_ERROR = 500


class Tracer:
    """Makes spans. They never hold symbols, emotives, names of users, or ids of sessions."""

    def __init__(self, processor: SpanProcessor, *, ratio: float, resource: Attributes) -> None:
        """A tracer whose ended spans go to *processor*.

        Args:
            ratio: The share of traces that are kept; where a caller began the trace, it decided.
            resource: What describes this process in every span.
        """
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(ratio),
            resource=Resource.create({**resource}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("kato", __version__)

    def begin(self, name: str, parent: Context, attributes: Attributes) -> Span:
        """A span of a request from outside, which continues the trace of *parent*, if it has one;
        whoever calls ends it."""
        return self._tracer.start_span(
            name, context=parent, kind=SpanKind.SERVER, attributes={**attributes}
        )

    @contextmanager
    def within(self, name: str, kind: SpanKind, attributes: Attributes) -> Iterator[None]:
        """A span around what happens inside, if that is part of a request that is traced.

        Background work is no part of one, and neither is what a request left behind.
        """
        if not trace.get_current_span().is_recording():
            yield
            return
        with self._tracer.start_as_current_span(
            name,
            kind=kind,
            attributes={**attributes},
            record_exception=False,  # messages may hold what a user sent
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as exc:
                failed(span, exc)
                raise

    def close(self) -> None:
        """Send what has ended, within the time-out of the exporter."""
        self._provider.shutdown()


def failed(span: Span, exc: BaseException) -> None:
    """Note *exc* on *span*. A refused request, or one whose client left, is no error of the
    service."""
    if isinstance(exc, KatoError):
        name, is_error = exc.code, exc.status_code >= SERVER_ERROR
    else:
        name, is_error = type(exc).__name__, isinstance(exc, Exception)
    span.set_attribute("error.type", name)
    if is_error:
        span.set_status(Status(StatusCode.ERROR))
