"""Many users of one service whose knowledge does not fit into its memory."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support import patient

USERS = range(200)
ROUNDS = 2
LIMIT_BYTES = 400_000
CLIENTS = 8


@pytest.fixture(scope="module", params=["c", "numpy"])
def url(request: pytest.FixtureRequest, start_service: Callable[..., str]) -> str:
    return start_service(KATO_ENGINE=request.param, KNOWLEDGE_MEMORY_BYTES=str(LIMIT_BYTES))


def learned_and_recalled(url: str, user: int) -> tuple[int, list[str]]:
    """The frequency and the future of what *user* learned just now."""
    symbols = [[f"hello{user}"], [f"I am {user}"], [f"bye{user}"]]
    items = [{"strings": event} for event in symbols]
    with httpx.Client(base_url=url, timeout=patient.PATIENCE_S) as api:
        made = api.post("/v2/sessions", json={"user_id": f"user{user}"}).json()
        path = f"/v2/sessions/{made['session_id']}"
        api.post(f"{path}/observe-sequence", json={"observations": items, "learn_at_end": True})
        api.post(f"{path}/observe-sequence", json={"observations": items[:2]})
        (prediction,) = api.get(f"{path}/predictions").json()["predictions"]
        api.delete(path)
    return prediction["frequency"], prediction["future"]


def test_two_hundred_users_are_served_from_the_memory_of_few(url: str) -> None:
    for done in range(1, ROUNDS + 1):
        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = list(clients.map(lambda user: learned_and_recalled(url, user), USERS))
        assert answers == [(done, [[f"bye{user}"]]) for user in USERS]
    loaded, metrics = status_and_metrics_of_one_moment(url)
    assert 1 <= loaded["loaded"] == loaded["patterns"] < 50
    assert 0 < loaded["bytes"] <= LIMIT_BYTES
    assert float(_value(metrics, "kato_knowledge_index_bytes")) == loaded["bytes"]
    assert float(_value(metrics, "kato_knowledge_unloads_total")) > (ROUNDS - 1) * len(USERS)


def status_and_metrics_of_one_moment(url: str) -> tuple[dict[str, int], str]:
    """Read until upkeep in the background has changed nothing in between."""
    give_up_at = time.monotonic() + patient.PATIENCE_S
    while time.monotonic() < give_up_at:
        before = patient.get(f"{url}/v2/status").json()["processors"]
        metrics = patient.get(f"{url}/metrics").text
        if patient.get(f"{url}/v2/status").json()["processors"] == before:
            return before, metrics
    pytest.fail("the knowledge in memory never stood still")


def _value(metrics: str, name: str) -> str:
    (value,) = re.findall(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    return str(value)
