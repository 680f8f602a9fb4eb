"""Stores that are away, at the start or in between: who answers what, and that it heals."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

pytestmark = pytest.mark.xdist_group("outages")
New = Callable[..., Any]


def until(look: Callable[[], bool], what: str, patience_s: float = 30) -> None:
    give_up_at = time.monotonic() + patience_s
    while not look():
        assert time.monotonic() < give_up_at, f"{what}: not seen in time"
        time.sleep(0.05)


def environment(**variables: str) -> dict[str, str]:
    quick = {
        "PROCESSOR_ID": uuid4().hex,
        "MONGO_DATABASE": uuid4().hex,
        "MONGO_POOL_MIN_SIZE": "0",
        "MONGO_SERVER_SELECTION_TIMEOUT_S": "1",
        "REDIS_SOCKET_TIMEOUT_S": "0.5",
        "HEALTH_CHECK_INTERVAL": "0.2",
        "HEALTH_CHECK_TIMEOUT": "0.5",
        "REQUEST_TIMEOUT": "4",
    }
    return {**quick, **variables}


def created(url: str) -> str:
    response = httpx.post(f"{url}/v2/sessions", json={"user_id": uuid4().hex})
    assert response.status_code == 200, response.text
    return f"{url}/v2/sessions/{response.json()['session_id']}"


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_it_starts_while_its_stores_are_away_and_becomes_ready_when_they_come(
    new_service: New, redis_server: Any, mongo_server: Any
) -> None:
    redis_server.kill9()
    mongo_server.kill9()
    service = new_service(
        **environment(REDIS_URL=redis_server.url, MONGO_BASE_URL=mongo_server.url)
    )
    service.start()
    alive = f"{service.url}/health/live"
    until(lambda: answers(alive) == 200, "the process listens")
    assert answers(f"{service.url}/health/ready") == 503
    assert answers(f"{service.url}/v2/health") == 503
    refused = httpx.post(f"{service.url}/v2/sessions", timeout=20)
    assert refusal(refused) == (503, "STORE_UNAVAILABLE")
    assert refused.headers["retry-after"]
    redis_server.start()
    mongo_server.start()
    service.await_ready()
    session = created(service.url)
    assert httpx.post(f"{session}/observe", json={"strings": ["a", "b"]}).status_code == 200
    assert httpx.post(f"{session}/learn").json()["status"] == "learned"


def answers(url: str) -> int:
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return 0


def test_without_redis_sessions_answer_503_and_nothing_is_lost(
    new_service: New, redis_server: Any
) -> None:
    service = new_service(**environment(REDIS_URL=redis_server.url))
    service.start()
    service.await_ready()
    session = created(service.url)
    for symbol in ("a", "b", "c"):
        body = {"strings": [symbol]}
        assert httpx.post(f"{session}/observe", json=body).status_code == 200
    redis_server.kill9()
    response = httpx.post(f"{session}/observe", json={"strings": ["d"]}, timeout=20)
    assert refusal(response) == (503, "STORE_UNAVAILABLE")
    assert "redis://" not in response.text
    until(lambda: answers(f"{service.url}/health/ready") == 503, "not ready")
    assert httpx.get(f"{service.url}/v2/health").json()["status"] == "unhealthy"
    redis_server.start()
    service.await_ready()
    assert httpx.get(f"{session}/stm").json()["stm"] == [["a"], ["b"], ["c"]]


def test_a_frozen_redis_is_given_up_in_time(new_service: New, redis_server: Any) -> None:
    service = new_service(**environment(REDIS_URL=redis_server.url))
    service.start()
    service.await_ready()
    session = created(service.url)
    redis_server.freeze()
    began = time.monotonic()
    response = httpx.post(f"{session}/observe", json={"strings": ["a"]}, timeout=30)
    assert response.status_code in {503, 504}
    assert time.monotonic() - began < 8
    redis_server.thaw()
    service.await_ready()
    body = {"strings": ["b"]}
    until(lambda: httpx.post(f"{session}/observe", json=body).status_code == 200, "it heals")


def test_without_mongodb_observing_goes_on_and_learning_waits(
    new_service: New, redis_server: Any, mongo_server: Any
) -> None:
    service = new_service(
        **environment(REDIS_URL=redis_server.url, MONGO_BASE_URL=mongo_server.url)
    )
    service.start()
    service.await_ready()
    session = created(service.url)
    mongo_server.kill9()
    for symbol in ("a", "b"):
        body = {"strings": [symbol]}
        assert httpx.post(f"{session}/observe", json=body).status_code == 200
    for response in (
        httpx.post(f"{session}/learn", timeout=30),
        httpx.get(f"{session}/predictions", timeout=30),
    ):
        assert response.status_code in {503, 504}, response.text
        assert response.json()["error"]["retryable"] is True
    headers = {"x-user-id": uuid4().hex}
    sequence = {"observations": [{"strings": ["x"]}, {"strings": ["y"]}]}
    applied = httpx.post(
        f"{service.url}/observe-sequence", json=sequence, headers=headers, timeout=30
    )
    assert (applied.status_code, applied.json()["final_predictions"]) == (200, [])
    until(lambda: mongodb(service) == "unhealthy", "mongodb counting as down")
    assert health(service)["status"] == "degraded"
    assert answers(f"{service.url}/health/ready") == 200
    mongo_server.start()
    learn = {"unique_id": "u"}
    until(lambda: httpx.post(f"{session}/learn", json=learn).status_code == 200, "it heals")
    (pattern,) = httpx.get(f"{session}/patterns").json()["patterns"]
    assert (pattern["pattern_data"], pattern["frequency"]) == ([["a"], ["b"]], 1)


def mongodb(service: Any) -> str:
    return str(health(service)["components"]["mongodb"]["status"])


def health(service: Any) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{service.url}/v2/health").json()
    return found


def test_without_qdrant_only_observations_with_vectors_wait(
    new_service: New, redis_server: Any, qdrant_server: Any
) -> None:
    service = new_service(
        **environment(
            REDIS_URL=redis_server.url, QDRANT_URL=qdrant_server.url, QDRANT_TIMEOUT_S="1"
        )
    )
    service.start()
    service.await_ready()
    session = created(service.url)
    qdrant_server.kill9()
    refused = httpx.post(f"{session}/observe", json={"vectors": [[1.0, 0.0]]}, timeout=20)
    assert refusal(refused) == (503, "STORE_UNAVAILABLE")
    assert httpx.post(f"{session}/observe", json={"strings": ["a", "b"]}).status_code == 200
    assert httpx.post(f"{session}/learn").status_code == 200
    until(lambda: health(service)["status"] == "degraded", "degraded")
    assert httpx.get(f"{session}/stm").json()["length"] == 0
    qdrant_server.start()
    body = {"vectors": [[1.0, 0.0]]}
    until(lambda: httpx.post(f"{session}/observe", json=body).status_code == 200, "it heals")


def test_a_full_redis_refuses_growth_and_traps_nothing(new_service: New, redis_server: Any) -> None:
    service = new_service(**environment(REDIS_URL=redis_server.url, MAX_STM_EVENTS="100000"))
    service.start()
    service.await_ready()
    session = created(service.url)
    assert httpx.post(f"{session}/observe", json={"strings": ["a"]}).status_code == 200
    set_max_memory(redis_server.port, "1")
    full = httpx.post(f"{session}/observe", json={"strings": ["b"]})
    assert refusal(full) == (503, "STORE_UNAVAILABLE")
    assert httpx.post(f"{service.url}/v2/sessions").status_code == 503
    assert httpx.get(f"{session}/stm").json()["stm"] == [["a"]]
    assert httpx.post(f"{session}/clear-stm").status_code == 200
    set_max_memory(redis_server.port, "0")
    assert httpx.post(f"{session}/observe", json={"strings": ["c"]}).status_code == 200
    assert httpx.get(f"{session}/stm").json()["stm"] == [["c"]]


def set_max_memory(port: int, size: str) -> None:
    from redis import Redis

    with Redis(port=port) as client:
        client.config_set("maxmemory", size)
