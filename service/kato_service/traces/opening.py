"""Opens the traces that the settings ask for."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from kato_service import __version__
from kato_service.errors import SettingsError
from kato_service.settings.settings import Settings
from kato_service.traces.untraced import Untraced

if TYPE_CHECKING:
    from kato_service.traces.traced import Traced

EXPORT_S = 5.0
"""Seconds that sending a batch of spans may take, and sending the last ones at the end."""


@asynccontextmanager
async def opened_traces(settings: Settings) -> AsyncIterator[Untraced]:
    """What traces the parts of the service; nothing, unless the settings name a collector.

    A collector that does not answer costs nothing but its spans: they wait for it in a queue of
    bounded size, in a thread of their own.
    """
    if settings.traces_url is None:
        yield Untraced()
        return
    traces = _traces(settings, settings.traces_url.get_secret_value())
    try:
        yield traces
    finally:
        await asyncio.to_thread(traces.close)


def require_traces(settings: Settings) -> None:
    """Refuse to start without OpenTelemetry where traces are asked for; raises SettingsError."""
    if settings.traces_url is None:
        return
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.sdk  # noqa: F401
    except ImportError as exc:
        raise SettingsError(
            "TRACES_URL: OpenTelemetry is not installed; accepted after pip install 'kato[traces]'"
        ) from exc


def _traces(settings: Settings, url: str) -> "Traced":
    # OpenTelemetry takes longer to import than an instance takes to start.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from kato_service.traces.traced import Traced
    from kato_service.traces.tracer import Tracer

    exporter = OTLPSpanExporter(url, timeout=EXPORT_S)
    about = {
        "service.name": "kato",
        "service.version": __version__,
        "service.namespace": settings.processor_id,
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
    }
    batches = BatchSpanProcessor(exporter, export_timeout_millis=EXPORT_S * 1000)
    return Traced(Tracer(batches, ratio=settings.traces_sample_ratio, resource=about))
