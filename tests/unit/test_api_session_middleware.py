"""What every request passes before and after its route."""

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from kato_service.access.opening import access_control
from kato_service.api.compression.compressed_answers import CompressedAnswers
from kato_service.api.errors import AnsweredErrors
from kato_service.api.intake.gate import Gate
from kato_service.api.intake.session_middleware import SessionMiddleware
from kato_service.errors import StoreUnavailableError
from kato_service.monitoring.metrics import Metrics
from kato_service.settings.settings import Settings


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def _crash(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("mongodb://user:password@host")


def _wrapped(app: ASGIApp, **settings: Any) -> ASGIApp:
    """*app* as the service wraps its routes."""
    read = Settings(_env_file=None, **settings)
    gate = Gate(access_control(read), Metrics(), open_paths=frozenset({"/health", "/v2/health"}))
    wrapped = SessionMiddleware(CompressedAnswers(AnsweredErrors(app)), read, gate)

    async def with_application(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = SimpleNamespace(state=SimpleNamespace(gate=gate))
        await wrapped(scope, receive, send)

    return with_application


def _client(app: ASGIApp, **settings: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(_wrapped(app, **settings))
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_a_body_reaches_the_application_unchanged() -> None:
    async with _client(_echo) as client:
        response = await client.post("/", content=b"[1,2]")
    assert response.content == b"[1,2]"


async def test_the_answer_to_a_crash_does_not_show_its_text() -> None:
    async with _client(_crash) as client:
        response = await client.get("/", headers={"x-request-id": "r-1"})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "INTERNAL_ERROR"
    assert response.json()["error"]["request_id"] == response.headers["x-request-id"] == "r-1"
    assert "password" not in response.text


FAILURES = [
    (StoreUnavailableError("no store"), 503, "STORE_UNAVAILABLE"),
    (HTTPException(404), 404, "NOT_FOUND"),
    (HTTPException(418), 500, "INTERNAL_ERROR"),
]


@pytest.mark.parametrize(("failure", "status", "code"), FAILURES, ids=lambda it: type(it).__name__)
async def test_what_rises_from_a_route_is_answered(
    failure: Exception, status: int, code: str
) -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise failure

    async with _client(fail) as client:
        response = await client.get("/")
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(("failure", "status", "code"), FAILURES, ids=lambda it: type(it).__name__)
async def test_what_rises_after_an_answer_has_begun_begins_no_other(
    failure: Exception, status: int, code: str
) -> None:
    async def fail_late(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise failure

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    request = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    with capture_logs() as lines:
        await _wrapped(fail_late)(request, receive, send)
    assert [(it["type"], it["status"]) for it in sent] == [("http.response.start", 200)]
    assert "request crashed" in [line["event"] for line in lines]


async def test_what_fails_before_its_compressed_answer_left_is_a_crash() -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        raise StoreUnavailableError("no store")

    async with _client(fail) as client:
        response = await client.get("/", headers={"accept-encoding": "gzip"})
    assert (response.status_code, response.json()["error"]["code"]) == (500, "INTERNAL_ERROR")


async def _cancelled_by_the_server(scope: Scope, receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError


async def test_a_request_that_a_shutdown_cancelled_is_safe_to_repeat() -> None:
    async with _client(_cancelled_by_the_server) as client:
        response = await client.get("/")
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (503, "STORE_UNAVAILABLE")
    assert error["retryable"] is True
    assert "unique_id" in error["message"]
    assert response.headers["retry-after"]


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Basic a-key"}, {"x-api-key": ""}], ids=str
)
async def test_a_request_without_an_api_key_is_unauthorized(headers: dict[str, str]) -> None:
    async with _client(_echo, API_KEY="a-key") as client:
        response = await client.post("/", headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


async def test_an_api_key_that_is_not_ascii_is_wrong_like_any_other() -> None:
    async with _client(_echo, API_KEY="a-key") as client:
        response = await client.post("/", headers={b"x-api-key": "ä".encode()})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("path", ["/healthy", "/v2/healthz", "/metrics/x", "/v2/health/x"])
async def test_paths_that_only_resemble_health_need_the_api_key(path: str) -> None:
    async with _client(_echo, API_KEY="a-key") as client:
        assert (await client.get(path)).status_code == 401


async def test_a_body_that_does_not_arrive_ends_at_the_deadline() -> None:
    sent: list[Message] = []

    async def silence() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [(b"host", b"test")],
        "app": SimpleNamespace(state=SimpleNamespace()),
    }
    settings = Settings(_env_file=None, REQUEST_TIMEOUT=0.05)
    gate = Gate(access_control(settings), Metrics())
    middleware = SessionMiddleware(_echo, settings, gate)
    await asyncio.wait_for(middleware(scope, silence, send), timeout=60)
    assert sent[0]["status"] == 408
    assert b"DEADLINE_EXCEEDED" in sent[1]["body"]
