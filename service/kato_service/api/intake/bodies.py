"""How bodies are read: within bounds, decompressed, and only as JSON."""

import asyncio
import re
import zlib
from collections.abc import Iterator

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope

from kato_service.api.intake.admission import Body
from kato_service.api.intake.header_values import values_of
from kato_service.errors import BodyTooLargeError, InvalidInputError, UnsupportedMediaTypeError

LINES_TYPE = "application/x-ndjson"
"""The media type of lines of JSON, in requests and answers."""
_JSON = re.compile(r"application/([\w.+-]+\+)?json")
_JSON_ALONE = "the body must be JSON; send Content-Type: application/json"
_JSON_OR_LINES = (
    f"the body must be JSON or lines of JSON; send Content-Type: application/json or {LINES_TYPE}"
)
_LINES = (LINES_TYPE, "application/ndjson", "application/jsonl")
_GZIP = ("gzip", "x-gzip")
_GZIP_WINDOW = 31
"""What zlib calls the format of gzip, with the largest window."""
_STEP_BYTES = 256 * 1024
"""Bytes that are decompressed before other requests get their turn: a millisecond or less."""


async def read(scope: Scope, receive: Receive, limit: int, counted: Body) -> bytes | None:
    """The whole body, decompressed, of at most *limit* bytes; None if the client went away.

    Raises:
        BodyTooLargeError: The body is larger, as it was sent or decompressed.
        UnsupportedMediaTypeError: Its Content-Encoding is not gzip.
        InvalidInputError: It is not valid gzip.
        OverloadedError: All bodies in progress together are too large.
    """
    body, sent = bytearray(), 0
    unpacked = gzip_of(scope)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece = message.get("body", b"")
        sent += len(piece)
        if sent > limit:
            raise too_large(limit)
        for part in (piece,) if unpacked is None else unpacked.parts(piece):
            if len(body) + len(part) > limit:
                raise too_large(limit)
            counted.received(len(part))
            body += part
            if unpacked is not None:
                await asyncio.sleep(0)
        if not message.get("more_body", False):
            if unpacked is not None and sent:
                unpacked.require_end()
            return bytes(body)


class Gzip:
    """Decompresses one gzip member, a bounded part at a time.

    More members are refused: many small ones would cost much time for few bytes.
    """

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW)

    def parts(self, piece: bytes) -> Iterator[bytes]:
        """What *piece* continues the body with, in parts of at most `_STEP_BYTES`."""
        while True:
            if self._member.eof:
                if piece:
                    raise _not_gzip("bytes follow the end of the compressed data")
                return
            try:
                part = self._member.decompress(piece, _STEP_BYTES)
            except zlib.error as exc:
                raise _not_gzip("the data cannot be decompressed") from exc
            piece = self._member.unconsumed_tail or self._member.unused_data
            yield part
            if not piece and len(part) < _STEP_BYTES:
                return

    def require_end(self) -> None:
        if not self._member.eof:
            raise _not_gzip("the compressed data is cut off")


def gzip_of(scope: Scope) -> Gzip | None:
    """What decompresses the body; None: it is not compressed.

    Raises:
        UnsupportedMediaTypeError: It is compressed in another way than by gzip.
    """
    return Gzip() if _is_compressed(scope) else None


def _not_gzip(reason: str) -> InvalidInputError:
    return InvalidInputError.at(reason=f"is not valid gzip: {reason}")


def _is_compressed(scope: Scope) -> bool:
    given = ",".join(values_of(scope, b"content-encoding"))
    if not given:
        return False
    codings = [coding for one in given.split(",") if (coding := one.strip().lower())]
    if codings in ([], ["identity"]):
        return False
    if len(codings) == 1 and codings[0] in _GZIP:
        return True
    raise UnsupportedMediaTypeError(
        "Content-Encoding: only gzip is understood; send gzip, or no Content-Encoding"
    )


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` for the application: the body in one piece, then what the server sends."""
    unread = [body]

    async def replay() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return replay


def is_declared(scope: Scope) -> bool:
    """Whether the headers of a request say that it has a body."""
    headers = scope["headers"]
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in headers
    )


def require_json(scope: Scope, *, or_lines: bool) -> None:
    """Refuse a body that is not declared as JSON, whatever the operation would do with it.

    A page may send other types to other sites without asking first. Older programs may omit the
    type on the older paths (decision 0031).

    Args:
        or_lines: The operation takes lines as well, which have another type.
    """
    given = [value for value in values_of(scope, b"content-type") if value]
    if given == ["application/json"]:
        return
    if not given and _is_older_program(scope):
        MutableHeaders(scope=scope)["content-type"] = "application/json"
    elif len(given) != 1 or not _JSON.fullmatch(given[0].split(";")[0].strip().lower()):
        raise UnsupportedMediaTypeError(_JSON_OR_LINES if or_lines else _JSON_ALONE)


def is_lines(scope: Scope) -> bool:
    """Whether the body is declared as a stream of lines, each a JSON text."""
    given = values_of(scope, b"content-type")
    return len(given) == 1 and given[0].split(";")[0].strip().lower() in _LINES


def too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the body exceeds {limit} bytes (MAX_BODY_BYTES); send less at once")


def _is_older_program(scope: Scope) -> bool:
    """Whether an older path was called, and no page sent the request: pages name themselves."""
    by_page = any(
        name == b"origin" or name.startswith(b"sec-fetch-") for name, _ in scope["headers"]
    )
    return not by_page and not scope["path"].startswith("/v2/")
