"""Which content coding a request accepts, and which answers get one."""

import asyncio
import threading
import zlib
from typing import Any

import pytest
import zstandard
from starlette.types import Message, Receive, Scope, Send

from kato_service.api.compression import compressed_answers
from kato_service.api.compression.accepting import Accepted, accepted
from kato_service.api.compression.compressed_answers import (
    LONG_BYTES,
    MIN_BYTES,
    CompressedAnswers,
)

BODY = b'{"text":"' + b"again and again " * 100 + b'"}'
JSON = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("", Accepted("identity"), id="nothing"),
        pytest.param("gzip", Accepted("gzip"), id="gzip"),
        pytest.param("x-gzip", Accepted("gzip"), id="old name"),
        pytest.param("GZip;Q=0.5", Accepted("gzip"), id="case"),
        pytest.param("gzip, deflate, br, zstd", Accepted("zstd"), id="a browser"),
        pytest.param("zstd;q=0.5, gzip;q=0.8", Accepted("gzip"), id="qualities"),
        pytest.param("gzip;q=0", Accepted("identity"), id="refused"),
        pytest.param("gzip;q=0.000", Accepted("identity"), id="refused in full"),
        pytest.param("br, deflate", Accepted("identity"), id="unknown ones"),
        pytest.param("*", Accepted("zstd"), id="any"),
        pytest.param("*, zstd;q=0", Accepted("gzip"), id="any but one"),
        pytest.param("*;q=0.1, gzip;q=0.2", Accepted("gzip"), id="any with a quality"),
        pytest.param("*;q=0", Accepted("identity"), id="none at all"),
        pytest.param("identity;q=0, gzip", Accepted("gzip", needed=True), id="never plain"),
        pytest.param("*;q=0, gzip", Accepted("gzip", needed=True), id="gzip alone"),
        pytest.param("identity;q=0", Accepted("identity"), id="nothing is acceptable"),
        pytest.param("identity, gzip;q=0.5", Accepted("identity"), id="rather plain"),
        pytest.param("identity;q=0.5, gzip;q=0.5", Accepted("gzip"), id="either"),
        pytest.param("gzip;q=2", Accepted("identity"), id="no quality"),
        pytest.param("gzip;q=abc", Accepted("identity"), id="no number"),
        pytest.param("gzip;q=0, gzip", Accepted("identity"), id="named twice"),
        pytest.param(" , gzip ,", Accepted("gzip"), id="empty parts"),
    ],
)
def test_the_coding_is_the_one_that_the_client_wants_most(header: str, expected: Accepted) -> None:
    assert accepted([header] if header else []) == expected
    assert accepted(header.split(", ") if header else []) == expected


async def answered(
    body: bytes = BODY,
    *,
    accepts: str | None = "gzip",
    headers: tuple[tuple[bytes, bytes], ...] = (JSON,),
    status: int = 200,
    pieces: int = 1,
    around: CompressedAnswers | None = None,
) -> tuple[dict[bytes, bytes], bytes]:
    """Headers and body of an answer on its way out."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        length = (b"content-length", str(len(body)).encode())
        start = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
        await send(start)
        size = -(-len(body) // pieces) or 1
        for at in range(pieces):
            part = body[at * size : (at + 1) * size]
            more = at + 1 < pieces
            await send({"type": "http.response.body", "body": part, "more_body": more})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    given = [] if accepts is None else [(b"accept-encoding", accepts.encode())]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": given}
    wrapper = around or CompressedAnswers(app)
    if around is not None:
        around._app = app
    await wrapper(scope, receive, send)
    assert sent[0]["type"] == "http.response.start"
    return dict(sent[0]["headers"]), b"".join(message["body"] for message in sent[1:])


async def test_an_answer_is_compressed_as_the_client_wants() -> None:
    headers, body = await answered(accepts="gzip")
    assert (headers[b"content-encoding"], headers[b"vary"]) == (b"gzip", b"Accept-Encoding")
    assert headers[b"content-length"] == str(len(body)).encode()
    assert zlib.decompress(body, 31) == BODY
    headers, body = await answered(accepts="gzip, zstd")
    assert headers[b"content-encoding"] == b"zstd"
    assert zstandard.ZstdDecompressor().decompress(body) == BODY
    assert len(body) < len(BODY) / 10


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"accepts": None}, id="nobody asked"),
        pytest.param({"accepts": "br"}, id="another coding"),
        pytest.param({"body": BODY[: MIN_BYTES - 1]}, id="short"),
        pytest.param({"body": b""}, id="empty"),
        pytest.param({"pieces": 3}, id="in pieces"),
        pytest.param({"status": 206}, id="a part"),
        pytest.param({"headers": ((b"content-type", b"image/png"),)}, id="type"),
        pytest.param({"headers": (JSON, (b"etag", b'"1"'))}, id="tagged"),
        pytest.param({"headers": (JSON, (b"content-encoding", b"br"))}, id="compressed"),
        pytest.param({"headers": (JSON, (b"cache-control", b"no-transform"))}, id="secret"),
    ],
)
async def test_other_answers_stay_as_they_are(options: dict[str, Any]) -> None:
    headers, body = await answered(**options)
    assert body == options.get("body", BODY)
    assert headers[b"content-length"] == str(len(body)).encode()
    given = dict(options.get("headers", (JSON,)))
    assert headers.get(b"content-encoding") == given.get(b"content-encoding")


async def test_caches_are_told_what_an_answer_depends_on() -> None:
    plain, _ = await answered(accepts=None)
    assert plain[b"vary"] == b"Accept-Encoding"
    short, _ = await answered(body=b"{}", accepts=None)
    assert b"vary" not in short


async def test_a_client_that_refuses_plain_answers_gets_none() -> None:
    headers, body = await answered(body=b'{"a":1}', accepts="gzip, identity;q=0")
    assert headers[b"content-encoding"] == b"gzip"
    assert zlib.decompress(body, 31) == b'{"a":1}'


async def test_long_answers_are_compressed_in_threads_and_not_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running, go_on = threading.Semaphore(0), threading.Event()

    def slow(body: bytes) -> bytes:
        running.release()
        assert go_on.wait(30)
        return body[:1]

    monkeypatch.setitem(compressed_answers._BY_CODING, "gzip", slow)
    around = CompressedAnswers(_nobody)
    long = b"x" * (LONG_BYTES + 1)
    begun = [asyncio.create_task(answered(long, around=around)) for _ in range(2)]
    for _ in begun:
        assert await asyncio.to_thread(running.acquire, timeout=30)
    headers, body = await answered(long, around=around)
    assert (headers.get(b"content-encoding"), body) == (None, long)
    go_on.set()
    for headers, body in await asyncio.gather(*begun):
        assert (headers[b"content-encoding"], body) == (b"gzip", b"x")


async def _nobody(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError
