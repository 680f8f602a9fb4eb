"""Users over HTTP: lists, figures, erasure, and who may do what (http-api.md §6)."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from pymongo import MongoClient
from redis import Redis

from support.access import await_audited, callers, code_of, key_line
from support.patient import PATIENCE_S
from support.services import ServiceProcess
from support.waiting import until

NewService = Callable[..., ServiceProcess]
STRANGE = ("a/b", "a%2Fb", "a b", "é 🙂", "x/patterns", "?q=1#f", "~", "+")


@dataclass
class Instance:
    """Replicas of one instance, asked in turn, and everything that their stores hold."""

    services: list[ServiceProcess]
    name: str
    stores: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._next = cycle(self.services)
        self._client = httpx.Client(timeout=PATIENCE_S)

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, path: str, *, status: int = 200, **more: Any) -> Any:
        answer = self._client.request(method, next(self._next).url + path, **more)
        assert answer.status_code == status, (method, path, answer.text)
        return answer.json()

    def session(self, user: str | None) -> str:
        body = {} if user is None else {"user_id": user}
        created: str = self.ask("POST", "/v2/sessions", json=body)["session_id"]
        return created

    def learn(self, session: str, *events: list[str], **more: Any) -> None:
        path = f"/v2/sessions/{session}"
        observations = [{"strings": event, **more} for event in events]
        body = {"observations": observations, "learn_at_end": True, "unique_id": uuid4().hex}
        self.ask("POST", f"{path}/observe-sequence", json=body)

    def user(self, user: str, **more: Any) -> Any:
        return self.ask("GET", f"/v2/users/{quote(user, safe='')}", **more)

    def erase(self, user: str) -> Any:
        return self.ask("DELETE", f"/v2/users/{quote(user, safe='')}")

    def listed(self) -> dict[str, Any]:
        found, cursor = [], None
        while True:
            more = {} if cursor is None else {"cursor": cursor}
            page = self.ask("GET", "/v2/users", params={"limit": 3, **more})
            found += page["users"]
            cursor = page["next_cursor"]
            if cursor is None:
                return {one["processor_id"]: one for one in found}

    def traces(self, *words: str) -> list[str]:
        """Where the stores hold any of *words*."""
        found = (*self._files(), *(self._servers() if self.stores else ()))
        return [place for place, content in found if _holds(place, content, words)]

    def _files(self) -> Iterator[tuple[str, bytes]]:
        for service in self.services:
            for path in (service.directory / "data").rglob("*"):
                if path.is_file() and not path.name.endswith("-shm"):
                    yield str(path), path.read_bytes()

    def _servers(self) -> Iterator[tuple[str, bytes]]:
        with MongoClient[dict[str, Any]](self.stores["MONGO_BASE_URL"]) as client:
            database = client[self.name]
            for name in database.list_collection_names():
                for document in database[name].find():
                    yield f"{name} {document['_id']}", repr(document).encode()
        with closing(Redis.from_url(self.stores["REDIS_URL"])) as redis:
            for key in redis.scan_iter(f"kato:{self.name}:*"):
                yield key.decode(), redis.dump(key) or b""
                yield key.decode(), repr(_read(redis, key)).encode()
        qdrant = f"{self.stores['QDRANT_URL']}/collections"
        for name in [one["name"] for one in httpx.get(qdrant).json()["result"]["collections"]]:
            if self.name in name:
                asked = {"limit": 1000, "with_payload": True}
                answer = httpx.post(f"{qdrant}/{name}/points/scroll", json=asked)
                yield name, answer.content


def _read(redis: Any, key: bytes) -> object:
    kind = redis.type(key).decode()
    if kind == "list":
        return redis.lrange(key, 0, -1)
    if kind == "zset":
        return redis.zrange(key, 0, -1)
    return redis.hgetall(key) if kind == "hash" else None


def _holds(place: str, content: bytes, words: tuple[str, ...]) -> bool:
    return any(word in place or word.encode() in content for word in words)


@pytest.fixture(scope="module", params=["embedded", "two replicas"])
def instance(request: pytest.FixtureRequest, new_lasting_service: NewService) -> Iterator[Instance]:
    stores: dict[str, str] = {}
    name = f"kato{uuid4().hex}"
    if request.param != "embedded":
        stores = dict(request.getfixturevalue("replica_stores"))
    variables = {**stores, "PROCESSOR_ID": name, "MONGO_DATABASE": name}
    count = 2 if stores else 1
    made = Instance([new_lasting_service(**variables) for _ in range(count)], name, stores)
    for service in made.services:
        service.start()
    for service in made.services:
        service.await_ready()
    yield made
    made.close()


def hash_of(user: str) -> str:
    return sha256(user.encode()).hexdigest()[:40]


def test_a_user_is_listed_and_shown_with_figures(instance: Instance) -> None:
    user = uuid4().hex
    instance.user(user, status=404)
    session = instance.session(user)
    assert instance.user(user)["sessions"] == 1
    instance.learn(session, ["a"], ["b"], vectors=[[0.5, 0.25]])
    instance.learn(session, ["a"], ["c"])
    now = instance.user(user)
    assert (now["user_id"], now["patterns"], now["learns"], now["vectors"]) == (user, 2, 2, 1)
    assert now["last_learned_at"] <= now["as_of"]
    processor_id = now["processor_id"]
    assert instance.listed()[processor_id]["user_id"] == user
    shown = until(
        lambda: (found := instance.listed()[processor_id])["patterns"] == 2 and found, "figures"
    )
    assert shown["learns"] == 2
    assert shown["symbols"] == now["symbols"]
    assert shown["last_learned_at"] == now["last_learned_at"]


@pytest.mark.parametrize("user", STRANGE)
def test_any_user_can_be_named_in_a_path(instance: Instance, user: str) -> None:
    session = instance.session(user)
    instance.learn(session, ["a"], ["b"])
    assert instance.user(user)["user_id"] == user
    assert instance.erase(user)["user_id"] == user
    assert instance.ask("GET", f"/v2/sessions/{session}", status=404)


def test_a_path_names_no_user_that_cannot_be(instance: Instance) -> None:
    for user in ("x" * 257, "a\x1fb", "a\nb"):
        refused = instance.user(user, status=422)
        assert refused["error"]["details"][0]["location"] == ["path", "user_id"]
    refused = instance.ask("GET", "/v2/users?cursor=else", status=422)
    assert refused["error"]["details"][0]["location"] == ["query", "cursor"]


def test_after_an_erasure_nothing_of_the_user_is_in_any_store(instance: Instance) -> None:
    user, other = f"user-{uuid4().hex}", f"other-{uuid4().hex}"
    words = [f"symbol-{uuid4().hex}" for _ in range(3)]
    sessions = [instance.session(user) for _ in range(3)]
    kept = instance.session(other)
    instance.learn(kept, ["stays"], ["here"])
    for session in sessions:
        instance.learn(session, [words[0]], [words[1]], metadata={"k": words[2]})
    instance.learn(sessions[0], ["a"], ["b"], vectors=[[0.5, 0.125]])
    instance.ask("POST", f"/v2/sessions/{sessions[1]}/observe", json={"strings": [words[0]]})
    instance.ask("POST", "/v1/observe", json={"strings": [words[0]], "user_id": user})
    processor_id = instance.user(user)["processor_id"]
    until(lambda: instance.listed()[processor_id]["patterns"] is not None, "figures")
    assert instance.traces(user, hash_of(user), *words)

    done = instance.erase(user)

    assert done["status"] == "erased"
    assert not done["used_again"]
    assert done["erased"]["sessions"] == 4
    assert done["erased"]["remembered_requests"] == 4
    assert (done["erased"]["patterns"], done["erased"]["vectors"]) == (2, 1)
    assert instance.traces(user, hash_of(user), *words) == []
    assert processor_id not in instance.listed()
    for session in sessions:
        instance.ask("GET", f"/v2/sessions/{session}", status=404)
    assert instance.user(other)["patterns"] == 1
    again = instance.erase(user)
    assert set(again["erased"].values()) == {0}


def test_a_user_begins_with_nothing_after_an_erasure(instance: Instance) -> None:
    user = uuid4().hex
    for round_ in range(3):
        session = instance.session(user)
        instance.learn(session, ["a"], ["b"], vectors=[[0.5, 0.25]])
        instance.learn(session, [f"of round {round_}"], ["c"])
        patterns = instance.ask("GET", f"/v2/sessions/{session}/patterns")["patterns"]
        assert [one["frequency"] for one in patterns] == [1, 1]
        assert instance.user(user)["vectors"] == 1
        instance.ask("POST", f"/v2/sessions/{session}/observe", json={"strings": ["a"]})
        instance.ask("POST", f"/v2/sessions/{session}/observe", json={"strings": ["b"]})
        found = instance.ask("GET", f"/v2/sessions/{session}/predictions")["predictions"]
        assert len(found) == 1
        instance.erase(user)


def test_what_belongs_to_no_user_has_a_path_of_its_own(instance: Instance) -> None:
    session = instance.session(None)
    instance.learn(session, ["nobody's"], ["b"])
    found = instance.ask("GET", "/v2/anonymous")
    assert (found["user_id"], found["processor_id"]) == (None, instance.name)
    assert found["patterns"] == 1
    assert instance.listed()[instance.name]["user_id"] is None
    done = instance.ask("DELETE", "/v2/anonymous")
    assert done["erased"]["patterns"] == 1
    instance.ask("GET", f"/v2/sessions/{session}", status=404)
    assert instance.ask("GET", "/v2/anonymous")["patterns"] == 0


def test_a_replica_that_is_killed_leaves_an_erasure_that_the_other_completes(
    request: pytest.FixtureRequest, new_service: NewService
) -> None:
    stores = dict(request.getfixturevalue("replica_stores"))
    name = f"kato{uuid4().hex}"
    variables = {**stores, "PROCESSOR_ID": name, "MONGO_DATABASE": name}
    one, other = (new_service(**variables) for _ in range(2))
    for service in (one, other):
        service.start()
    for service in (one, other):
        service.await_ready()
    dying, living = Instance([one], name, stores), Instance([other], name, stores)
    user, word = f"user-{uuid4().hex}", f"symbol-{uuid4().hex}"
    for _ in range(10 if "IN_FULL" in os.environ else 1):
        for number in range(20):
            living.learn(living.session(user), [word], [str(number)])
        with suppress(httpx.TransportError):  # it may end just before the kill
            _erase_and_kill(dying, user)
        until(lambda: not living.traces(user, hash_of(user), word), "the end of the erasure")
        one.start()
        one.await_ready()
    dying.close()
    living.close()


def _erase_and_kill(dying: Instance, user: str) -> None:
    """Kill the replica as soon as the erasure is stored."""
    (service,) = dying.services
    with (
        MongoClient[dict[str, Any]](dying.stores["MONGO_BASE_URL"]) as mongo,
        ThreadPoolExecutor(1) as threads,
    ):
        url = f"{service.url}/v2/users/{user}"
        asked = threads.submit(httpx.delete, url, timeout=PATIENCE_S)
        erasures = mongo[dying.name]["erasures"]
        while not asked.done() and not erasures.find_one({"kb": {"$exists": True}}):
            pass
        service.kill9()
        asked.result()


@pytest.fixture(scope="module")
def guarded(new_lasting_service: NewService, tmp_path_factory: pytest.TempPathFactory) -> Any:
    keys = tmp_path_factory.mktemp("keys") / "keys.jsonl"
    lines = (
        key_line("root", "admin"),
        key_line("shop", "write", user="shop"),
        key_line("looker", "read", user="shop"),
        key_line("plain", "write"),
    )
    keys.write_text("\n".join(lines))
    service = new_lasting_service(API_KEYS_FILE=str(keys))
    service.start()
    service.await_ready()
    return service


def test_a_caller_reaches_its_own_user_only(guarded: ServiceProcess) -> None:
    with callers(guarded.url) as caller:
        for key in ("shop", "looker", "plain"):
            answer = caller(key).get("/v2/users")
            assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")
            for method in ("GET", "DELETE"):
                answer = caller(key).request(method, "/v2/users/else")
                assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")
        for method in ("GET", "DELETE"):
            assert caller("shop").request(method, "/v2/anonymous").status_code == 403
        assert caller("plain").get("/v2/anonymous").status_code == 200
        refused = caller("looker").delete("/v2/users/shop")
        assert (refused.status_code, code_of(refused)) == (403, "FORBIDDEN")
        assert "needs the scope write" in refused.json()["detail"]
        assert caller("shop").post("/v2/sessions", json={}).status_code == 200
        assert caller("looker").get("/v2/users/shop").json()["sessions"] == 1
        assert caller("root").get("/v2/users").status_code == 200
        assert caller("shop").delete("/v2/users/shop").json()["erased"]["sessions"] == 1
    lines = [
        line for line in await_audited(guarded, "erase_user") if line["action"] == "erase_user"
    ]
    done = [line for line in lines if line["outcome"] == "done"]
    assert {line["of_user"] for line in done} == {hash_of("shop")[:8]}
    assert {line["outcome"] for line in lines} == {"done", "refused"}


def test_a_file_of_embedded_knowledge_keeps_nothing_that_was_erased(
    new_service: NewService,
) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    instance = Instance([service], "kato")
    user, word = f"user-{uuid4().hex}", f"symbol-{uuid4().hex}"
    session = instance.session(user)
    for number in range(300):
        instance.learn(session, [f"{word}-{number % 60}"], [f"{word}-{number}", "x" * 100])
    processor_id = instance.user(user)["processor_id"]
    until(lambda: instance.listed()[processor_id]["patterns"] == 300, "figures")
    instance.erase(user)
    assert instance.traces(user, hash_of(user), word) == []
    path: Path = service.directory / "data" / "knowledge.sqlite"
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM log").fetchone() == (0,)
    instance.close()
