"""What a program says to the replicas of an instance, and what it needs of their answers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.patient import PATIENCE_S
from support.shapes import Kind, lacking


@dataclass
class Talk:
    """A client, whose requests go to one replica after the other."""

    urls: list[str]
    headers: dict[str, str] = field(default_factory=dict)
    user: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        self._next = cycle(self.urls)
        self._client = httpx.Client(timeout=PATIENCE_S)

    def ask(self, method: str, path: str, body: Any = None, *, has: Kind, status: int = 200) -> Any:
        url = next(self._next) + path
        response = self._client.request(method, url, json=body, headers=self.headers)
        assert response.status_code == status, (method, path, response.text)
        answer = response.json()
        assert lacking(answer, has) == [], (method, path)
        return answer

    def get(self, path: str, *, has: Kind) -> Any:
        return self.ask("GET", path, has=has)

    def post(self, path: str, body: Any = None, *, has: Kind) -> Any:
        return self.ask("POST", path, body, has=has)

    def refused(self, method: str, path: str, body: Any, *, status: int, words: str) -> None:
        answer = self.ask(method, path, body, has={"detail": str}, status=status)
        assert words in answer["detail"].casefold()

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="module")
def replica_stores(redis_url: str, mongo_url: str, qdrant_url: str) -> Mapping[str, str]:
    return {
        "REDIS_URL": redis_url,
        "MONGO_BASE_URL": mongo_url,
        "MONGO_POOL_MIN_SIZE": "1",
        "QDRANT_URL": qdrant_url,
        "REDIS_SOCKET_TIMEOUT_S": "30",
        "HEALTH_CHECK_TIMEOUT": "30",
        "HEALTH_CHECK_FAILURES": "1000",
    }


@pytest.fixture(scope="module", params=["embedded", "one replica", "three replicas"])
def replica_urls(
    request: pytest.FixtureRequest, new_lasting_service: Callable[..., Any]
) -> list[str]:
    """The replicas of one instance."""
    variables: dict[str, str] = {}
    if request.param != "embedded":
        name = uuid4().hex
        variables = {**request.getfixturevalue("replica_stores")}
        variables |= {"PROCESSOR_ID": name, "MONGO_DATABASE": name}
    count = 3 if request.param == "three replicas" else 1
    services = [new_lasting_service(**variables) for _ in range(count)]
    for service in services:
        service.start()
    for service in services:
        service.await_ready()
    return [service.url for service in services]


@pytest.fixture
def talk(replica_urls: list[str]) -> Iterator[Talk]:
    talk = Talk(replica_urls)
    yield talk
    talk.close()
