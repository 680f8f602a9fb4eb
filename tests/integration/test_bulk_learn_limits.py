"""What bounds a bulk learn: time without lines, unread answers, rates, shutdown; and replicas."""

import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.line_streams import NDJSON, LineStream, outcomes, text
from support.raw_http import head, opened
from support.services import NewService, ServiceProcess

PAIR = [["a"], ["b"]]


@pytest.fixture(scope="module")
def impatient(new_lasting_service: NewService) -> ServiceProcess:
    """A service in which everything may take a second."""
    service = new_lasting_service(REQUEST_TIMEOUT="1")
    service.start()
    service.await_ready()
    return service


def test_a_stream_may_last_as_long_as_its_lines_keep_coming(impatient: ServiceProcess) -> None:
    user, began = uuid4().hex, time.monotonic()
    with LineStream(impatient.url) as stream:
        while time.monotonic() < began + 1.6:
            stream.send({"user_id": user, "events": PAIR})
            assert stream.read()["status"] == "learned"
            time.sleep(0.4)
        stream.end()
        assert stream.read()["summary"]["complete"]


def test_a_stream_without_a_line_in_time_ends_with_what_is_durable(
    impatient: ServiceProcess,
) -> None:
    with LineStream(impatient.url) as stream:
        stream.send({"user_id": uuid4().hex, "events": PAIR})
        stream.send_raw(b"\n\n{")
        assert stream.read()["line"] == 1
        summary = stream.read()["summary"]
    assert (summary["complete"], summary["durable_through"], summary["lines"]) == (False, 1, 1)
    message = "the next line did not arrive within 1 s (REQUEST_TIMEOUT)"
    assert (summary["error"]["code"], summary["error"]["message"]) == ("DEADLINE_EXCEEDED", message)


def test_a_stream_that_never_begins_is_refused(impatient: ServiceProcess) -> None:
    with LineStream(impatient.url) as stream:
        error = stream.read()["error"]
        assert (stream.status, error["code"]) == (408, "DEADLINE_EXCEEDED")


def test_whoever_sends_on_without_reading_is_told_in_the_end(impatient: ServiceProcess) -> None:
    """The answers fill every buffer on the way, then the client's lines are read and dropped."""
    lines = 80_000
    # The kernel alone takes some 40 MB, so most of the body is blank.
    body = b"x\n" * lines + (b" " * 1023 + b"\n") * 60_000
    with opened(impatient.url) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        kind = f"Content-Type: {NDJSON}"
        connection.sendall(head("POST", "/v2/learn", kind, f"Content-Length: {len(body)}"))
        connection.sendall(body)
        answer = b""
        while b'{"summary"' not in answer[-4000:] or not answer.endswith(b"0\r\n\r\n"):
            piece = connection.recv(2**20)
            if not piece:
                break
            answer += piece
    last = next(line for line in reversed(answer.split(b"\n")) if line.startswith(b'{"summary"'))
    summary = outcomes(last)[1]
    assert summary["error"]["code"] == "OVERLOADED"
    assert "too many answers wait for this client" in summary["error"]["message"]
    assert 0 < summary["lines"] < lines


def test_lines_wait_for_their_turn_where_rates_are_limited(new_service: NewService) -> None:
    user = uuid4().hex
    service = new_service(RATE_LIMIT_PER_S="50", RATE_LIMIT_BURST="50")
    service.start()
    service.await_ready()
    body = text([{"user_id": user, "events": PAIR}] * 12_000)
    with httpx.Client(base_url=service.url, timeout=60) as client:
        began = time.monotonic()
        answer = client.post(
            "/v2/learn?answers=errors", content=body, headers={"Content-Type": NDJSON}
        )
    # 120 tokens, of which at most 50 were there at the beginning.
    assert time.monotonic() > began + 1.2
    assert outcomes(answer.content)[1]["learned"] == 12_000


def test_a_service_that_stops_says_how_far_it_came(new_service: NewService) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    with LineStream(service.url) as stream:
        stream.send(*({"events": PAIR} for _ in range(3)))
        assert [stream.read()["line"] for _ in range(3)] == [1, 2, 3]
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        summary = stream.read()["summary"]
    assert (summary["complete"], summary["durable_through"]) == (False, 3)
    assert summary["error"]["message"].startswith("the service is stopping")
    assert service.process.wait(30) == 0
    service.start()
    service.await_ready()
    with httpx.Client(base_url=service.url) as client:
        session = client.post("/v2/sessions", json={}).json()["session_id"]
        (pattern,) = client.get(f"/v2/sessions/{session}/patterns").json()["patterns"]
        assert pattern["frequency"] == 3


def test_others_are_served_while_a_stream_is_learned(service_url: str) -> None:
    user, stop = uuid4().hex, threading.Event()
    body = text([{"user_id": user, "events": [[f"s{i % 97}"], ["b"]]} for i in range(500)])

    def send() -> int:
        count = 0
        with LineStream(service_url, path="/v2/learn?answers=errors") as stream:
            while not stop.is_set():
                stream.send_raw(body)
                count += 500
            stream.end()
            assert stream.read()["summary"]["learned"] == count
        return count

    took = []
    with httpx.Client(base_url=service_url, timeout=30) as client, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        for _ in range(8):
            session = client.post("/v2/sessions", json={"user_id": user}).json()["session_id"]
            began = time.monotonic()
            observe = {
                "observations": [{"strings": ["x"]}, {"strings": ["y"]}],
                "learn_at_end": True,
            }
            answer = client.post(f"/v2/sessions/{session}/observe-sequence", json=observe)
            took.append(time.monotonic() - began)
            assert answer.status_code == 200
            client.delete(f"/v2/sessions/{session}").raise_for_status()
        stop.set()
        assert sending.result(60) >= 500
    assert sorted(took)[4] < 2.0


@pytest.fixture(scope="module")
def replicas(
    new_lasting_service: NewService, redis_url: str, mongo_url: str
) -> list[ServiceProcess]:
    name = uuid4().hex
    shared = {
        "PROCESSOR_ID": name,
        "REDIS_URL": redis_url,
        "MONGO_BASE_URL": mongo_url,
        "MONGO_DATABASE": name,
        "MONGO_POOL_MIN_SIZE": "1",
    }
    found = [new_lasting_service(**shared) for _ in range(2)]
    for service in found:
        service.start()
    for service in found:
        service.await_ready()
    return found


def test_replicas_that_get_the_same_lines_learn_each_once(
    replicas: list[ServiceProcess],
) -> None:
    user = uuid4().hex
    lines = [
        {"user_id": user, "events": [["a"], [f"s{i % 50}"]], "unique_id": str(i)}
        for i in range(1500)
    ]

    def send(service: ServiceProcess, sent: list[Any]) -> dict[str, Any]:
        with httpx.Client(base_url=service.url, timeout=60) as client:
            answer = client.post("/v2/learn", content=text(sent), headers={"Content-Type": NDJSON})
            found, summary = outcomes(answer.content)
            assert {line["status"] for line in found} == {"learned"}
            return summary

    with ThreadPoolExecutor(4) as pool:
        sending: Callable[..., Any] = pool.submit
        tasks = [sending(send, replicas[n % 2], lines[:: -1 if n > 1 else 1]) for n in range(4)]
        summaries = [task.result(120) for task in tasks]
    assert sum(summary["learned"] for summary in summaries) == 1500
    assert sum(summary["repeated"] for summary in summaries) == 4500
    for service in replicas:
        with httpx.Client(base_url=service.url, timeout=60) as client:
            session = client.post("/v2/sessions", json={"user_id": user}).json()["session_id"]
            page = client.get(f"/v2/sessions/{session}/patterns").json()["patterns"]
            assert {pattern["frequency"] for pattern in page} == {30}
