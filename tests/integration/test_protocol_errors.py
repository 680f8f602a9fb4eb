"""What is no proper request gets an answer that a program can read, however its bytes arrive."""

import gzip
import json
import socket
import struct
import time
import zlib
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support import patient
from support.raw_http import RawAnswer, asked, head, opened, received
from support.waiting import until

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 8 * 2**20
GZIP_HEADER_BYTES = 10
JSON = "Content-Type: application/json"


def _assert_envelope(answer: RawAnswer, status: int, code: str = "VALIDATION_ERROR") -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert answer.code == code
    assert answer.envelope["error"]["request_id"] == answer.headers["x-request-id"]


def _head_of(size: int, *, headers: int = 1) -> bytes:
    """A complete head of exactly *size* bytes, with *headers* long ones."""
    names = [f"X-{number}" for number in range(headers)]
    rest = size - len(head("GET", "/health/live", *(f"{name}: " for name in names)))
    values = [rest // headers] * headers
    values[0] += rest - sum(values)
    lines = (f"{name}: {'v' * length}" for name, length in zip(names, values, strict=True))
    return head("GET", "/health/live", *lines)


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("piece", [HEAD_LIMIT * 4, 1000, 7], ids=["at once", "pieces", "trickle"])
@pytest.mark.parametrize(
    ("size", "headers", "status"),
    [
        (HEAD_LIMIT, 1, 200),
        (HEAD_LIMIT + 1, 1, 431),
        (HEAD_LIMIT + 1, 100, 431),
        (2 * HEAD_LIMIT, 1, 431),
    ],
)
def test_the_bound_of_a_head_does_not_depend_on_how_it_arrives(
    service_url: str, piece: int, size: int, headers: int, status: int
) -> None:
    answer = asked(service_url, *_pieces(_head_of(size, headers=headers), piece))
    assert answer.status == status
    if status == 431:
        _assert_envelope(answer, 431)


def test_a_long_name_and_a_long_path_count_like_a_long_value(service_url: str) -> None:
    long = "n" * HEAD_LIMIT
    for request in (head("GET", "/health/live", f"{long}: x"), head("GET", f"/{long}")):
        for size in (len(request), 4096):
            _assert_envelope(asked(service_url, *_pieces(request, size)), 431)


@pytest.mark.parametrize(("extra", "status"), [(127, 200), (128, 431)])
@pytest.mark.parametrize("piece", [HEAD_LIMIT, 50])
def test_the_number_of_headers_is_bounded(
    service_url: str, extra: int, status: int, piece: int
) -> None:
    request = head("GET", "/health/live", *(["X: y"] * extra))
    assert asked(service_url, *_pieces(request, piece)).status == status


@pytest.mark.parametrize("codings", ["gzip", "gzip, chunked", "identity"])
def test_a_transfer_coding_other_than_chunked_is_not_implemented(
    service_url: str, codings: str
) -> None:
    lines = (JSON, f"Transfer-Encoding: {codings}", "X-Request-ID: mine")
    answer = asked(service_url, head("POST", "/v2/sessions", *lines))
    _assert_envelope(answer, 501)
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["connection"] == "close"


def test_a_trailer_does_not_change_the_request(service_url: str) -> None:
    body = b"2\r\n{}\r\n0\r\nContent-Type: application/json\r\nOrigin: http://evil\r\n\r\n"
    lines = ("Transfer-Encoding: chunked", "Trailer: Content-Type")
    answer = asked(service_url, head("POST", "/v2/sessions", *lines), body)
    _assert_envelope(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


def test_an_endless_trailer_is_refused(service_url: str) -> None:
    top = head("POST", "/v2/sessions", JSON, "Transfer-Encoding: chunked")
    answer = asked(service_url, top, b"0\r\nX: ", *[b"x" * 65536] * 64)
    _assert_envelope(answer, 431)


@pytest.mark.parametrize(
    ("lines", "status", "code"),
    [
        pytest.param(("Sec-WebSocket-Version: 13",), 400, "VALIDATION_ERROR", id="no key"),
        pytest.param(
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 9"),
            400,
            "VALIDATION_ERROR",
            id="version",
        ),
        pytest.param(
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"),
            404,
            "SESSION_NOT_FOUND",
            id="no such session",
        ),
    ],
)
def test_a_refused_upgrade_gets_the_envelope(
    service_url: str, lines: tuple[str, ...], status: int, code: str
) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "X-Request-ID: mine")
    answer = asked(service_url, head("GET", "/v2/sessions/none/ws", *upgrade, *lines))
    _assert_envelope(answer, status, code)
    assert answer.headers["x-request-id"] == "mine"


def test_an_upgrade_by_another_method_is_refused(service_url: str) -> None:
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 0")
    answer = asked(service_url, head("POST", "/ws", *lines))
    _assert_envelope(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/metrics"])
def test_health_answers_head(service_url: str, path: str) -> None:
    answer = httpx.head(service_url + path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0
    refused = patient.post(service_url + path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_client_that_sends_everything_first_receives_the_refusal(
    service_url: str, connection: str, chunked: bool
) -> None:
    size = 4 * BODY_LIMIT
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    top = head("POST", "/v2/sessions", JSON, length, f"Connection: {connection}")
    body = b" " * size
    framed = b"%x\r\n%s\r\n0\r\n\r\n" % (size, body) if chunked else body
    with opened(service_url) as client:
        client.sendall(top)
        for piece in _pieces(framed, 100_000):
            client.sendall(piece)
        _assert_envelope(received(client), 413, "BODY_TOO_LARGE")
        if connection == "keep-alive":
            client.sendall(head("GET", "/health/live"))
            assert received(client).status == 200
        else:
            assert client.recv(1) == b""


def test_what_is_read_after_a_refusal_is_bounded(service_url: str) -> None:
    top = head("POST", "/v2/sessions", JSON, f"Content-Length: {10**12}")
    with opened(service_url) as client:
        client.sendall(top)
        assert _sent_until_closed(client) < 200 * 2**20


def _sent_until_closed(client: socket.socket) -> int:
    """Bytes that the service took before it closed the connection."""
    piece, sent = b" " * 2**20, 0
    with suppress(ConnectionError):
        while sent < 10**10:
            client.sendall(piece)
            sent += len(piece)
    return sent


def test_a_client_that_waits_for_100_continue_is_refused_before_it_sends(service_url: str) -> None:
    lines = (JSON, f"Content-Length: {10 * BODY_LIMIT}", "Expect: 100-continue")
    answer = asked(service_url, head("POST", "/v2/sessions", *lines))
    _assert_envelope(answer, 413, "BODY_TOO_LARGE")
    assert answer.headers["connection"] == "close"


@pytest.fixture
def headers() -> dict[str, str]:
    return {"content-type": "application/json", "content-encoding": "gzip"}


def _observed(service_url: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    user = {"x-user-id": uuid4().hex}
    return patient.post(f"{service_url}/v1/observe", content=body, headers={**headers, **user})


def test_a_compressed_body_is_understood(service_url: str, headers: dict[str, str]) -> None:
    strings = [f"symbol {number}" * 20 for number in range(200)]
    text = json.dumps({"strings": strings}).encode() + b" " * 3_000_000
    for coding in ("gzip", "GZIP", "x-gzip"):
        given = {**headers, "content-encoding": coding}
        assert _observed(service_url, gzip.compress(text), given).status_code == 200
    plain = {**headers, "content-encoding": "identity"}
    assert _observed(service_url, text, plain).status_code == 200


def _gzipped_spaces(mebibytes: int) -> bytes:
    """One gzip member of so many spaces, of which one mebibyte is compressed and then repeated."""
    spaces = b" " * 2**20
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(spaces) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(mebibytes):
        checksum = zlib.crc32(spaces, checksum)
    trailer = struct.pack("<II", checksum, mebibytes * 2**20)
    return gzip.compress(b"")[:GZIP_HEADER_BYTES] + block * mebibytes + packer.flush() + trailer


def test_repeated_blocks_are_one_gzip_member() -> None:
    assert gzip.decompress(_gzipped_spaces(3)) == b" " * 3 * 2**20


def test_a_compressed_bomb_is_refused_without_delay_for_others(
    service_url: str, headers: dict[str, str]
) -> None:
    bomb = _gzipped_spaces(2000)
    assert len(bomb) < BODY_LIMIT
    began = time.monotonic()
    answer = _observed(service_url, bomb, headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "BODY_TOO_LARGE")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{}", id="plain"),
        pytest.param(gzip.compress(b"{}")[:-3], id="cut off"),
        pytest.param(gzip.compress(b"{}") + b"more", id="more"),
        pytest.param(gzip.compress(b"{") + gzip.compress(b"}"), id="two members"),
    ],
)
def test_what_is_not_one_gzip_member_is_refused(
    service_url: str, headers: dict[str, str], body: bytes
) -> None:
    answer = _observed(service_url, body, headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert "gzip" in answer.json()["error"]["message"]


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "nonsense"])
def test_another_content_coding_is_refused(
    service_url: str, headers: dict[str, str], coding: str
) -> None:
    answer = _observed(service_url, gzip.compress(b"{}"), {**headers, "content-encoding": coding})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")
    assert "gzip" in answer.json()["error"]["message"]


def _lines(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


def test_a_shutdown_does_not_wait_for_bodies_that_are_still_arriving(new_service: Any) -> None:
    service = new_service(SHUTDOWN_GRACE_S="60", ACCESS_LOG="true", VECTORS="disabled")
    service.start()
    service.await_ready()
    expecting = head("POST", "/v1/observe", "Content-Length: 100", "Expect: 100-continue")
    half = b'{"strings":'
    whole = head("GET", "/v2/sessions/count")
    with opened(service.url) as one, opened(service.url) as other, opened(service.url) as silent:
        one.sendall(expecting)
        assert received(one).status == 100  # the service waits for the body
        one.sendall(half)
        other.sendall(whole + head("POST", "/v1/observe", "Content-Length: 100") + half)
        silent.sendall(b"POST /v1/obs")
        assert received(other).status == 200
        until(lambda: "service ready" in service.log, "the log line of readiness")
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 25
        answer = received(one)
        _assert_envelope(answer, 503, "OVERLOADED")
        assert answer.headers["retry-after"] == "1"
        assert _ended(silent)
    events = _lines(service.log)
    (ready,) = (line for line in events if line["event"] == "service ready")
    assert (ready["level"], ready["url"]) == ("info", service.url)
    counted = [line for line in events if line.get("route") == "/v2/sessions/count"]
    (line,) = (line for line in counted if line["event"] == "request answered")
    assert (line["level"], line["method"], line["status"]) == ("info", "GET", 200)
    assert line["elapsed_ms"] > 0


def _ended(connection: socket.socket) -> bool:
    return received(connection).status == 0
