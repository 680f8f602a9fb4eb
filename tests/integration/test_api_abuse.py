"""Whatever one client sends, the others are neither held up nor affected."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support import patient

LONGEST_STALL_S = 1.5
"""Seconds; without the bounds the loop stands still for much longer."""


@contextmanager
def watched(service: Any) -> Iterator[list[float]]:
    """Seconds for which the service delayed each `/health/live` while the block runs.

    Only the processor time of the service counts: what other processes use is no stall.
    """
    waits: list[float] = []
    ended = threading.Event()
    process = psutil.Process(service.process.pid)

    def computed_s() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    def watch() -> None:
        with httpx.Client(base_url=service.url, timeout=60) as client:
            while not waits or not ended.is_set():
                began, computed = time.monotonic(), computed_s()
                assert client.get("/health/live").status_code == 200
                waits.append(min(time.monotonic() - began, computed_s() - computed))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield waits
    finally:
        ended.set()
        watcher.join()


def sent(url: str, *pieces: bytes) -> bytes:
    """The start of the answer to *pieces*, which need not be a request."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                break
        answer = b""
        while b"}" not in answer:
            piece = connection.recv(65536)
            if not piece:
                break
            answer += piece
    return answer


def test_an_endless_head_is_refused(shared_service: Any) -> None:
    head = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-A: "
    with watched(shared_service) as waits:
        answer = sent(shared_service.url, head, *([b"a" * 65536] * 64))
    assert answer.startswith(b"HTTP/1.1 431")
    assert b'"VALIDATION_ERROR"' in answer
    assert max(waits) < LONGEST_STALL_S


def test_the_refusal_of_a_pipelined_head_is_not_sent_as_the_answer_before_it(
    service_url: str,
) -> None:
    body = json.dumps({"strings": ["a"], "metadata": {"long": "x" * 120_000}}).encode()
    head = (
        b"POST /v1/observe HTTP/1.1\r\nHost: localhost\r\n"
        b"X-User-ID: %s\r\nContent-Length: %d\r\n\r\n"
    )
    request = head % (uuid4().hex.encode(), len(body)) + body
    assert sent(service_url, request + b"GET /v1/s").startswith(b"HTTP/1.1 200")
    assert sent(service_url, request + b"no request at all").startswith(b"HTTP/1.1 200")
    endless = b"GET / HTTP/1.1\r\nX-A: " + b"a" * 65536
    assert sent(service_url, request + endless, *[b"a" * 65536] * 8).startswith(b"HTTP/1.1 200")


def test_an_invalid_chunked_body_is_refused_at_once(service_url: str) -> None:
    head = b"POST /v1/observe HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    began = time.monotonic()
    assert sent(service_url, head, b"no length\r\n").startswith(b"HTTP/1.1 400")
    assert time.monotonic() - began < 10
    two = b"GET /v1/stm HTTP/1.1\r\nHost: localhost\r\n\r\n" + head + b"no length\r\n"
    assert b" 400 " not in sent(service_url, two)


@pytest.mark.parametrize(
    "nonsense", [b"FOO / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET / HTTP/9\r\n\r\n"]
)
def test_bytes_that_are_not_a_request_get_the_envelope(service_url: str, nonsense: bytes) -> None:
    answer = sent(service_url, nonsense)
    assert answer.startswith(b"HTTP/1.1 400")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "VALIDATION_ERROR"


def test_a_socket_at_an_unknown_path_gets_the_envelope(service_url: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(service_url.replace("http", "ws", 1) + "/v2/nowhere/ws")
    assert refused.value.response.status_code == 404
    body = json.loads(refused.value.response.body or b"{}")
    assert body["error"]["code"] == "NOT_FOUND"


def test_millions_of_empty_arrays_are_refused(
    shared_service: Any, api: httpx.Client, session_id: str
) -> None:
    body = b'{"x":[' + b"[]," * 2_000_000 + b"1]}"
    headers = {"content-type": "application/json"}
    with watched(shared_service) as waits:
        answer = api.post(f"/v2/sessions/{session_id}/observe", content=body, headers=headers)
    assert answer.status_code == 422
    assert "arrays and objects" in answer.text
    assert max(waits) < LONGEST_STALL_S


def test_brackets_inside_strings_do_not_count_as_arrays(api: httpx.Client, session_id: str) -> None:
    observations = [{"strings": ["[{" * 500]} for _ in range(300)]
    body = {"observations": observations}
    answer = api.post(f"/v2/sessions/{session_id}/observe-sequence", json=body)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("number", [2**63, 1234567890123456789, -(2**63), 2**64 - 1])
def test_integers_are_exact_in_bodies_of_any_size(api: httpx.Client, number: int) -> None:
    for padding in ("", " " * 300_000):
        body = f'{padding}{{"metadata": {{"id": {number}}}}}'
        headers = {"content-type": "application/json"}
        session = api.post("/v2/sessions", content=body, headers=headers).json()
        assert session["metadata"] == {"id": number}


def test_an_edited_pattern_takes_no_longer_emotive_names_than_an_observation(
    api: httpx.Client, session_id: str
) -> None:
    path = f"/v2/sessions/{session_id}"
    api.post(f"{path}/observe", json={"strings": ["a", "b"]})
    name = api.post(f"{path}/learn").json()["pattern_name"]
    refused = api.put(f"{path}/patterns/{name}", json={"emotives": [{"x" * 257: 1.0}]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "LIMIT_EXCEEDED")
    assert api.get(f"{path}/patterns/{name}").json()["emotives"] == []


def test_a_frequency_never_exceeds_its_limit(api: httpx.Client, session_id: str) -> None:
    path = f"/v2/sessions/{session_id}"
    for _ in range(2):
        api.post(f"{path}/observe", json={"strings": ["a", "b"]})
        learned = api.post(f"{path}/learn").json()
        api.put(f"{path}/patterns/{learned['pattern_name']}", json={"frequency": 2**31 - 1})
    assert learned["frequency"] == 2**31 - 1


def test_pending_emotives_are_bounded_in_bytes(api: httpx.Client, session_id: str) -> None:
    path = f"/v2/sessions/{session_id}"
    for turn in range(4):
        observations = [
            {"emotives": {f"{'é' * 240}{turn}-{number}-{i}": 1.0 for i in range(64)}}
            for number in range(60)
        ]
        body = {"observations": observations}
        answer = api.post(f"{path}/observe-sequence", json=body)
        assert answer.status_code == 200, answer.text
    assert answer.json()["results"][-1]["stm_truncated"] is True
    felt = api.get(f"{path}/cognition-data").json()["cognition_data"]["emotives"]
    assert 4_000_000 < sum(len(name.encode()) + 48 for name in felt) <= 4 * 2**20
    assert f"{'é' * 240}3-59-63" in felt


@pytest.mark.parametrize("engine", ["auto", "numpy"])
def test_a_prediction_of_many_repeats_ends_at_its_deadline_and_delays_nobody(
    new_service: Callable[..., Any], engine: str
) -> None:
    service = new_service(REQUEST_TIMEOUT="6", KATO_ENGINE=engine)
    service.start()
    service.await_ready()
    url = service.url
    symbols = 1500 if engine == "numpy" else 20_000
    with httpx.Client(base_url=url, timeout=60) as client:
        heavy = created(client)
        for events in ([["a"] * 100], [["a"] * 99 + ["b"]]):
            observe(client, heavy, events * (symbols // 100))
            client.post(f"{heavy}/learn") if events[0][-1] == "a" else None
        light = created(client)
        observe(client, light, [["x"], ["y"]])
        assert client.post(f"{light}/learn").status_code == 200
        observe(client, light, [["x"], ["y"]])
        answers: list[int] = []

        def predict() -> None:
            answers.append(patient.get(f"{url}{heavy}/predictions").status_code)

        began = time.monotonic()
        asker = threading.Thread(target=predict)
        asker.start()
        with watched(service) as waits:
            assert client.get(f"{light}/predictions").json()["count"] == 1
            asker.join()
        assert answers[0] in {200, 504}
        assert time.monotonic() - began < 15
        assert max(waits) < LONGEST_STALL_S


def created(client: httpx.Client) -> str:
    user = {"user_id": str(time.monotonic_ns())}
    return f"/v2/sessions/{client.post('/v2/sessions', json=user).json()['session_id']}"


def observe(client: httpx.Client, session: str, events: list[list[str]]) -> None:
    body: dict[str, Any] = {"observations": [{"strings": event} for event in events]}
    answer = client.post(f"{session}/observe-sequence", json=body)
    assert answer.status_code == 200, answer.text
