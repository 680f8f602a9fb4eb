"""Tokens on a running process: of an issuer that rotates its keys, and of a cluster."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiserver import Namespace, until

from support.access import audited, code_of
from support.issuer import Issuer, SigningKey, new_key, signed, signed_with_public_key, unsigned
from support.services import NewService, ServiceProcess

ADMIN = "root"


@pytest.fixture
def service(new_service: NewService, issuer: Issuer) -> Iterator[ServiceProcess]:
    service = new_service(
        AUTH_MODE="token",
        TOKEN_ISSUER=issuer.url,
        TOKEN_AUDIENCE="kato",
        TOKEN_SCOPE_CLAIM="scope",
        TOKEN_ADMIN_SUBJECTS=ADMIN,
        API_KEY="the-one-key",
    )
    service.start()
    service.await_ready()
    yield service
    service.stop()


def ask(
    service: ServiceProcess, token: str, method: str = "GET", path: str = "/v2/sessions/count"
) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.request(method, service.url + path, headers=headers, timeout=60)


def test_a_token_acts_as_its_user_within_its_scopes(
    service: ServiceProcess, issuer: Issuer
) -> None:
    alice = issuer.token("alice", scope="kato:write")
    created = ask(service, alice, "POST", "/v2/sessions")
    assert created.json()["user_id"] == "alice"
    session = f"/v2/sessions/{created.json()['session_id']}"
    assert ask(service, alice, path=session).status_code == 200
    bob = issuer.token("bob", scope="read")
    assert code_of(ask(service, bob, path=session)) == "SESSION_NOT_FOUND"
    assert code_of(ask(service, bob, "POST", "/v2/sessions")) == "FORBIDDEN"
    nothing = ask(service, issuer.token("carol", scope="openid"))
    assert code_of(nothing) == "FORBIDDEN"
    assert "token 'carol' has no scope" in nothing.json()["error"]["message"]
    for admin in (issuer.token(ADMIN), issuer.token("dave", scope=["admin"]), "the-one-key"):
        assert ask(service, admin, path=session).status_code == 200
        assert ask(service, admin, path="/metrics").status_code == 200


def test_wrong_tokens_are_refused_with_words(service: ServiceProcess, issuer: Issuer) -> None:
    key, claims = issuer.keys["k1"], issuer.claims("alice", scope="admin")
    other = SigningKey("k1", "RS256", new_key("RS256"))
    for token, words in (
        (issuer.token("alice", exp=int(time.time()) - 60), "has expired"),
        (issuer.token("alice", aud="other"), "for another audience"),
        (issuer.token("alice", iss="https://elsewhere.example"), "from another issuer"),
        (unsigned(claims, kid="k1"), "an algorithm that its key is not for"),
        (signed_with_public_key(key, claims), "an algorithm that its key is not for"),
        (signed(other, claims), "the signature of the token is wrong"),
        (signed(SigningKey("k9", "RS256", key.private), claims), "does not publish"),
        ("a.b.c", "cannot be read"),
        ("not a token", "the API key is wrong"),
    ):
        answer = ask(service, token)
        assert (answer.status_code, code_of(answer)) == (401, "UNAUTHORIZED")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert words in answer.json()["error"]["message"]
        assert token not in service.log
    assert {line["action"] for line in audited(service)} == {"authenticate"}


def test_keys_that_the_issuer_rotates_are_found_and_an_outage_changes_nothing(
    service: ServiceProcess, issuer: Issuer
) -> None:
    old = issuer.token("alice", scope="read")
    assert ask(service, old).status_code == 200
    issuer.keys = {}
    issuer.add_key("k2", "ES256")
    new = issuer.token("alice", scope="read")
    until(lambda: ask(service, new).status_code == 200, "a token of the new key is accepted")
    assert ask(service, old).status_code == 401
    issuer.status = 500
    assert ask(service, new).status_code == 200
    assert ask(service, issuer.token("bob", scope="read")).status_code == 200


def test_an_issuer_that_is_away_at_the_start_is_waited_for(
    new_service: NewService, issuer: Issuer
) -> None:
    issuer.status = 500
    service = new_service(TOKEN_ISSUER=issuer.url, TOKEN_AUDIENCE="kato")
    service.start()
    service.await_ready()
    token = issuer.token("alice")
    answer = ask(service, token)
    assert (answer.status_code, code_of(answer)) == (503, "AUTH_UNAVAILABLE")
    assert answer.json()["error"]["retryable"] is True
    assert int(answer.headers["retry-after"]) > 0
    assert httpx.get(f"{service.url}/v2/health").json()["auth"]["status"] == "degraded"
    issuer.status = 200
    until(lambda: ask(service, token).status_code == 200, "the token is accepted")
    assert httpx.get(f"{service.url}/v2/health").json()["auth"]["status"] == "healthy"


def account_token(space: Namespace, name: str, *audiences: str) -> str:
    """A token of a service account; without audiences, one for the API server itself."""
    spec = {"audiences": list(audiences)} if audiences else {}
    answer = space.client.post(space.path("ServiceAccount", name, "token"), json={"spec": spec})
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["status"]["token"]
    return found


@pytest.mark.apiserver
def test_service_accounts_of_a_cluster_act_as_themselves(
    new_service: NewService, space: Namespace, control_plane: Any, tmp_path: Path
) -> None:
    """As `auth.token.source: Cluster` sets it up, with a real API server."""
    for name in ("kato", "shop"):
        space.create("ServiceAccount", name)
    (tmp_path / "token").write_text(account_token(space, "kato"))
    service = new_service(
        TOKEN_ISSUER=space.client.get("/.well-known/openid-configuration").json()["issuer"],
        TOKEN_JWKS_URL=str(space.client.base_url.join("/openid/v1/jwks")),
        TOKEN_AUDIENCE="kato",
        TOKEN_CA_FILE=str(control_plane.pki / "ca.crt"),
        TOKEN_JWKS_BEARER_FILE=str(tmp_path / "token"),
    )
    service.start()
    service.await_ready()
    shop = account_token(space, "shop", "kato")
    created = ask(service, shop, "POST", "/v2/sessions")
    assert created.status_code == 200, created.text
    assert created.json()["user_id"] == f"system:serviceaccount:{space.name}:shop"
    for_the_api_server = ask(service, account_token(space, "shop"))
    assert for_the_api_server.status_code == 401
    assert "for another audience" in for_the_api_server.json()["error"]["message"]
