"""Promises of docs/security.md that no other test shows."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from support.services import NewService

PATIENCE_S = 60.0
API_KEY = "a-secret-key-of-this-instance"


@contextmanager
def _redirecting() -> Iterator[tuple[str, list[str]]]:
    """A server that sends everybody elsewhere on itself; the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/internal/secrets")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_an_issuer_cannot_send_the_service_elsewhere(new_service: NewService) -> None:
    with _redirecting() as (url, asked):
        service = new_service(TOKEN_ISSUER=url, TOKEN_AUDIENCE="kato", TOKEN_JWKS_URL=f"{url}/keys")
        service.start()
        give_up_at = time.monotonic() + PATIENCE_S
        while len(asked) < 2 and time.monotonic() < give_up_at:
            time.sleep(0.1)
        service.stop()
    assert set(asked) == {"/keys"}


@pytest.mark.parametrize("path", ["/health", "/v2/status", "/metrics", "/openapi.json", "/nowhere"])
def test_no_answer_tells_a_secret_or_the_software_below(new_service: NewService, path: str) -> None:
    service = new_service(API_KEY=API_KEY)
    service.start()
    service.await_ready()
    answer = httpx.get(service.url + path, headers={"X-API-Key": API_KEY}, timeout=PATIENCE_S)
    assert "server" not in answer.headers
    assert "x-powered-by" not in answer.headers
    for secret in (API_KEY, str(service.directory), "uvicorn", "Traceback"):
        assert secret not in answer.text
    assert API_KEY not in service.log
