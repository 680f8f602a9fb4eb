"""How the settings of an instance change its API."""

from collections.abc import Callable

import pytest

from support import patient

KEY = "a-key-of-this-instance"


@pytest.fixture(scope="module")
def keyed_url(start_service: Callable[..., str]) -> str:
    """An instance with an API key, a small body limit and an allowed origin."""
    return start_service(API_KEY=KEY, MAX_BODY_BYTES="1000", CORS_ORIGINS="http://ui.example")


@pytest.mark.parametrize(
    "path", ["/v2/sessions/count", "/v1/stm", "/sessions/x", "/metrics", "/v2/status", "/nothing"]
)
def test_an_instance_with_a_key_requires_it(keyed_url: str, path: str) -> None:
    response = patient.get(keyed_url + path)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "UNAUTHORIZED"


def test_a_wrong_key_is_unauthorized(keyed_url: str) -> None:
    response = patient.get(f"{keyed_url}/v2/sessions/count", headers={"x-api-key": "wrong"})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "UNAUTHORIZED"
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    "headers", [{"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}], ids=["header", "bearer"]
)
def test_the_key_is_accepted_in_either_header(keyed_url: str, headers: dict[str, str]) -> None:
    assert patient.get(f"{keyed_url}/v2/sessions/count", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path", ["/health", "/health/live", "/health/ready", "/v2/health", "/openapi.json", "/docs"]
)
@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}], ids=["no key", "a wrong key"])
def test_health_and_the_documents_need_no_key(
    keyed_url: str, path: str, headers: dict[str, str]
) -> None:
    assert patient.get(keyed_url + path, headers=headers).status_code == 200


def test_a_list_shows_whole_ids_to_a_caller_with_the_key(keyed_url: str) -> None:
    headers = {"x-api-key": KEY}
    created = patient.post(f"{keyed_url}/v2/sessions", headers=headers).json()
    listed = patient.get(f"{keyed_url}/v2/sessions", headers=headers).json()["sessions"]
    assert created["session_id"] in [session["session_id"] for session in listed]


def test_the_body_limit_is_that_of_the_settings(keyed_url: str) -> None:
    response = patient.post(
        f"{keyed_url}/v2/sessions",
        json={"metadata": {"k": "x" * 1000}},
        headers={"x-api-key": KEY},
    )
    assert response.status_code == 413


def test_a_page_of_an_allowed_origin_may_read_refusals(keyed_url: str) -> None:
    response = patient.get(
        f"{keyed_url}/v2/sessions/count", headers={"origin": "http://ui.example"}
    )
    assert response.status_code == 401
    assert response.headers["access-control-allow-origin"] == "http://ui.example"


def test_without_v2_features_only_legacy_and_health_are_served(
    start_service: Callable[..., str],
) -> None:
    url = start_service(ENABLE_V2_FEATURES="false")
    assert patient.post(f"{url}/v2/sessions").json()["error"]["code"] == "NOT_FOUND"
    assert patient.post(f"{url}/sessions").status_code == 404
    assert patient.post(f"{url}/v1/observe", json={"strings": ["a"]}).status_code == 200
    assert patient.get(f"{url}/v2/health").status_code == 200


def test_a_refusal_at_the_session_limit_says_what_to_do_and_when_to_retry(
    start_service: Callable[..., str],
) -> None:
    url = start_service(MAX_SESSIONS="1")
    assert patient.post(f"{url}/v2/sessions").status_code == 200
    response = patient.post(f"{url}/v2/sessions")
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "SESSION_LIMIT_EXCEEDED"
    assert response.json()["error"]["message"] == (
        "session limit reached for this instance (1); delete a session or raise MAX_SESSIONS"
    )
    assert response.json()["error"]["retryable"] is True
    assert int(response.headers["retry-after"]) > 0
