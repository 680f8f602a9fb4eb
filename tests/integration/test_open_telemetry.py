"""Traces as a collector of OpenTelemetry receives them from real processes of the service."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from support.sockets import opened
from support.waiting import until

pytestmark = pytest.mark.xdist_group("open_telemetry")
New = Callable[..., Any]
SYMBOL = "marzipan"


@dataclass
class Collector:
    """Keeps every span that it is sent."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[Span]:
        found = []
        for body in tuple(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                found += [span for scope in resource.scope_spans for span in scope.spans]
        return found

    def trace(self, trace_id: str, *, root: str) -> list[Span]:
        """The spans of a trace, once its span *root* has arrived; others end before it."""

        def arrived() -> list[Span]:
            found = [span for span in self.spans if span.trace_id.hex() == trace_id]
            return found if root in names(found) else []

        return until(arrived, f"a span {root!r}")


def names(spans: Sequence[Span]) -> list[str]:
    return [span.name for span in spans]


def attributes(span: Span) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes
    }


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_given: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield collector
        server.shutdown()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def service(
    new_lasting_service: New, collector: Collector, redis_url: str, mongo_url: str, qdrant_url: str
) -> Any:
    name = uuid4().hex
    found = new_lasting_service(
        TRACES_URL=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="50",
        ACCESS_LOG="true",
        PROCESSOR_ID=name,
        REDIS_URL=redis_url,
        MONGO_BASE_URL=mongo_url,
        MONGO_DATABASE=name,
        MONGO_POOL_MIN_SIZE="1",
        QDRANT_URL=qdrant_url,
    )
    found.start()
    found.await_ready()
    return found


@pytest.fixture
def client(service: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as found:
        yield found


def traced(sampled: bool = True) -> tuple[str, dict[str, str]]:
    """The id of a new trace, and the header of a caller that began it."""
    trace_id = uuid4().hex
    return trace_id, {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-0{int(sampled)}"}


def created(client: httpx.Client, user: str = "") -> str:
    answer = client.post("/v2/sessions", json={"user_id": user or uuid4().hex})
    return f"/v2/sessions/{answer.raise_for_status().json()['session_id']}"


def test_request_is_a_span_with_its_calls_to_stores_in_the_trace_of_its_caller(
    client: httpx.Client, collector: Collector
) -> None:
    session = created(client)
    trace_id, headers = traced()
    vectors = {"strings": [SYMBOL], "vectors": [[1.0, 2.0]]}
    answer = client.post(f"{session}/observe", json=vectors, headers=headers)
    route = "/v2/sessions/{session_id}/observe"
    spans = collector.trace(trace_id, root=f"POST {route}")
    (root,) = [span for span in spans if span.kind == Span.SPAN_KIND_SERVER]
    assert root.parent_span_id.hex() == "00f067aa0ba902b7"
    assert attributes(root) == {
        "http.request.method": "POST",
        "url.scheme": "http",
        "http.route": route,
        "http.response.status_code": 200,
        "kato.request_id": answer.headers["x-request-id"],
    }
    assert root.status.code == Status.STATUS_CODE_UNSET
    calls = [span for span in spans if span.parent_span_id == root.span_id]
    assert {"redis lock", "redis save", "qdrant store", "qdrant neighbors"} <= set(names(calls))
    for span in calls:
        about = attributes(span)
        assert span.name == f"{about['db.system.name']} {about['db.operation.name']}"
        assert span.kind == Span.SPAN_KIND_CLIENT
        assert root.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= root.end_time_unix_nano


def test_learn_and_prediction_show_the_log_and_matching(
    client: httpx.Client, collector: Collector
) -> None:
    session = created(client)
    for symbol in ("a", "b"):
        client.post(f"{session}/observe", json={"strings": [symbol]}).raise_for_status()
    trace_id, headers = traced()
    client.post(f"{session}/learn", json={}, headers=headers).raise_for_status()
    learn = collector.trace(trace_id, root="POST /v2/sessions/{session_id}/learn")
    assert {"redis intend", "mongodb insert", "redis save"} <= set(names(learn))
    client.post(f"{session}/observe", json={"strings": ["a", "b"]}).raise_for_status()
    trace_id, headers = traced()
    client.get(f"{session}/predictions", headers=headers).raise_for_status()
    spans = collector.trace(trace_id, root="GET /v2/sessions/{session_id}/predictions")
    assert {"redis load", "mongodb tail", "match"} <= set(names(spans))
    (match,) = [span for span in spans if span.name == "match"]
    assert attributes(match)["kato.waited_ms"] >= 0


def test_nothing_that_a_user_sent_is_in_a_span(client: httpx.Client, collector: Collector) -> None:
    user = f"user-{uuid4().hex}"
    session = created(client, user)
    trace_id, headers = traced()
    observed = {"strings": [SYMBOL], "metadata": {"note": SYMBOL}, "emotives": {SYMBOL: 1.0}}
    client.post(f"{session}/observe", json=observed).raise_for_status()
    client.post(f"{session}/observe", json={"strings": [3], SYMBOL: 1})
    client.get(f"{session}/{SYMBOL}?user_id={user}")
    client.get(f"{session}/predictions", headers=headers).raise_for_status()
    collector.trace(trace_id, root="GET /v2/sessions/{session_id}/predictions")
    sent = b"".join(collector.bodies)
    for secret in (SYMBOL, user, session.rpartition("/")[2]):
        assert secret.encode() not in sent


def test_refusal_is_no_error_of_the_service(client: httpx.Client, collector: Collector) -> None:
    trace_id, headers = traced()
    answer = client.post("/v2/sessions", json={"user_id": 3}, headers=headers)
    assert answer.status_code == 422
    (root,) = collector.trace(trace_id, root="POST /v2/sessions")
    assert attributes(root)["http.response.status_code"] == 422
    assert root.status.code == Status.STATUS_CODE_UNSET


def test_log_lines_of_a_request_name_its_trace(
    client: httpx.Client, collector: Collector, service: Any
) -> None:
    trace_id, headers = traced()
    client.post("/v2/sessions", json={"user_id": uuid4().hex}, headers=headers).raise_for_status()
    collector.trace(trace_id, root="POST /v2/sessions")
    created(client)  # begins a trace of its own
    lines = [json.loads(line) for line in service.log.splitlines()]
    answered = [line for line in lines if line["event"] == "request answered"]
    assert [line["route"] for line in answered if line.get("trace_id") == trace_id] == [
        "/v2/sessions"
    ]
    assert all(len(line["trace_id"]) == 32 for line in answered if "/v2/sessions" in line["route"])


def test_each_frame_of_a_socket_is_a_span(
    client: httpx.Client, collector: Collector, service: Any
) -> None:
    session = created(client)
    trace_id, headers = traced()
    with opened(f"{service.url}{session}/ws", additional_headers=headers) as talk:
        assert talk.ask("observe", payload={"strings": ["a"]})["type"] == "observation_result"
        assert talk.ask("nonsense")["type"] == "error"
    spans = until(lambda: _frames(collector, trace_id, 2), "two frames")
    assert {"redis lock", "redis save"} <= set(names(spans))
    refused = [span for span in spans if "error.type" in attributes(span)]
    assert [attributes(span)["error.type"] for span in refused] == ["VALIDATION_ERROR"]
    assert [span.status.code for span in refused] == [Status.STATUS_CODE_UNSET]


def _frames(collector: Collector, trace_id: str, count: int) -> list[Span]:
    found = [span for span in collector.spans if span.trace_id.hex() == trace_id]
    return found if names(found).count("WebSocket frame") == count else []


def test_probes_and_background_work_are_not_traced(
    client: httpx.Client, collector: Collector
) -> None:
    trace_id, headers = traced()
    for path in ("/health/ready", "/v2/health", "/metrics", "/metrics-prom"):
        client.get(path, headers=headers).raise_for_status()
    client.get("/v2/sessions/count", headers=headers).raise_for_status()
    spans = collector.trace(trace_id, root="GET /v2/sessions/count")
    assert [one.name for one in spans if one.kind == Span.SPAN_KIND_SERVER] == [
        "GET /v2/sessions/count"
    ]
    known = {span.span_id for span in collector.spans}
    clients = [span for span in collector.spans if span.kind == Span.SPAN_KIND_CLIENT]
    assert clients
    assert all(span.parent_span_id in known for span in clients), "a call without a request"


def test_ratio_leaves_traces_out_unless_the_caller_decided(
    new_service: New, collector: Collector
) -> None:
    one = new_service(
        TRACES_URL=collector.url, TRACES_SAMPLE_RATIO="0", OTEL_BSP_SCHEDULE_DELAY="50"
    )
    one.start()
    one.await_ready()
    wanted, headers = traced()
    unwanted, without = traced(sampled=False)
    seen = len(collector.spans)
    with httpx.Client(base_url=one.url, timeout=60) as client:
        client.get("/v2/sessions/count").raise_for_status()
        client.get("/v2/sessions/count", headers=without).raise_for_status()
        client.get("/v2/sessions/count", headers=headers).raise_for_status()
    collector.trace(wanted, root="GET /v2/sessions/count")
    assert one.stop() == 0
    mine = collector.spans[seen:]
    assert {span.trace_id.hex() for span in mine} == {wanted}
    assert unwanted not in {span.trace_id.hex() for span in collector.spans}


def test_collector_that_does_not_answer_holds_nothing_up(new_service: New) -> None:
    with opened_listener() as port:
        one = new_service(
            TRACES_URL=f"http://127.0.0.1:{port}/v1/traces", OTEL_BSP_SCHEDULE_DELAY="50"
        )
        one.start()
        one.await_ready()
        with httpx.Client(base_url=one.url, timeout=10) as client:
            session = created(client)
            for _ in range(50):
                client.post(f"{session}/observe", json={"strings": ["a"]}).raise_for_status()
        began = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - began < 30


@contextmanager
def opened_listener() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
