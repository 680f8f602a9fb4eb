"""Users whom anybody can name get collections for vectors only within bounds."""

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from support.services import NewService, ServiceProcess

MOST, OF_ONE = 10, 9


@pytest.fixture(params=["embedded", "qdrant"])
def service(request: pytest.FixtureRequest, new_service: NewService) -> ServiceProcess:
    variables = {"MAX_VECTOR_KNOWLEDGE_BASES": str(MOST), "PROCESSOR_ID": uuid4().hex}
    if request.param == "qdrant":
        variables["QDRANT_URL"] = request.getfixturevalue("qdrant_url")
    started = new_service(**variables)
    started.start()
    started.await_ready()
    return started


def client(service: ServiceProcess, address: str) -> httpx.Client:
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=service.url, transport=transport, timeout=60)


@pytest.fixture
def clients(service: ServiceProcess) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    with client(service, "127.0.0.1") as one, client(service, "127.0.0.2") as other:
        yield one, other


def observed(api: httpx.Client, user: str) -> httpx.Response:
    return api.post("/observe", json={"vectors": [[1.0, 2.0]]}, headers={"x-user-id": user})


def test_one_address_leaves_room_for_the_vectors_of_others(
    clients: tuple[httpx.Client, httpx.Client],
) -> None:
    one, other = clients
    assert {observed(one, f"user {n}").status_code for n in range(OF_ONE)} == {200}
    refused = observed(one, "user 9")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (429, "VECTOR_LIMIT_EXCEEDED")
    assert error["message"] == (
        "limit of knowledge bases with vectors reached for this client address (9, so that it"
        " leaves some of MAX_VECTOR_KNOWLEDGE_BASES to others); clear-all those of users who need"
        " theirs no more, or raise MAX_VECTOR_KNOWLEDGE_BASES"
    )
    sequence = {"observations": [{"strings": ["a"]}, {"vectors": [[1.0]]}]}
    user = {"x-user-id": "user 9"}
    assert one.post("/observe-sequence", json=sequence, headers=user).status_code == 429
    assert one.get("/stm", headers=user).json()["stm"] == []
    assert one.post("/observe", json={"strings": ["a"]}, headers=user).status_code == 200
    assert observed(one, "user 3").status_code == 200  # it has vectors already
    assert observed(other, "another").status_code == 200
    assert "this instance (10)" in observed(other, "one more").json()["error"]["message"]
    assert one.post("/clear-all", headers={"x-user-id": "user 0"}).status_code == 200
    assert observed(other, "one more").status_code == 200
