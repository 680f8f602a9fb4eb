"""The service as a process over a Redis Cluster: `REDIS_URL` names a node, nothing else differs."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

pytestmark = pytest.mark.xdist_group("redis cluster")


def test_a_service_over_a_cluster_answers_as_over_one_server(
    start_service: Callable[..., str], redis_cluster: Any
) -> None:
    url = start_service(PROCESSOR_ID=uuid4().hex, REDIS_URL=redis_cluster.url)
    with httpx.Client(base_url=url, timeout=60) as client:
        made = [client.post("/v2/sessions", json={"user_id": "Ada"}).json() for _ in range(12)]
        paths = [f"/v2/sessions/{session['session_id']}" for session in made]
        for number, path in enumerate(paths):
            for symbol in ("a", "b", f"c{number}"):
                answer = client.post(f"{path}/observe", json={"strings": [symbol]})
                assert answer.status_code == 200, answer.text
            assert client.post(f"{path}/learn").json()["status"] == "learned"
            client.post(f"{path}/observe", json={"strings": ["a"]})
            client.post(f"{path}/observe", json={"strings": ["b"]})
        told = {client.get(f"{path}/predictions").json()["count"] for path in paths}
        assert told == {len(paths)}
        listed = client.get("/v2/sessions", params={"user_id": "Ada", "limit": 5}).json()
        assert [session["stm_length"] for session in listed["sessions"]] == [2] * 5
        assert client.delete(paths[0]).status_code == 200
        assert client.get(paths[0]).status_code == 404
        assert client.get("/v2/sessions/count").json() == {"active_session_count": 11}
        client.post("/observe", json={"strings": ["x"]})
        assert client.get("/stm").json()["stm"] == [["x"]]
        assert client.get("/v2/health").json()["components"]["redis"]["status"] == "healthy"
