"""Credentials of a WebSocket as a page can send them: in a sub-protocol, and never in a log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from support.access import audited, key_line
from support.issuer import Issuer
from support.services import NewService, ServiceProcess
from support.sockets import carrying, opened

KEY = "kato_secret-of-alice"
ORIGIN = "https://ui.example"


@pytest.fixture
def service(new_service: NewService, issuer: Issuer, tmp_path: Path) -> Iterator[ServiceProcess]:
    keys = tmp_path / "keys"
    lines = (
        key_line("alice", "write", key=KEY, user="alice"),
        key_line("bob", "write", user="bob"),
        key_line("reader", "read", user="alice"),
        key_line("monitor", "metrics"),
    )
    keys.write_text("\n".join(lines))
    service = new_service(
        AUTH_MODE="token",
        API_KEYS_FILE=str(keys),
        TOKEN_ISSUER=issuer.url,
        TOKEN_AUDIENCE="kato",
        CORS_ORIGINS=ORIGIN,
        LOG_LEVEL="debug",
        ACCESS_LOG="true",
    )
    service.start()
    service.await_ready()
    yield service
    service.stop()


@pytest.fixture
def url(service: ServiceProcess) -> str:
    created = httpx.post(f"{service.url}/v2/sessions", headers={"x-api-key": KEY}, timeout=60)
    return f"{service.url}/v2/sessions/{created.json()['session_id']}/ws"


def refused(url: str, **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as found, opened(url, **options):
        pass
    response = found.value.response
    assert "Sec-WebSocket-Protocol" not in response.headers
    assert response.headers["X-Request-ID"]
    return response.status_code, json.loads(response.body or b"")["error"]["code"]


def test_a_page_opens_a_socket_with_a_key_or_a_token(
    service: ServiceProcess, url: str, issuer: Issuer
) -> None:
    token = issuer.token("alice")
    for credential in (KEY, token):
        for path in (url, f"{service.url}/ws", f"{service.url}/v1/ws"):
            offered = carrying(credential)
            with opened(path, subprotocols=offered, origin=ORIGIN) as socket:
                assert socket.connection.subprotocol == "kato"
                assert socket.ask("observe", payload={"strings": ["a"]})["type"] != "error"
    for secret in (KEY, token, carrying(KEY)[1], carrying(token)[1]):
        assert secret.removeprefix("kato.key.") not in service.log


def test_scopes_and_users_hold_for_sub_protocols(service: ServiceProcess, url: str) -> None:
    assert refused(url) == (401, "UNAUTHORIZED")
    assert refused(url, subprotocols=["kato"]) == (401, "UNAUTHORIZED")
    assert refused(url, subprotocols=carrying("wrong")) == (401, "UNAUTHORIZED")
    assert refused(url, subprotocols=carrying(KEY)[1:]) == (401, "UNAUTHORIZED")
    assert refused(url, subprotocols=carrying("monitor")) == (403, "FORBIDDEN")
    assert refused(url, subprotocols=carrying("bob")) == (404, "SESSION_NOT_FOUND")
    with opened(url, subprotocols=carrying("reader")) as socket:
        assert socket.ask("subscribe")["type"] == "subscribed"
        answer = socket.ask("observe", id=2, payload={"strings": ["a"]})
        assert (answer["id"], answer["error"]["code"]) == (2, "FORBIDDEN")
    reasons = [line["reason"] for line in audited(service) if line["outcome"] == "refused"]
    assert len(reasons) == 6
    assert not any("kato.key.a" in reason for reason in reasons)


def test_pages_of_other_origins_open_no_socket_even_with_a_key(url: str) -> None:
    offered = carrying(KEY)
    assert refused(url, subprotocols=offered, origin="https://evil.example") == (
        403,
        "CROSS_ORIGIN",
    )


def test_headers_come_before_sub_protocols(url: str) -> None:
    headers = {"x-api-key": "wrong"}
    offered = carrying(KEY)
    assert refused(url, subprotocols=offered, additional_headers=headers) == (401, "UNAUTHORIZED")


def test_the_longest_token_fits_into_a_sub_protocol_and_a_longer_one_is_refused_in_words(
    url: str, issuer: Issuer
) -> None:
    long = issuer.token("alice", groups=["g" * 30] * 320)
    assert 14_000 < len(long) < 16 * 1024
    with opened(url, subprotocols=carrying(long)) as socket:
        assert socket.ask("ping")["type"] == "pong"
    assert refused(url, subprotocols=carrying("x" * 17_000)) == (401, "UNAUTHORIZED")
    assert refused(url, subprotocols=carrying("x" * 60_000)) == (431, "VALIDATION_ERROR")


def test_a_key_is_looked_for_in_the_sub_protocols_of_sockets_only(
    service: ServiceProcess,
) -> None:
    headers = {"sec-websocket-protocol": ", ".join(carrying(KEY))}
    found = httpx.get(f"{service.url}/v2/sessions", headers=headers, timeout=60)
    assert found.status_code == 401


def test_without_authentication_a_page_may_send_a_key_all_the_same(service_url: str) -> None:
    with opened(f"{service_url}/ws", subprotocols=carrying(KEY)) as socket:
        assert socket.connection.subprotocol == "kato"
    with opened(f"{service_url}/ws", subprotocols=["soap"]) as socket:
        assert socket.connection.subprotocol is None
