"""The configuration of a user over HTTP: what wins, when it holds, who sets it (http-api.md §6)."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.access import await_audited, callers, code_of, key_line
from support.patient import PATIENCE_S
from support.services import ServiceProcess

NewService = Callable[..., ServiceProcess]
GENES = {"recall_threshold": 0.5, "max_predictions": 7, "stm_mode": "ROLLING"}


class Instance:
    """Replicas of one instance, asked in turn."""

    def __init__(self, services: list[ServiceProcess]) -> None:
        self.services = services
        self._next = cycle(services)
        self._client = httpx.Client(timeout=PATIENCE_S)

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = self._client.request(method, next(self._next).url + path, json=body)
        assert answer.status_code == status, (method, path, answer.text)
        return answer.json()

    def put(self, user: str, genes: dict[str, Any], **more: Any) -> Any:
        return self.ask("PUT", f"/v2/users/{user}/configuration", {"config": genes}, **more)

    def get(self, user: str) -> Any:
        return self.ask("GET", f"/v2/users/{user}/configuration")["config"]

    def created(self, user: str | None, path: str = "/v2/sessions", **more: Any) -> Any:
        given = {} if user is None else {"user_id": user}
        return self.ask("POST", path, given | more)


@pytest.fixture(scope="module", params=["embedded", "two replicas"])
def instance(request: pytest.FixtureRequest, new_lasting_service: NewService) -> Iterator[Instance]:
    stores: dict[str, str] = {}
    if request.param != "embedded":
        stores = dict(request.getfixturevalue("replica_stores"))
    name = f"kato{uuid4().hex}"
    variables = {**stores, "PROCESSOR_ID": name, "MONGO_DATABASE": name, "MAX_PREDICTIONS": "50"}
    made = Instance([new_lasting_service(**variables) for _ in range(2 if stores else 1)])
    for service in made.services:
        service.start()
    for service in made.services:
        service.await_ready()
    yield made
    made.close()


@pytest.fixture
def user() -> str:
    return f"user-{uuid4().hex}"


def shown(answer: Any, *names: str) -> list[Any]:
    return [answer["config"][name] for name in names]


def test_a_session_wins_over_its_user_and_the_user_over_the_instance(
    instance: Instance, user: str
) -> None:
    names = ("recall_threshold", "max_predictions", "persistence")
    assert shown(instance.created(user), *names) == [0.1, 50, 5]
    stored = instance.put(user, {"recall_threshold": 0.5, "max_predictions": 7})
    assert stored["config"] == {"recall_threshold": 0.5, "max_predictions": 7} == instance.get(user)
    for _ in instance.services:
        assert shown(instance.created(user), *names) == [0.5, 7, 5]
    session = instance.created(user, config={"max_predictions": 3, "recall_threshold": None})
    assert shown(session, *names) == [0.5, 3, 5]
    path = f"/v2/sessions/{session['session_id']}"
    own = {"recall_threshold": 0.9, "max_predictions": None}
    assert shown(instance.ask("POST", f"{path}/config", {"config": own}), *names) == [0.9, 7, 5]
    back = {"recall_threshold": None}
    assert shown(instance.ask("POST", f"{path}/config", {"config": back}), *names) == [0.5, 7, 5]
    assert shown(instance.ask("GET", path), *names) == [0.5, 7, 5]


def test_others_and_nobody_keep_what_the_instance_says(instance: Instance, user: str) -> None:
    instance.put(user, {"recall_threshold": 0.5})
    for other in (f"{user}x", None):
        assert shown(instance.created(other), "recall_threshold") == [0.1]


def test_a_session_created_after_the_answer_has_it_on_every_replica(
    instance: Instance, user: str
) -> None:
    for limit in (2, 3, 4):
        stored = instance.put(user, {"max_predictions": limit})
        assert list(stored) == ["user_id", "processor_id", "config", "changed_at"]
        for _ in instance.services * 2:
            assert shown(instance.created(user), "max_predictions") == [limit]
    deleted = instance.ask("DELETE", f"/v2/users/{user}/configuration")
    assert (deleted["status"], deleted["user_id"]) == ("deleted", user)
    for _ in instance.services:
        assert shown(instance.created(user), "max_predictions") == [50]


def test_a_session_that_exists_stays_as_it_is(instance: Instance, user: str) -> None:
    instance.put(user, {"max_pattern_length": 2, "stm_mode": "ROLLING", "sort_symbols": False})
    path = f"/v2/sessions/{instance.created(user)['session_id']}"
    instance.ask("DELETE", f"/v2/users/{user}/configuration")
    observed = [instance.ask("POST", f"{path}/observe", {"strings": [it, "a"]}) for it in "zyx"]
    assert [bool(each["auto_learned_pattern"]) for each in observed] == [False, True, True]
    assert instance.ask("GET", f"{path}/stm")["stm"] == [["x", "a"]]
    session = instance.ask("GET", path)
    assert shown(session, "max_pattern_length", "stm_mode") == [2, "ROLLING"]


def test_questions_and_lines_without_a_session_use_it(instance: Instance, user: str) -> None:
    instance.put(user, {"sort_symbols": False, "max_predictions": 1, "recall_threshold": 0.0})
    learned = []
    for events, more in (
        ([["b", "a"], ["c"]], {}),
        ([["b", "a"], ["d"]], {"metadata": {"k": 1}}),
        ([["b", "a"], ["e"]], {"config": {"sort_symbols": True}}),
    ):
        line = {"user_id": user, "events": events, **more}
        learned += instance.ask("POST", "/v2/learn", {"sequences": [line, line]})["results"]
    assert [each["frequency"] for each in learned] == [1, 2] * 3
    found = instance.ask("GET", f"/v2/users/{user}/patterns")["patterns"]
    assert [each["pattern_data"][0] for each in found] == [["b", "a"], ["b", "a"], ["a", "b"]]
    question = {"user_id": user, "events": [["b", "a"]]}
    assert instance.ask("POST", "/v2/predict", question)["count"] == 1
    own = {**question, "config": {"max_predictions": 2}}
    asked = {"items": [question, own, {"events": [["b", "a"]]}]}
    results = instance.ask("POST", "/v2/predict:batch", asked)["results"]
    assert [each["result"]["count"] for each in results] == [1, 2, 0]


def test_sessions_of_the_older_paths_begin_with_it(instance: Instance, user: str) -> None:
    names = ("stm_mode", "max_predictions", "single_symbol_predictions")
    body = {"node_id": user}
    later = instance.ask("POST", "/sessions", body)["session_config"]
    assert [later[name] for name in names] == ["CLEAR", 50, True]
    instance.put(user, GENES)
    later = instance.ask("POST", "/sessions", body)["session_config"]
    assert [later[name] for name in names] == ["ROLLING", 7, True]
    whose = f"?user_id={user}"
    assert instance.ask("GET", f"/v1/gene/max_predictions{whose}")["value"] == 7
    instance.ask("POST", "/v1/observe", {"strings": ["a"], "user_id": user})
    instance.put(user, {})
    assert instance.ask("GET", f"/v1/gene/max_predictions{whose}")["value"] == 7


def test_genes_of_other_versions_are_kept_and_named(instance: Instance, user: str) -> None:
    genes = {"smoothness": 4, "affinity_emotive": "joy"}
    assert instance.put(user, genes)["ignored"] == ["smoothness"]
    assert instance.get(user) == genes
    later = instance.ask("POST", "/sessions", {"node_id": user})["session_config"]
    assert (later["smoothness"], later["affinity_emotive"]) == (4, "joy")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"config": {"recall_threshold": 2}}, "recall_threshold of config must be at most 1"),
        ({"config": {"recall_treshold": 0.5}}, "did you mean recall_threshold?"),
        ({"recall_threshold": 0.5}, "Missing required field: config"),
    ],
)
def test_a_wrong_configuration_is_refused_by_name_and_changes_nothing(
    instance: Instance, user: str, body: Any, words: str
) -> None:
    instance.put(user, GENES)
    error = instance.ask("PUT", f"/v2/users/{user}/configuration", body, status=422)["error"]
    assert words in error["message"]
    assert instance.get(user) == GENES


def test_a_user_with_a_configuration_alone_is_shown_and_listed(
    instance: Instance, user: str
) -> None:
    path = f"/v2/users/{user}"
    assert instance.get(user) == {}
    instance.ask("GET", path, status=404)
    instance.put(user, GENES)
    facts = instance.ask("GET", path)
    assert (facts["configured"], facts["patterns"]) == (True, 0)
    listed = {one["user_id"]: one for one in instance.ask("GET", "/v2/users?limit=1000")["users"]}
    assert listed[user]["configured"]
    assert instance.ask("DELETE", path)["used_again"] is False
    assert instance.get(user) == {}
    instance.ask("GET", path, status=404)
    for _ in instance.services:
        assert shown(instance.created(user), "max_predictions") == [50]


def test_of_changes_at_the_same_time_one_is_left_everywhere(instance: Instance, user: str) -> None:
    def put(limit: int) -> Any:
        service = instance.services[limit % len(instance.services)]
        body = {"config": {"max_predictions": limit}}
        path = f"{service.url}/v2/users/{user}/configuration"
        return httpx.put(path, json=body, timeout=PATIENCE_S).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(put, range(1, 9))) == {200}
    left = [instance.get(user)["max_predictions"] for _ in instance.services * 2]
    assert len(set(left)) == 1
    assert shown(instance.created(user), "max_predictions") == left[:1]


def test_it_outlives_a_kill_right_after_the_answer(new_service: NewService, user: str) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    instance = Instance([service])
    instance.put(user, {"max_predictions": 2})
    instance.put(user, GENES)
    instance.put(f"{user}x", GENES)
    instance.ask("DELETE", f"/v2/users/{user}x")
    service.kill9()
    service.start()
    service.await_ready()
    assert instance.get(user) == GENES
    assert shown(instance.created(user), *GENES) == list(GENES.values())
    assert instance.get(f"{user}x") == {}
    instance.close()
    service.kill9()
    file = service.directory / "data" / "knowledge.sqlite"
    with closing(sqlite3.connect(file)) as db:
        rows = [json.loads(row) for (row,) in db.execute("SELECT document FROM configurations")]
    assert [bool(each.get("kb")) for each in rows] == [False, True, False, False]


def test_who_may_set_it_and_what_the_audit_log_says(
    new_service: NewService, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.jsonl"
    lines = (key_line("shop", "write", user="shop"), key_line("looker", "read", user="shop"))
    keys.write_text("\n".join(lines))
    service = new_service(API_KEYS_FILE=str(keys))
    service.start()
    service.await_ready()
    own, body = "/v2/users/shop/configuration", {"config": GENES}
    with callers(service.url) as caller:
        assert caller("shop").put(own, json=body).status_code == 200
        assert caller("looker").get(own).json()["config"] == GENES
        for key, method, path in (
            ("looker", "PUT", own),
            ("looker", "DELETE", own),
            ("looker", "GET", "/v2/users/else/configuration"),
            ("shop", "PUT", "/v2/users/else/configuration"),
            ("shop", "DELETE", "/v2/users/else/configuration"),
        ):
            refused = caller(key).request(method, path, json=body if method == "PUT" else None)
            assert (refused.status_code, code_of(refused)) == (403, "FORBIDDEN")
        # A session of the user that the key acts as, without naming it.
        assert shown(caller("shop").post("/v2/sessions").json(), "max_predictions") == [7]
        assert caller("shop").delete(own).status_code == 200
    actions = ("put_configuration", "delete_configuration")
    found = {(line["action"], line["outcome"]) for line in await_audited(service, *actions)}
    assert found >= {(one, how) for one in actions for how in ("done", "refused")}
