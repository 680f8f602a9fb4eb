"""Logging: constant phrases with fields, as JSON or for people, those of libraries included."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TextIO

import orjson
import structlog

_QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access", "httpx", "pymongo", "qdrant_client")
"""Libraries whose lines repeat ours: only their warnings are written."""
_MONGO_CLIENT = "pymongo.client"
_TRACE: ContextVar[int | None] = ContextVar("trace", default=None)
_AUDIT = "kato_service.audit"
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
"""Without local variables: they hold session ids, bodies and keys, which no line may show."""


def configure_logs(
    *, level: str, style: Literal["json", "console"], out: TextIO | None = None
) -> None:
    """Write every log line of this process to *out*, by default to standard output.

    Args:
        level: Lowest level that is written.
        style: json for machines, console for people.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _with_trace,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(), _as_library_line],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(style),
            ],
        )
    )
    _install(handler, level.upper())


@contextmanager
def traced_lines(trace_id: int) -> Iterator[None]:
    """Name the trace in every line that is written inside, by its 32 hexadecimal digits."""
    token = _TRACE.set(trace_id)
    try:
        yield
    finally:
        _TRACE.reset(token)


def _with_trace(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    trace_id = _TRACE.get()
    return event if trace_id is None else {**event, "trace_id": f"{trace_id:032x}"}


def audit_logger() -> structlog.typing.FilteringBoundLogger:
    """Its lines are written whatever the level of the log is: whoever asks for quiet still has to
    be able to tell who did what."""
    logger = logging.getLogger(_AUDIT)
    logger.setLevel(logging.INFO)
    wrapped: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        logger, wrapper_class=structlog.make_filtering_bound_logger(logging.INFO)
    )
    return wrapped


def _install(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(logging.WARNING, root.level))


def _rendering(style: Literal["json", "console"]) -> tuple[structlog.typing.Processor, ...]:
    if style == "console":
        plain = structlog.dev.plain_traceback
        return (
            structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain),
        )
    return (_TRACEBACKS, structlog.processors.JSONRenderer(_json))


def _as_library_line(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """A line of a library, with our constant phrase and its own text in the field ``reason``."""
    record = event.get("_record")
    name = record.name if isinstance(record, logging.LogRecord) else "unknown"
    line = {**event, "event": "library reported", "library": name, "reason": str(event["event"])}
    return _as_lost_connection(line) if name == _MONGO_CLIENT else line


def _as_lost_connection(line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """*line* as a warning without traceback, if MongoDB's driver reports a lost connection.

    Its background tasks log every lost connection as an error, which is not a bug of ours.
    """
    _, error, _ = line.get("exc_info") or (None, None, None)
    if not type(error).__module__.startswith("pymongo."):
        return line
    known = {name: value for name, value in line.items() if name != "exc_info"}
    return {**known, "level": "warning", "error": type(error).__name__}


def _json(event: structlog.typing.EventDict, **_options: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
