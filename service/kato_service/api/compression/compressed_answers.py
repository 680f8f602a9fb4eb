"""Compresses answers on their way out, for clients that accept it."""

import asyncio
import zlib
from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kato_service.api.compression.accepting import IDENTITY, Accepted, accepted
from kato_service.api.intake.header_values import values_of

MIN_BYTES = 1024
"""Shorter answers stay as they are: they fit into one packet either way."""
_DIGITS = len(str(MIN_BYTES))
LONG_BYTES = 32 * 1024
"""Longer ones are compressed in a thread: that takes nearly a millisecond."""
LONG_AT_ONCE = 2
"""Long ones that are compressed at the same time; others leave as they are, and nobody waits."""
GZIP_LEVEL, ZSTD_LEVEL = 4, 3
"""Each takes some 10 ms for a megabyte of predictions, or less."""
_GZIP_WINDOW = 31
"""What zlib calls the format of gzip, with the largest window."""
_TYPES = ("application/json", "text/", "application/openapi", "image/svg+xml")
Headers = list[tuple[bytes, bytes]]


class CompressedAnswers:
    """Around the application: answers of one piece that may be compressed, are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._long_ones = asyncio.Semaphore(LONG_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "HEAD":
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Outgoing(self, scope, send).send)

    async def compressed(self, body: bytes, wish: Accepted) -> bytes | None:
        """*body* in the coding of *wish*; None: too many long ones are being compressed."""
        if len(body) <= LONG_BYTES:
            return _BY_CODING[wish.coding](body)
        if self._long_ones.locked() and not wish.needed:
            return None
        async with self._long_ones:
            return await asyncio.to_thread(_BY_CODING[wish.coding], body)


class _Outgoing:
    """One answer: its start waits until its body shows what becomes of it."""

    __slots__ = ("_answers", "_scope", "_send", "_start")

    def __init__(self, answers: CompressedAnswers, scope: Scope, send: Send) -> None:
        self._answers = answers
        self._scope = scope
        self._send = send
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # Most answers are short, and most clients accept them: they cost nothing more.
            if (not _is_short(message) or self._may_refuse()) and _may_be_compressed(message):
                self._start = message
                return
        elif self._start is not None and message["type"] == "http.response.body":
            start, self._start = self._start, None
            # One that comes in pieces is not gathered: it may be long, and may never end.
            if not message.get("more_body", False):
                await self._coded(start, message)
            await self._send(start)
        await self._send(message)

    def _may_refuse(self) -> bool:
        """Whether the client says anything of answers without a coding."""
        return any(
            b"*" in value or b"identity" in value.lower()
            for name, value in self._scope["headers"]
            if name == b"accept-encoding"
        )

    async def _coded(self, start: Message, message: Message) -> None:
        """Compress the body of *message* if the client wants it, and say so in *start*."""
        body: bytes = message.get("body", b"")
        wish = accepted(values_of(self._scope, b"accept-encoding"))
        if not body or (len(body) < MIN_BYTES and not wish.needed):
            return
        start["headers"] = [*start["headers"], (b"vary", b"Accept-Encoding")]
        coded = await self._coding_of(body, wish)
        if coded is None:
            return
        message["body"] = coded
        kept = [each for each in start["headers"] if each[0].lower() != b"content-length"]
        start["headers"] = [
            *kept,
            (b"content-encoding", wish.coding.encode()),
            (b"content-length", str(len(coded)).encode()),
        ]

    async def _coding_of(self, body: bytes, wish: Accepted) -> bytes | None:
        if wish.coding == IDENTITY:
            return None
        coded = await self._answers.compressed(body, wish)
        return coded if coded is not None and (wish.needed or len(coded) < len(body)) else None


def _is_short(start: Message) -> bool:
    """Whether the answer says so."""
    for name, value in start["headers"]:
        if name == b"content-length":
            return len(value) < _DIGITS or int(value) < MIN_BYTES
    return False


def _may_be_compressed(start: Message) -> bool:
    """Whether the answer has a type that becomes shorter, and nothing that speaks against it."""
    if start["status"] < 200 or start["status"] in (204, 206, 304):
        return False
    headers: Iterable[tuple[bytes, bytes]] = start["headers"]
    given = {name.lower(): value.decode("latin-1") for name, value in headers}
    # A tag names the bytes of an answer, so it would have to be another one.
    if given.keys() & {b"content-encoding", b"etag"}:
        return False
    is_secret = "no-transform" in given.get(b"cache-control", "")
    return not is_secret and given.get(b"content-type", "").startswith(_TYPES)


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(body) + packer.flush()


def _zstd(body: bytes) -> bytes:
    # Imported by the first client that wants it: most never do.
    import zstandard

    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(body)


_BY_CODING: dict[str, Callable[[bytes], bytes]] = {"gzip": _gzip, "zstd": _zstd}
