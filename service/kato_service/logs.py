"""Log lines: constant phrases with fields, as JSON or for people; libraries' lines among them."""

import logging
import sys
from typing import Literal, TextIO

import orjson
import structlog

_QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access", "httpx", "pymongo", "qdrant_client")
"""Libraries whose narration repeats ours: only their warnings are written."""
_MONGO_CLIENT = "pymongo.client"
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
"""Locals are session ids, bodies and keys: no line may hold them."""


def configure_logs(
    *, level: str, style: Literal["json", "console"], out: TextIO | None = None
) -> None:
    """Send every line of this process to *out*, standard output by default: ours and those of
    libraries."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
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
    """A library's line keeps its words in a field; the phrase is ours."""
    record = event.get("_record")
    name = record.name if isinstance(record, logging.LogRecord) else "unknown"
    line = {**event, "event": "library reported", "library": name, "reason": str(event["event"])}
    return _as_lost_connection(line) if name == _MONGO_CLIENT else line


def _as_lost_connection(line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The driver's background work on a MongoDB that went: no bug, and no traceback."""
    _, error, _ = line.get("exc_info") or (None, None, None)
    if not type(error).__module__.startswith("pymongo."):
        return line
    known = {name: value for name, value in line.items() if name != "exc_info"}
    return {**known, "level": "warning", "error": type(error).__name__}


def _json(event: structlog.typing.EventDict, **_options: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
