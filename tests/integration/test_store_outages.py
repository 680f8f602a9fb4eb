"""Outages of stores, at the start and later: what is answered meanwhile, and the recovery."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support import patient
from support.waiting import until

pytestmark = pytest.mark.xdist_group("outages")
New = Callable[..., Any]


def environment(**variables: str) -> dict[str, str]:
    quick = {
        "PROCESSOR_ID": uuid4().hex,
        "MONGO_DATABASE": uuid4().hex,
        "MONGO_POOL_MIN_SIZE": "0",
        "MONGO_SERVER_SELECTION_TIMEOUT_S": "2",
        "REDIS_SOCKET_TIMEOUT_S": "1",
        "HEALTH_CHECK_INTERVAL": "0.2",
        "HEALTH_CHECK_TIMEOUT": "2",
        "REQUEST_TIMEOUT": "8",
    }
    return {**quick, **variables}


@pytest.fixture(scope="module")
def _shared(new_lasting_service: New, own_servers: dict[str, Any]) -> Iterator[Any]:
    service = new_lasting_service(
        **environment(
            REDIS_URL=own_servers["redis"].url,
            MONGO_BASE_URL=own_servers["mongodb"].url,
            QDRANT_URL=own_servers["qdrant"].url,
            QDRANT_TIMEOUT_S="2",
        )
    )
    service.start()
    yield service
    service.kill9()


@pytest.fixture
def service(_shared: Any, own_servers: dict[str, Any]) -> Any:
    """A service whose stores the tests take away; each test starts with all of them back."""
    for server in own_servers.values():
        if server.process is None:
            server.start()
        server.thaw()
    set_max_memory(own_servers["redis"].port, "0")
    _shared.await_ready()
    until(lambda: health(_shared)["status"] == "healthy", "healthy stores")
    return _shared


def created(url: str) -> str:
    response = patient.post(f"{url}/v2/sessions", json={"user_id": uuid4().hex})
    assert response.status_code == 200, response.text
    return f"{url}/v2/sessions/{response.json()['session_id']}"


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_service_starts_without_its_stores_and_becomes_ready_when_they_come(
    new_service: New, redis_server: Any, mongo_server: Any
) -> None:
    redis_server.kill9()
    mongo_server.kill9()
    service = new_service(
        **environment(REDIS_URL=redis_server.url, MONGO_BASE_URL=mongo_server.url)
    )
    service.start()
    alive = f"{service.url}/health/live"
    until(lambda: answers(alive) == 200, "a listening process")
    assert answers(f"{service.url}/health/ready") == 503
    assert answers(f"{service.url}/v2/health") == 503
    refused = patient.post(f"{service.url}/v2/sessions")
    assert refusal(refused) == (503, "STORE_UNAVAILABLE")
    assert refused.headers["retry-after"]
    redis_server.start()
    mongo_server.start()
    service.await_ready()
    session = created(service.url)
    assert patient.post(f"{session}/observe", json={"strings": ["a", "b"]}).status_code == 200
    assert patient.post(f"{session}/learn").json()["status"] == "learned"


def answers(url: str) -> int:
    try:
        return patient.get(url).status_code
    except httpx.TransportError:
        return 0


def test_without_redis_sessions_fail_with_503_and_nothing_is_lost(
    service: Any, own_servers: dict[str, Any]
) -> None:
    redis_server = own_servers["redis"]
    session = created(service.url)
    for symbol in ("a", "b", "c"):
        body = {"strings": [symbol]}
        assert patient.post(f"{session}/observe", json=body).status_code == 200
    redis_server.kill9()
    response = patient.post(f"{session}/observe", json={"strings": ["d"]})
    assert refusal(response) == (503, "STORE_UNAVAILABLE")
    assert "redis://" not in response.text
    until(lambda: answers(f"{service.url}/health/ready") == 503, "a service that is not ready")
    assert health(service)["status"] == "unhealthy"
    assert answers(f"{service.url}/v2/health") == 503
    assert answers(f"{service.url}/health/live") == 200
    assert health(service)["components"]["redis"]["circuit"] == "open"
    for method, url in SESSION_CALLS:
        body = {"strings": ["e"]} if url == "/observe" else None
        assert_refused_at_once(patient.request(method, session + url, json=body))
    assert_refused_at_once(patient.post(f"{service.url}/v2/sessions"))
    assert 'kato_store_circuit_open{store="redis"} 1.0' in metrics(service)
    redis_server.start()
    service.await_ready()
    assert patient.get(f"{session}/stm").json()["stm"] == [["a"], ["b"], ["c"]]


SESSION_CALLS = (
    ("POST", "/observe"), ("POST", "/learn"), ("POST", "/clear-stm"), ("GET", "/stm"), ("GET", ""),
    ("GET", "/predictions"), ("GET", "/patterns"), ("POST", "/extend?ttl_seconds=60"),
    ("DELETE", ""),
)  # fmt: skip


def assert_refused_at_once(response: httpx.Response) -> None:
    """An open circuit refused it, so nothing was sent; the message says what to do."""
    assert refusal(response) == (503, "STORE_UNAVAILABLE")
    assert response.headers["retry-after"] == "1"
    message = response.json()["error"]["message"]
    assert "does not answer and is probed in the background until it does" in message
    assert "retry later" in message


def metrics(service: Any) -> str:
    return patient.get(f"{service.url}/metrics").text


def test_a_request_to_a_frozen_redis_fails_in_time(
    service: Any, own_servers: dict[str, Any]
) -> None:
    redis_server = own_servers["redis"]
    session = created(service.url)
    redis_server.freeze()
    began = time.monotonic()
    response = patient.post(f"{session}/observe", json={"strings": ["a"]})
    assert response.status_code in {503, 504}
    assert time.monotonic() - began < 8
    redis_server.thaw()
    service.await_ready()
    body = {"strings": ["b"]}
    until(lambda: patient.post(f"{session}/observe", json=body).status_code == 200, "recovery")


def test_without_mongodb_observing_succeeds_and_learning_fails_until_it_is_back(
    service: Any, own_servers: dict[str, Any]
) -> None:
    mongo_server = own_servers["mongodb"]
    session = created(service.url)
    mongo_server.kill9()
    for symbol in ("a", "b"):
        body = {"strings": [symbol]}
        assert patient.post(f"{session}/observe", json=body).status_code == 200
    for response in (
        patient.post(f"{session}/learn"),
        patient.get(f"{session}/predictions"),
    ):
        assert response.status_code in {503, 504}, response.text
        assert response.json()["error"]["retryable"] is True
    question = {"user_id": uuid4().hex, "events": [["a"], ["b"]]}
    alone = patient.post(f"{service.url}/v2/predict", json=question)
    assert alone.status_code in {503, 504}, alone.text
    items = {"items": [question, {"events": [["a"]]}]}
    several = patient.post(f"{service.url}/v2/predict:batch", json=items).json()
    assert [("error" in one) for one in several["results"]] == [True, False]
    assert several["results"][0]["error"]["retryable"] is True
    headers = {"x-user-id": uuid4().hex}
    sequence = {"observations": [{"strings": ["x"]}, {"strings": ["y"]}]}
    applied = patient.post(f"{service.url}/observe-sequence", json=sequence, headers=headers)
    assert (applied.status_code, applied.json()["final_predictions"]) == (200, [])
    until(lambda: mongodb(service) == "unhealthy", "mongodb counted as down")
    assert health(service)["status"] == "degraded"
    assert answers(f"{service.url}/v2/health") == 200
    assert answers(f"{service.url}/health/ready") == 200
    assert patient.get(f"{session}/stm").json()["stm"] == [["a"], ["b"]]
    other = created(service.url)
    assert patient.post(f"{other}/observe", json={"strings": ["z"]}).status_code == 200
    assert patient.post(f"{other}/clear-stm").status_code == 200
    assert patient.delete(other).status_code == 200
    mongo_server.start()
    learn = {"unique_id": "u"}
    until(lambda: patient.post(f"{session}/learn", json=learn).status_code == 200, "recovery")
    (pattern,) = patient.get(f"{session}/patterns").json()["patterns"]
    assert (pattern["pattern_data"], pattern["frequency"]) == ([["a"], ["b"]], 1)


def test_with_a_frozen_mongodb_requests_fail_fast_or_get_stale_answers_where_allowed(
    new_service: New, redis_server: Any, mongo_server: Any
) -> None:
    services = [
        new_service(
            **environment(
                REDIS_URL=redis_server.url,
                MONGO_BASE_URL=mongo_server.url,
                KNOWLEDGE_MAX_STALENESS_S=staleness,
                REQUEST_TIMEOUT="30",
            )
        )
        for staleness in ("0", "600")
    ]
    sessions = []
    for service in services:
        service.start()
    for service in services:
        service.await_ready()
        sessions.append(created(service.url))
        observed_ab(sessions[-1])
        assert patient.post(f"{sessions[-1]}/learn").status_code == 200
        observed_ab(sessions[-1])
    strict, lenient = sessions
    mongo_server.freeze()
    for service in services:
        until(lambda service=service: mongodb(service) == "unhealthy", "an open circuit")
    assert_refused_at_once(patient.get(f"{strict}/predictions"))
    stale = patient.get(f"{lenient}/predictions")
    assert (stale.status_code, stale.json()["stale"], stale.json()["count"]) == (200, True, 1)
    for session in sessions:
        assert_refused_at_once(patient.post(f"{session}/learn"))
        assert_refused_at_once(patient.post(f"{session}/clear-all"))
        assert_refused_at_once(patient.get(f"{session}/patterns"))
        # Nothing was started, so the session is free.
        assert patient.get(f"{session}/stm").json()["stm"] == [["a"], ["b"]]
        assert patient.post(f"{session}/observe", json={"strings": ["c"]}).status_code == 200
    mongo_server.thaw()
    for session in sessions:
        until(lambda url=session: answers(f"{url}/predictions") == 200, "recovery")
        # Until the next probe closes the circuit, answers may still be stale.
        until(
            lambda url=session: not patient.get(f"{url}/predictions").json()["stale"],
            "fresh answers",
        )


def observed_ab(session: str) -> None:
    for symbol in ("a", "b"):
        assert patient.post(f"{session}/observe", json={"strings": [symbol]}).status_code == 200


def mongodb(service: Any) -> str:
    return str(component(service, "mongodb")["status"])


def component(service: Any, store: str) -> dict[str, Any]:
    found: dict[str, Any] = health(service)["components"][store]
    return found


def health(service: Any) -> dict[str, Any]:
    found: dict[str, Any] = patient.get(f"{service.url}/v2/health").json()
    return found


def test_without_qdrant_only_observations_with_vectors_fail(
    service: Any, own_servers: dict[str, Any]
) -> None:
    qdrant_server = own_servers["qdrant"]
    session = created(service.url)
    stored = patient.post(f"{session}/observe", json={"vectors": [[1.0, 0.0]]})
    (known,) = stored.json()["symbols"]
    assert patient.post(f"{session}/clear-stm").status_code == 200
    older = {"x-user-id": uuid4().hex}
    patient.post(f"{service.url}/observe", json={"vectors": [[1.0, 0.0]]}, headers=older)
    qdrant_server.kill9()
    refused = patient.post(f"{session}/observe", json={"vectors": [[1.0, 0.0]]})
    assert refusal(refused) == (503, "STORE_UNAVAILABLE")
    assert patient.post(f"{session}/observe", json={"strings": ["a", "b"]}).status_code == 200
    assert patient.post(f"{session}/learn").status_code == 200
    until(lambda: component(service, "qdrant")["circuit"] == "open", "an open circuit")
    assert health(service)["status"] == "degraded"
    assert answers(f"{service.url}/health/ready") == 200
    assert_refused_at_once(patient.post(f"{session}/observe", json={"vectors": [[1.0, 0.0]]}))
    assert_refused_at_once(patient.get(f"{session}/vectors/{known}"))
    assert patient.get(f"{session}/predictions").status_code == 200
    assert patient.get(f"{session}/stm").json()["length"] == 0
    items = [{"strings": ["c"]}, {"vectors": [[1.0, 0.0]]}, {"strings": ["d"]}]
    sequence = {"observations": items, "unique_id": "s"}
    cut = patient.post(f"{service.url}/observe-sequence", json=sequence, headers=older)
    assert cut.json()["error"]["details"] == [{"applied": 1}]
    cut = patient.post(f"{session}/observe-sequence", json=sequence)
    assert_refused_at_once(cut)
    assert cut.json()["error"]["details"] == [{"applied": 1}]
    assert patient.get(f"{session}/stm").json()["stm"] == [["c"]]
    qdrant_server.start()
    url = f"{session}/observe-sequence"
    until(lambda: patient.post(url, json=sequence).status_code == 200, "recovery")
    assert patient.get(f"{session}/stm").json()["stm"] == [["c"], [known], ["d"]]
    cut = patient.post(f"{service.url}/observe-sequence", json=sequence, headers=older)
    assert cut.json()["observations_processed"] == 3
    older_stm = patient.get(f"{service.url}/stm", headers=older).json()["stm"]
    assert [older_stm[0], len(older_stm), older_stm[2]] == [["c"], 3, ["d"]]
    body = {"vectors": [[1.0, 0.0]]}
    until(lambda: patient.post(f"{session}/observe", json=body).status_code == 200, "recovery")
    assert patient.get(f"{session}/vectors/{known}").json()["vector"] == [1.0, 0.0]


def test_a_full_redis_refuses_growth_and_nothing_else(
    service: Any, own_servers: dict[str, Any]
) -> None:
    redis_server = own_servers["redis"]
    session = created(service.url)
    assert patient.post(f"{session}/observe", json={"strings": ["a"]}).status_code == 200
    older = {"x-user-id": uuid4().hex}
    patient.post(f"{service.url}/observe", json={"strings": ["a"]}, headers=older)
    set_max_memory(redis_server.port, "1")
    full = patient.post(f"{session}/observe", json={"strings": ["b"]})
    assert refusal(full) == (503, "STORE_UNAVAILABLE")
    assert patient.post(f"{service.url}/v2/sessions").status_code == 503
    assert patient.get(f"{session}/stm").json()["stm"] == [["a"]]
    for repeated in (False, True):
        cleared = patient.post(f"{session}/clear-stm", json={"unique_id": "so that it fits"})
        assert cleared.status_code == 200
        assert cleared.json().get("repeated", False) is repeated
    assert patient.post(f"{session}/clear-stm").status_code == 200
    assert patient.get(f"{service.url}/stm", headers=older).json()["stm"] == [["a"]]
    assert patient.post(f"{service.url}/clear-stm", headers=older).status_code == 200
    set_max_memory(redis_server.port, "0")
    assert patient.post(f"{session}/observe", json={"strings": ["c"]}).status_code == 200
    assert patient.get(f"{session}/stm").json()["stm"] == [["c"]]


def set_max_memory(port: int, size: str) -> None:
    from redis import Redis

    with Redis(port=port) as client:
        client.config_set("maxmemory", size)


def test_a_request_ends_at_its_deadline_even_if_the_time_out_of_its_store_is_longer(
    new_service: New, redis_server: Any
) -> None:
    service = new_service(
        **environment(
            REDIS_URL=redis_server.url,
            REDIS_SOCKET_TIMEOUT_S="60",
            HEALTH_CHECK_INTERVAL="60",
            HEALTH_CHECK_TIMEOUT="60",
            REQUEST_TIMEOUT="3",
            VECTORS="disabled",
        )
    )
    service.start()
    service.await_ready()
    session = created(service.url)
    redis_server.freeze()
    for path in ("/stm", "/exists"):
        late = patient.get(session + path)
        assert refusal(late) == (504, "DEADLINE_EXCEEDED")
        assert late.elapsed.total_seconds() < 20
    for url in (f"{service.url}/v2/sessions", f"{session}/extend?ttl_seconds=60"):
        late = patient.post(url)
        assert refusal(late) == (503, "STORE_UNAVAILABLE")
        assert "outcome unknown" in late.json()["error"]["message"]
    assert patient.post(f"{service.url}/observe", json={"strings": ["a"]}).is_error
    redis_server.thaw()
    until(lambda: patient.get(f"{session}/stm").json().get("stm") == [], "recovery")


def test_embedded_knowledge_that_cannot_be_read_is_unhealthy(new_service: New) -> None:
    service = new_service(**environment(VECTORS="disabled"))
    service.start()
    service.await_ready()

    def state() -> str:
        return str(health(service)["components"]["mongodb"]["status"])

    until(lambda: state() == "healthy", "a healthy store")
    kept = service.directory / "data" / "knowledge.sqlite"
    away = kept.with_name("elsewhere")
    kept.rename(away)
    until(lambda: state() == "unhealthy", "an unhealthy store")
    assert health(service)["status"] == "degraded"
    away.rename(kept)
    until(lambda: state() == "healthy", "recovery")
