"""What monitoring programs of other KATO versions read, on a running process."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from kato_service import __version__
from support import patient
from support.access import callers, key_line
from support.documents import operations
from support.services import NewService, ServiceProcess
from support.waiting import until

PROMETHEUS = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
FIGURES = (
    "/stats",
    "/stats?minutes=100",
    "/metrics/kato_requests_total",
    "/connection-pools",
    "/concurrency",
    "/cache/stats",
    "/distributed-stm/stats",
)


@pytest.fixture(scope="module")
def service(new_lasting_service: NewService) -> ServiceProcess:
    """Nobody else creates sessions here."""
    service = new_lasting_service(MAX_SESSIONS="50")
    service.start()
    service.await_ready()
    return service


@pytest.fixture(scope="module")
def api(service: ServiceProcess) -> Any:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


def as_json(api: httpx.Client) -> dict[str, Any]:
    answer = api.get("/metrics", headers={"accept": "application/json"})
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def test_the_root_says_what_runs_and_where_to_read_on(api: httpx.Client) -> None:
    found = api.get("/").json()
    assert (found["service"], found["version"], found["status"]) == ("kato", __version__, "running")
    assert found["session_support"] is True
    for link in ("docs", "openapi", "health", "metrics"):
        assert api.get(found[link]).status_code == 200


def test_every_answer_is_as_the_documents_say(api: httpx.Client) -> None:
    described = {
        (found.method, found.path): found
        for document in ("/openapi.json", "/openapi-older.json")
        for found in operations(api.get(document).json())
    }
    for path in ("/", "/health", "/status", "/metrics-prom", *FIGURES):
        template = "/metrics/{metric}" if path.startswith("/metrics/") else path.partition("?")[0]
        described["GET", template].check(api.get(path))
    described["POST", "/cache/invalidate"].check(api.post("/cache/invalidate?session_id=x"))
    described["GET", "/metrics"].check(api.get("/metrics"))
    json = {"accept": "application/json"}
    described["GET", "/metrics"].check(api.get("/metrics", headers=json))
    described["GET", "/metrics/{metric}"].check(api.get("/metrics/nothing"))


def test_prometheus_gets_its_text_and_json_is_for_those_who_prefer_it(api: httpx.Client) -> None:
    for accept in (PROMETHEUS, "*/*", "text/plain"):
        shown = api.get("/metrics", headers={"accept": accept})
        assert shown.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "kato_http_requests_total" in api.get("/metrics-prom", headers={"accept": "*/*"}).text
    assert as_json(api)["error"] is None


def test_an_instance_may_answer_json_to_those_who_prefer_nothing(
    start_service: Callable[..., str],
) -> None:
    url = start_service(METRICS_JSON="true")
    assert patient.get(f"{url}/metrics", headers={"accept": "*/*"}).json()["error"] is None
    for accept in (PROMETHEUS, "text/plain", "text/html,*/*;q=0.8"):
        assert patient.get(f"{url}/metrics", headers={"accept": accept}).text.startswith("# HELP")


def test_counts_are_those_of_what_happened(api: httpx.Client) -> None:
    before = as_json(api)
    sessions = [api.post("/sessions", json={"node_id": "a"}).json() for _ in range(3)]
    for session in sessions:
        api.post(f"/sessions/{session['session_id']}/observe", json={"strings": ["a"]})
    api.delete(f"/sessions/{sessions[0]['session_id']}").raise_for_status()
    after = as_json(api)
    grown = {
        (group, name): after[group][name] - before[group][name]
        for group in ("sessions", "performance")
        for name in after[group]
    }
    assert grown["sessions", "total_created"] == 3
    assert grown["sessions", "total_deleted"] == 1
    assert grown["sessions", "operations_total"] == 4
    assert grown["performance", "total_requests"] == 8
    assert after["performance"]["total_errors"] == before["performance"]["total_errors"]
    text = api.get("/metrics").text
    assert f"kato_sessions_created_total {after['sessions']['total_created']}.0" in text
    assert f"kato_sessions_deleted_total {after['sessions']['total_deleted']}.0" in text


def test_active_sessions_follow_a_change_within_a_second(api: httpx.Client) -> None:
    before = api.get("/sessions/count").json()["active_session_count"]
    session_id = api.post("/v2/sessions").json()["session_id"]
    assert counted_after_a_second(api) == before + 1
    api.delete(f"/v2/sessions/{session_id}").raise_for_status()
    assert counted_after_a_second(api) == before


def counted_after_a_second(api: httpx.Client) -> int:
    time.sleep(1)
    counts = {
        api.get("/health").json()["active_sessions"],
        api.get("/v2/health").json()["active_sessions"],
        api.get("/v2/status").json()["sessions"]["active"],
        api.get("/status").json()["sessions"]["active_sessions"],
        as_json(api)["sessions"]["active"],
        api.get("/sessions/count").json()["active_session_count"],
    }
    assert len(counts) == 1
    return int(counts.pop())


def health(url: str) -> dict[str, Any]:
    found: dict[str, Any] = patient.get(f"{url}/health").json()
    return found


def test_active_sessions_are_never_null_not_even_while_redis_is_away(
    new_service: NewService, redis_server: Any
) -> None:
    service = new_service(REDIS_URL=redis_server.url, HEALTH_CHECK_INTERVAL="1")
    redis_server.kill9()
    service.start()
    until(lambda: answers(service.url), "an answer")
    found = health(service.url)
    assert (found["active_sessions"], found["status"]) == (0, "unhealthy")
    until(lambda: health(service.url)["issues"] == ["redis is unhealthy"], "the other stores")
    assert health(service.url)["active_sessions"] == 0
    redis_server.start()
    service.await_ready()
    patient.post(f"{service.url}/v2/sessions").raise_for_status()
    until(lambda: health(service.url)["active_sessions"] == 1, "the count")
    redis_server.kill9()
    until(lambda: "\nkato_sessions_active " not in patient.get(f"{service.url}/metrics").text, "it")
    assert health(service.url)["active_sessions"] == 1


def answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/health/live", timeout=60).status_code == 200
    return False


def test_health_and_status_have_the_fields_of_later_versions(api: httpx.Client) -> None:
    health = api.get("/health").json()
    assert health["processor_status"] == health["status"] == "healthy"
    assert (health["service_name"], health["issues"]) == ("kato", [])
    assert health["metrics_collected"] >= 1
    assert abs(health["last_collection"] - time.time()) < 60
    status = api.get("/status").json()
    assert status["processor_id"] == status["base_processor_id"] == "kato"
    assert status["sessions"]["backend"] == "memory"
    assert {"processor_status", "issues"}.isdisjoint(api.get("/v2/health").json())
    assert "base_processor_id" not in api.get("/v2/status").json()


def test_the_course_of_a_metric_has_its_statistics(api: httpx.Client) -> None:
    found = api.get("/metrics/kato_memory_usage_percent", params={"minutes": 100}).json()
    assert found["time_range_minutes"] == 60
    values = [point["value"] for point in found["data_points"]]
    assert found["statistics"]["count"] == len(values) >= 1
    assert found["statistics"]["min"] == min(values) > 0
    assert found["statistics"]["max"] == max(values) < 100
    unknown = api.get("/metrics/nonsense")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "NOT_FOUND")
    # The words that programs look for.
    assert "No data available" in unknown.json()["detail"]
    for wrong in ("0", "x", "100000"):
        assert api.get("/stats", params={"minutes": wrong}).status_code == 422
    assert "kato_memory_usage_percent" in api.get("/stats").json()["time_series"]


def test_metrics_have_the_names_of_every_version(api: httpx.Client) -> None:
    series = api.get("/stats").json()["time_series"]
    for name, other in (
        ("cpu_percent", "kato_cpu_usage_percent"),
        ("memory_percent", "kato_memory_usage_percent"),
        ("requests_total", "kato_requests_total"),
        ("sessions_active", "kato_sessions_active"),
        ("clickhouse_errors", "mongodb_errors"),
    ):
        assert series[name] == series[other] != []
        assert api.get(f"/metrics/{name}").json()["metric_name"] == name
    # What nothing was measured of is there, too: embedded stores take no time.
    for name in ("clickhouse_response_time", "redis_response_time"):
        assert series[name] == []
    assert series["load_average_1m"][0]["value"] >= 0
    databases = as_json(api)["databases"]
    assert databases["clickhouse"] == databases["mongodb"]


def test_nothing_here_creates_sessions_or_loads_knowledge(api: httpx.Client) -> None:
    before = as_json(api)["sessions"]["total_created"]
    headers = {"x-user-id": "nobody-yet"}
    for path in ("/", "/health", "/status", "/metrics", *FIGURES):
        assert api.get(path, headers=headers).status_code == 200
    assert api.post("/cache/invalidate", params={"session_id": "x"}).json()["session_id"] == "x"
    after = as_json(api)
    assert after["sessions"]["total_created"] == before
    assert api.get("/v2/sessions", params={"user_id": "nobody-yet"}).json()["sessions"] == []


def test_the_root_is_found_below_a_path(start_service: Callable[..., str]) -> None:
    url = start_service(ROOT_PATH="/kato")
    for path in ("/kato", "/kato/", "/"):
        assert patient.get(url + path).json()["docs"] == "/kato/docs"


def test_figures_need_their_scope_and_the_root_needs_nothing(
    new_service: NewService, tmp_path: Any
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("\n".join((key_line("monitor", "metrics"), key_line("reader", "read"))))
    service = new_service(API_KEYS_FILE=str(keys))
    service.start()
    service.await_ready()
    with callers(service.url) as caller:
        for path in FIGURES:
            assert httpx.get(service.url + path).status_code == 401
            assert caller("reader").get(path).status_code == 403
            assert caller("monitor").get(path).status_code == 200
        assert httpx.get(service.url + "/").status_code == 200
        assert caller("reader").post("/cache/invalidate").status_code == 200
        assert caller("monitor").post("/cache/invalidate").status_code == 403
