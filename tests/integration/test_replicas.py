"""Replicas of the service as real processes over shared Redis, FerretDB and Qdrant stand-in."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.sockets import opened

pytestmark = pytest.mark.xdist_group("replicas")
New = Callable[..., Any]


@pytest.fixture(scope="module")
def shared(redis_url: str, mongo_url: str, qdrant_url: str) -> dict[str, str]:
    """The environment of replicas of one instance."""
    name = uuid4().hex
    return {
        "PROCESSOR_ID": name,
        "REDIS_URL": redis_url,
        "MONGO_BASE_URL": mongo_url,
        "MONGO_DATABASE": name,
        "MONGO_POOL_MIN_SIZE": "1",
        "QDRANT_URL": qdrant_url,
        "MAX_STM_EVENTS": "2000",
        "MAX_SESSIONS_PER_USER": "200",
    }


@pytest.fixture(scope="module")
def replicas(new_lasting_service: New, shared: dict[str, str]) -> list[Any]:
    found = [new_lasting_service(**shared) for _ in range(2)]
    for service in found:
        service.start()
    for service in found:
        service.await_ready()
    return found


@pytest.fixture
def clients(replicas: list[Any]) -> Iterator[list[httpx.Client]]:
    limits = httpx.Limits(max_connections=50)
    found = [httpx.Client(base_url=one.url, timeout=60, limits=limits) for one in replicas]
    yield found
    for client in found:
        client.close()


def created(client: httpx.Client, user_id: str | None = None) -> str:
    response = client.post("/v2/sessions", json={"user_id": user_id or uuid4().hex})
    assert response.status_code == 200, response.text
    return f"/v2/sessions/{response.json()['session_id']}"


def observed(client: httpx.Client, session: str, *symbols: str, **more: Any) -> dict[str, Any]:
    observations = [{"strings": [symbol]} for symbol in symbols]
    body = {"observations": observations, **more}
    response = client.post(f"{session}/observe-sequence", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def stm(client: httpx.Client, session: str) -> list[str]:
    return [symbol for event in client.get(f"{session}/stm").json()["stm"] for symbol in event]


def test_replicas_agree_on_every_field_after_learns_and_deletes(
    clients: list[httpx.Client],
) -> None:
    session = created(clients[0])
    names = [
        observed(clients[number % 2], session, *symbols, learn_at_end=True)["final_learned_pattern"]
        for number, symbols in enumerate(("abcd", "abxy", "abcd", "abdc", "mnab", "abz"))
    ]
    clients[1].delete(f"{session}/patterns/{names[1]}").raise_for_status()
    config = {"config": {"rank_sort_algo": "tfidf_score", "recall_threshold": 0.0}}
    clients[1].post(f"{session}/config", json=config).raise_for_status()
    observed(clients[0], session, "a", "b")
    first, second = (client.get(f"{session}/predictions?fields=all") for client in clients)
    assert first.content == second.content
    answer = first.json()
    assert answer["count"] == 4
    assert names[1][5:] not in {one["name"] for one in answer["predictions"]}
    scores = [one["tfidf_score"] for one in answer["predictions"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(one["supporting_patterns"] for one in answer["future_potentials"]) == 3


def test_replicas_tell_alike_what_comes_next_and_why(clients: list[httpx.Client]) -> None:
    user_id = uuid4().hex
    session = created(clients[0], user_id)
    vector = {"observations": [{"vectors": [[1.0, 0.0]]}, {"strings": ["v"]}], "learn_at_end": True}
    for number, symbols in enumerate(("abcd", "abxy", "abcd", "ab", "mnab", "abz")):
        observed(clients[number % 2], session, *symbols, learn_at_end=True)
    clients[0].post(f"{session}/observe-sequence", json=vector).raise_for_status()
    observed(clients[1], session, "a", "b")
    for query in ("view=next", "view=next&explain=true", "explain=true", "offset=1&limit=2"):
        first, second = (client.get(f"{session}/predictions?{query}") for client in clients)
        assert first.content == second.content
    question = {"user_id": user_id, "events": [["a"], ["b"]], "view": "next", "explain": True}
    near = {"user_id": user_id, "observations": [{"vectors": [[0.99, 0.01]]}], "view": "next"}
    single = {"config": {"single_symbol_predictions": True}}
    batch = {"items": [question, near | single | {"recall_threshold": 0.0}, near]}
    for path, body in (("/v2/predict", question), ("/v2/predict:batch", batch)):
        answers = [client.post(path, json=body) for client in clients]
        assert [one.status_code for one in answers] == [200, 200]
        assert answers[0].content == answers[1].content
    answer = clients[1].post("/v2/predict", json=question).json()
    weights = [one["weight"] for one in answer["events"]]
    assert sum(weights) + answer["stop"]["weight"] == pytest.approx(1.0)
    assert answer["stop"]["weight"] > 0


def test_a_subscription_follows_changes_and_the_end_of_its_session_on_the_other_replica(
    clients: list[httpx.Client], replicas: list[Any]
) -> None:
    session = created(clients[0])
    with opened(f"{replicas[1].url}{session}/ws") as socket:
        assert socket.ask("subscribe", id="s")["payload"]["time"] == 0
        for _ in range(3):
            began = time.monotonic()
            answer = observed(clients[0], session, "a", "b")
            pushed = socket.next()
            while pushed["payload"]["time"] < answer["time"]:
                pushed = socket.next()
            assert pushed["type"] == "predictions"
            assert time.monotonic() - began < 20
        observed(clients[0], session, learn_at_end=True)
        assert socket.next()["payload"]["stm_length"] == 0
        clients[0].delete(session).raise_for_status()
        assert socket.next()["type"] == "session_ended"


def test_a_feed_has_the_events_of_the_other_replica_and_no_others(
    clients: list[httpx.Client], replicas: list[Any]
) -> None:
    user = uuid4().hex
    with opened(f"{replicas[1].url}/ws/events", additional_headers={"x-user-id": user}) as socket:
        assert socket.next()["event_type"] == "state.snapshot"
        for number in (0, 1, 0):
            created(clients[number])
            session = created(clients[number], user)
            observed(clients[number], session, "a", "b", learn_at_end=True)
            clients[number].delete(session).raise_for_status()
            frames = [socket.next() for _ in range(3)]
            assert [frame["event_type"] for frame in frames] == [
                "session.created",
                "pattern.learned",
                "session.destroyed",
            ]
            shown = {frame["data"]["session_id"].rstrip("…") for frame in frames}
            assert shown == {session.rpartition("/")[2][:8]}
        socket.connection.send("ping")
        assert socket.connection.recv(timeout=60) == "pong"


def test_active_sessions_are_right_within_a_second_on_the_replica_that_changed_them(
    clients: list[httpx.Client],
) -> None:
    for client in clients:
        session = created(client)
        for _ in range(2):
            time.sleep(1)
            counted = client.get("/v2/sessions/count").json()["active_session_count"]
            assert client.get("/health").json()["active_sessions"] == counted
            client.delete(session)


def test_calls_to_the_stores_are_counted(clients: list[httpx.Client]) -> None:
    session = created(clients[0])
    before = clients[0].get("/metrics", headers={"accept": "application/json"}).json()["databases"]
    observed(clients[0], session, "a", "b", learn_at_end=True)
    after = clients[0].get("/metrics", headers={"accept": "application/json"}).json()["databases"]
    for store in ("redis", "mongodb"):
        assert after[store]["operations"] > before[store]["operations"]
        assert 0 < after[store]["avg_response_time"] < 30
    pools = clients[0].get("/connection-pools").json()
    assert pools["health"]["redis"]["backend"] == "redis"
    assert pools["pool_statistics"]["redis"]["max"] == 50


def test_a_conversation_gives_the_same_bytes_on_every_replica(clients: list[httpx.Client]) -> None:
    session = created(clients[0])
    for turn in range(12):
        learner, other = clients if turn % 2 else reversed(clients)
        observed(learner, session, "a", f"b{turn % 5}", f"c{turn}", learn_at_end=True)
        observed(other, session, "a", f"b{turn % 5}")
        told = [client.get(f"{session}/predictions").content for client in clients]
        assert told[0] == told[1]
        assert f"c{turn}".encode() in told[0]
        clients[turn % 2].post(f"{session}/clear-stm")


def test_a_prediction_reflects_a_delete_on_another_replica(clients: list[httpx.Client]) -> None:
    one, two = clients
    session = created(one)
    name = observed(one, session, "a", "b", learn_at_end=True)["final_learned_pattern"]
    observed(one, session, "a", "b")
    assert two.get(f"{session}/predictions").json()["count"] == 1
    assert one.delete(f"{session}/patterns/{name}").status_code == 200
    assert two.get(f"{session}/predictions").json()["count"] == 0


def test_twenty_clients_on_one_session_lose_nothing(clients: list[httpx.Client]) -> None:
    session = created(clients[0])

    def observe(number: int) -> list[str]:
        client = clients[number % 2]
        symbols = [f"{number}-{turn}" for turn in range(50)]
        for symbol in symbols:
            response = client.post(f"{session}/observe", json={"strings": [symbol]})
            assert response.status_code == 200, response.text
        return symbols

    with ThreadPoolExecutor(20) as crowd:
        sent = list(crowd.map(observe, range(20), timeout=180))
    for client in clients:
        kept = stm(client, session)
        assert len(kept) == 1000
        assert Counter(kept) == Counter(symbol for symbols in sent for symbol in symbols)
    for symbols in sent:
        mine = set(symbols)
        assert [symbol for symbol in kept if symbol in mine] == symbols


@pytest.mark.parametrize("one_user", [True, False], ids=["one user", "twenty users"])
def test_twenty_sessions_at_once_share_nothing(clients: list[httpx.Client], one_user: bool) -> None:
    user = uuid4().hex
    sessions = [created(clients[0], user if one_user else None) for _ in range(20)]

    def converse(number: int) -> None:
        for turn in range(10):
            observed(clients[(number + turn) % 2], sessions[number], f"{number}-{turn}")
        observed(clients[0], sessions[number], learn_at_end=True) if number % 2 else None

    with ThreadPoolExecutor(20) as crowd:
        list(crowd.map(converse, range(20), timeout=120))
    for number, session in enumerate(sessions):
        expected = [] if number % 2 else [f"{number}-{turn}" for turn in range(10)]
        assert stm(clients[number % 2], session) == expected
        patterns = clients[1].get(f"{session}/patterns").json()["patterns"]
        firsts = {pattern["pattern_data"][0][0] for pattern in patterns}
        if one_user:
            assert firsts == {f"{learner}-0" for learner in range(1, 20, 2)}
        else:
            assert firsts == ({f"{number}-0"} if number % 2 else set())


def test_a_vector_is_a_neighbour_on_every_replica(clients: list[httpx.Client]) -> None:
    one, two = clients
    user = uuid4().hex
    sessions = [created(one, user), created(two, user)]
    first = one.post(f"{sessions[0]}/observe", json={"vectors": [[1.0, 0.0, 0.0]]}).json()
    near = two.post(f"{sessions[1]}/observe", json={"vectors": [[0.99, 0.1, 0.0]]}).json()
    assert first["symbols"][0] in near["symbols"]
    assert len(near["symbols"]) == 2
    wrong = two.post(f"{sessions[1]}/observe", json={"vectors": [[1.0]]})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "VECTOR_DIMENSION")


def test_nothing_acknowledged_is_lost_when_a_replica_is_killed(
    new_service: New, shared: dict[str, str], clients: list[httpx.Client]
) -> None:
    victim = new_service(**shared)
    victim.start()
    victim.await_ready()
    session = created(clients[0])
    acknowledged: list[str] = []
    learned: list[str] = []
    stop = threading.Event()

    def converse() -> None:
        with httpx.Client(timeout=30) as client:
            while not stop.is_set():
                number = len(acknowledged)
                for path, body in (
                    (f"{session}/observe", {"strings": [f"s{number}"]}),
                    (f"{session}/observe", {"strings": ["x"]}),
                    (f"{session}/learn", {}),
                ):
                    insisted(
                        client, [victim.url, *(str(one.base_url) for one in clients)], path, body
                    )
                acknowledged.append(f"s{number}")
                learned.append(f"s{number}")

    with ThreadPoolExecutor(1) as pool:
        talk = pool.submit(converse)
        for _ in range(3):
            told = len(learned) + 4
            while len(learned) < told and not talk.done():
                time.sleep(0.01)
            victim.kill9()
            victim.start()
        stop.set()
        talk.result(timeout=60)
    victim.stop()
    assert stm(clients[1], session) == []
    patterns = clients[1].get(f"{session}/patterns", params={"limit": 1000}).json()["patterns"]
    assert [(p["pattern_data"], p["frequency"]) for p in patterns] == [
        ([[symbol], ["x"]], 1) for symbol in acknowledged
    ]


def insisted(client: httpx.Client, urls: list[str], path: str, body: dict[str, Any]) -> None:
    """Send a change, to one replica after the other, until one acknowledges it."""
    body = {**body, "unique_id": uuid4().hex}
    for attempt in range(200):
        try:
            response = client.post(urls[attempt % len(urls)] + path, json=body)
        except httpx.TransportError:
            continue
        if response.status_code == 200:
            return
        assert response.status_code in {503, 504}, response.text
        time.sleep(0.05)
    pytest.fail(f"{path} was never acknowledged")
