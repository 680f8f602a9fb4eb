"""Pages of other origins neither read nor change anything; programs are not affected."""

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support import patient
from support.raw_http import RawAnswer, asked, head
from support.services import StartService

PAGE = "http://page.example"
FOREIGN = [
    pytest.param("Origin: http://evil.example", id="another host"),
    pytest.param("Origin: http://localhost:1", id="another port"),
    pytest.param("Origin: null", id="null"),
    pytest.param("Origin: nonsense", id="no origin"),
    pytest.param("Origin: http://localhost.evil.example", id="a name that begins like ours"),
    pytest.param("Sec-Fetch-Site: cross-site", id="cross-site"),
    pytest.param("Sec-Fetch-Site: same-site", id="same-site"),
]
OWN_HOSTS = ["localhost", "LOCALHOST:1", "127.0.0.1", "127.1.2.3:9", "[::1]", "kato.localhost"]
OTHER_HOSTS = ["evil.example", "10.0.0.1:8000", "localhost.evil.example", "0.0.0.0"]


@pytest.fixture(scope="module")
def allowing_url(start_service: StartService) -> str:
    """A keyless instance that one foreign page may call."""
    return start_service(CORS_ORIGINS=PAGE)


@pytest.fixture(scope="module")
def keyed_url(start_service: StartService) -> str:
    return start_service(API_KEY="a-key", CORS_ORIGINS=PAGE)


@pytest.fixture(scope="module")
def open_url(start_service: StartService) -> str:
    """An instance that listens on all addresses, as in a container."""
    return start_service(HOST="0.0.0.0")


def _assert_refused(answer: RawAnswer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["x-request-id"] == answer.envelope["error"]["request_id"]
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("line", FOREIGN)
@pytest.mark.parametrize("path", ["/v2/sessions", "/v1/clear-all", "/health", "/nowhere"])
def test_a_request_of_a_foreign_page_is_refused(service_url: str, path: str, line: str) -> None:
    answer = asked(service_url, head("POST", path, line, "Content-Length: 0"))
    _assert_refused(answer, 403, "CROSS_ORIGIN")


@pytest.mark.parametrize("line", FOREIGN)
def test_a_read_of_a_foreign_page_is_refused(service_url: str, line: str) -> None:
    _assert_refused(asked(service_url, head("GET", "/v1/stm", line)), 403, "CROSS_ORIGIN")


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_socket_of_a_foreign_page_is_refused(
    service_url: str, keyed_url: str, session_id: str, origin: str
) -> None:
    for url in (service_url, keyed_url):
        address = f"{url.replace('http', 'ws', 1)}/v2/sessions/{session_id}/ws"
        with pytest.raises(InvalidStatus) as refused:
            connect(address, additional_headers={"Origin": origin, "X-API-Key": "a-key"})
        assert refused.value.response.status_code == 403
        assert b"CROSS_ORIGIN" in (refused.value.response.body or b"")
        assert refused.value.response.headers["x-request-id"]


def test_a_preflight_of_a_foreign_page_is_refused(
    service_url: str, allowing_url: str, keyed_url: str
) -> None:
    lines = ("Origin: http://evil.example", "Access-Control-Request-Method: DELETE")
    for url in (service_url, allowing_url, keyed_url):
        answer = asked(url, head("OPTIONS", "/v2/sessions/x", *lines))
        _assert_refused(answer, 403, "CROSS_ORIGIN")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("localhost", "http://localhost"),
        ("localhost", "https://localhost"),
        ("LOCALHOST:80", "http://localhost"),
        ("localhost:443", "https://localhost"),
        ("[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_page_of_the_instance_may_call(service_url: str, host: str, origin: str) -> None:
    lines = (f"Origin: {origin}", "Sec-Fetch-Site: same-origin")
    answer = asked(service_url, head("GET", "/v2/sessions/count", *lines, host=host))
    assert answer.status == 200


def test_an_allowed_page_may_call_and_read(allowing_url: str) -> None:
    headers = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}
    answer = patient.get(f"{allowing_url}/v2/sessions/count", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["vary"] == "Origin"
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    missing = patient.get(f"{allowing_url}/v2/sessions/x", headers=headers)
    assert missing.headers["access-control-allow-origin"] == PAGE
    address = f"{allowing_url.replace('http', 'ws', 1)}/ws"
    with connect(address, additional_headers={"Origin": PAGE}) as connection:
        connection.ping()


def test_a_preflight_of_an_allowed_page_is_answered_without_the_key(keyed_url: str) -> None:
    lines = (f"Origin: {PAGE}", "Access-Control-Request-Method: PUT")
    wanted = "Access-Control-Request-Headers: content-type,x-api-key"
    answer = asked(keyed_url, head("OPTIONS", "/v2/sessions", *lines, wanted))
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "PUT" in answer.headers["access-control-allow-methods"].split(", ")
    assert answer.headers["access-control-allow-headers"] == "content-type,x-api-key"
    assert answer.headers["x-request-id"]


def test_every_page_may_call_if_cors_origins_is_a_star(start_service: StartService) -> None:
    url = start_service(CORS_ORIGINS="*")
    answer = patient.post(f"{url}/v2/sessions", headers={"Origin": "null"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_foreign_page_with_the_key_is_answered_but_may_not_read(keyed_url: str) -> None:
    headers = {"Origin": "http://evil.example", "X-API-Key": "a-key"}
    answer = patient.get(f"{keyed_url}/v2/sessions/count", headers=headers)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("path", "destination", "status"),
    [
        ("/docs", "document", 200),
        ("/docs", "iframe", 403),
        ("/console", "document", 200),
        ("/console", "iframe", 403),
        ("/v2/sessions/count", "document", 403),
    ],
)
def test_a_link_on_another_site_opens_the_pages_alone(
    service_url: str, path: str, destination: str, status: int
) -> None:
    lines = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")
    answer = asked(service_url, head("GET", path, *lines, f"Sec-Fetch-Dest: {destination}"))
    assert answer.status == status


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_an_instance_on_loopback_answers_for_this_machine(service_url: str, host: str) -> None:
    assert asked(service_url, head("GET", "/v2/sessions/count", host=host)).status == 200


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_an_instance_on_loopback_answers_for_no_other_name(
    service_url: str, open_url: str, host: str
) -> None:
    for path in ("/v2/sessions/count", "/health", "/docs"):
        answer = asked(service_url, head("GET", path, host=host))
        _assert_refused(answer, 403, "HOST_NOT_ALLOWED")
        assert "localhost" in answer.envelope["error"]["message"]
    assert asked(open_url, head("GET", "/v2/sessions/count", host=host)).status == 200


def test_an_instance_on_loopback_answers_for_a_name_of_its_cors_origins(allowing_url: str) -> None:
    request = head("GET", "/v2/sessions/count", host="page.example")
    assert asked(allowing_url, request).status == 200


@pytest.mark.parametrize(
    ("host", "lines"),
    [
        pytest.param("", (), id="none"),
        pytest.param("localhost", ("Host: localhost",), id="the same twice"),
        pytest.param("localhost", ("host: evil.example",), id="two"),
        pytest.param("", ("Host: ",), id="empty"),
        pytest.param("local host", (), id="a space"),
        pytest.param("user@localhost", (), id="a user"),
        pytest.param("localhost,evil.example", (), id="a list"),
    ],
)
def test_a_request_has_exactly_one_host(
    service_url: str, open_url: str, host: str, lines: tuple[str, ...]
) -> None:
    for url in (service_url, open_url):
        answer = asked(url, head("GET", "/v2/sessions/count", *lines, host=host))
        _assert_refused(answer, 400, "VALIDATION_ERROR")
        assert answer.headers["connection"] == "close"


def test_http_1_0_needs_no_host(service_url: str) -> None:
    assert asked(service_url, b"GET /health/live HTTP/1.0\r\n\r\n").status == 200


def test_a_forwarded_host_counts_only_if_it_is_trusted(
    service_url: str, start_service: StartService
) -> None:
    trusting = start_service(HOST="0.0.0.0", TRUST_FORWARDED_HOST="true")
    lines = ("Origin: https://kato.example", "X-Forwarded-Host: kato.example")
    request = head("GET", "/v2/sessions/count", *lines)
    assert asked(trusting, request).status == 200
    assert asked(service_url, request).status == 403


@pytest.mark.parametrize("typed", [(), ("Content-Type: text/plain",), ("Content-Type: ",)])
@pytest.mark.parametrize(
    ("method", "operation"),
    [
        ("POST", "observe"),
        ("POST", "learn"),
        ("POST", "clear-all"),
        ("POST", "stm"),
        ("PUT", "extend?ttl_seconds=60"),
        ("DELETE", ""),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_that_is_not_declared_as_json_is_refused(
    service_url: str,
    session_id: str,
    typed: tuple[str, ...],
    method: str,
    operation: str,
    chunked: bool,
) -> None:
    path = f"/v2/sessions/{session_id}/{operation}".rstrip("/")
    framed = b"2\r\n{}\r\n0\r\n\r\n" if chunked else b"{}"
    length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 2"
    answer = asked(service_url, head(method, path, *typed, length), framed)
    _assert_refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


def test_an_older_program_may_omit_the_type_on_an_older_path(
    service_url: str, keyed_url: str
) -> None:
    body = b'{"strings":["a"]}'
    lines = ("X-User-ID: someone", f"Content-Length: {len(body)}", "X-API-Key: a-key")
    assert asked(service_url, head("POST", "/v1/observe", *lines), body).status == 200
    by_page = ("Origin: http://localhost", "Sec-Fetch-Site: same-origin")
    for line in by_page:
        for url in (service_url, keyed_url):
            answer = asked(url, head("POST", "/v1/observe", line, *lines), body)
            _assert_refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
