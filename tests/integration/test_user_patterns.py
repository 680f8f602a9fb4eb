"""Searching the patterns of a user, and deleting those that fit (http-api.md §6)."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx
import pytest
from talks import Talk

from support.access import await_audited, callers, code_of, key_line
from support.patient import PATIENCE_S
from support.services import ServiceProcess

NewService = Callable[..., ServiceProcess]
PAGE = {"patterns": list, "next_cursor": object}


class Known:
    """A user with some patterns, asked through one replica after another."""

    def __init__(self, talk: Talk, sequences: list[list[str]], **more: Any) -> None:
        self.talk, self.user = talk, uuid4().hex
        self.path = f"/v2/users/{self.user}/patterns"
        created = talk.post("/v2/sessions", {"user_id": self.user}, has={"session_id": str})
        self.session = created["session_id"]
        for sequence in sequences:
            self.learn(sequence, **more)

    def learn(self, sequence: list[str], **more: Any) -> None:
        observations = [{"strings": [symbol], **more} for symbol in sequence]
        body = {"observations": observations, "learn_at_end": True}
        path = f"/v2/sessions/{self.session}/observe-sequence"
        self.talk.post(path, body, has={"final_learned_pattern": str})

    def found(self, path: str | None = None, **conditions: Any) -> list[str]:
        """What fits, all pages together, each pattern as a word of its symbols."""
        words: list[str] = []
        cursor = None
        while True:
            given = {
                name: value if isinstance(value, int | str) else json.dumps(value)
                for name, value in conditions.items()
            }
            query = httpx.QueryParams({**given, **({"cursor": cursor} if cursor else {})})
            page = self.talk.get(f"{path or self.path}?{query}", has=PAGE)
            words += ["".join(*zip(*one["pattern_data"], strict=True)) for one in page["patterns"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return words

    def delete(self, status: int = 200, **body: Any) -> Any:
        has = {"matched": int} if status == 200 else {"detail": str}
        return self.talk.ask("POST", f"{self.path}:delete", body, has=has, status=status)


@pytest.fixture
def known(talk: Talk) -> Known:
    found = Known(talk, [list("abc"), list("abd"), list("xab"), list("bcd")])
    found.learn(list("abd"))
    found.learn(list("acx"), metadata={"source": "shop", "n": 1})
    return found


def test_conditions_select_patterns_by_first_learn(known: Known) -> None:
    assert known.found() == ["abc", "abd", "xab", "bcd", "acx"]
    assert known.found(order="-first", limit=2) == ["acx", "bcd", "xab", "abd", "abc"]
    assert known.found(symbols=["a", "b"]) == ["abc", "abd", "xab"]
    assert known.found(symbols=["a", "b"], limit=1, order="-first") == ["xab", "abd", "abc"]
    assert known.found(prefix=[["a"], ["b"]]) == ["abc", "abd"]
    assert known.found(symbols=["never"]) == []
    assert known.found(min_frequency=2) == ["abd"]
    assert known.found(max_frequency=1, symbols=["d"]) == ["bcd"]
    assert known.found(metadata={"source": "shop"}) == ["acx"]
    assert known.found(metadata={"n": 1, "source": None}) == ["acx"]
    assert known.found(metadata={"source": "else"}) == []
    path = f"/v2/sessions/{known.session}/patterns"
    assert known.found(path, symbols=["a", "b"]) == ["abc", "abd", "xab"]


def test_times_select_what_was_learned_then(known: Known) -> None:
    user = known.talk.get(f"/v2/users/{known.user}", has={"last_learned_at": str})
    last = user["last_learned_at"]
    assert known.found(learned_before=last) in (known.found(), ["abc", "abd", "xab", "bcd"])
    assert known.found(learned_after=user["as_of"]) == []
    known.learn(list("new"))
    known.learn(list("abc"))
    assert known.found(learned_after=user["as_of"]) == ["abc", "new"]
    assert known.found(first_learned_after=user["as_of"]) == ["new"]
    assert "new" not in known.found(first_learned_before=user["as_of"])


def test_growth_counts_what_is_there_and_what_changed(known: Known) -> None:
    has = {"patterns": int, "intervals": list, "oldest": str}
    path = f"/v2/users/{known.user}/growth"
    found = known.talk.get(path, has=has)
    assert (found["patterns"], found["earlier"], found["revision"]) == (5, 0, 6)
    assert sum(one["first_learned"] for one in found["intervals"]) == 5
    assert sum(one["changes"] for one in found["intervals"]) == 6
    assert found["intervals"][0]["began_at"] <= found["oldest"] <= found["as_of"]
    known.delete(symbols=["d"])
    later = known.talk.get(f"{path}?intervals=2", has=has)
    assert later["patterns"] == sum(one["first_learned"] for one in later["intervals"]) == 3
    assert sum(one["changes"] for one in later["intervals"]) == later["revision"] == 8
    assert len(later["intervals"]) <= 2


@pytest.mark.parametrize("intervals", ["1", "201", "many"])
def test_a_wrong_number_of_intervals_is_named(known: Known, intervals: str) -> None:
    path = f"/v2/users/{known.user}/growth?intervals={intervals}"
    answer = known.talk.ask("GET", path, has={"error": dict}, status=422)
    (finding,) = answer["error"]["details"]
    assert finding["location"] == ["query", "intervals"]


def test_pages_stay_where_they_are_while_patterns_come_and_go(talk: Talk) -> None:
    known = Known(talk, [[f"s{number}", "z"] for number in range(12)])
    query = 'symbols=["z"]&limit=4'
    first = talk.get(f"{known.path}?{query}", has=PAGE)
    known.learn(["s2", "z"])
    known.learn(["later", "z"])
    name = first["patterns"][3]["name"]
    talk.ask("DELETE", f"/v2/sessions/{known.session}/patterns/{name}", has={"status": str})
    second = talk.get(f"{known.path}?{query}&cursor={first['next_cursor']}", has=PAGE)
    assert [one["pattern_data"][0][0] for one in second["patterns"]] == ["s4", "s5", "s6", "s7"]


@pytest.mark.parametrize(
    ("query", "place", "words"),
    [
        ("symbols=a", "symbols", "a JSON array of symbols"),
        ("symbols=[1]", "symbols", "must be text"),
        ("prefix=[[]]", "prefix", "at least 1"),
        ("learned_after=yesterday", "learned_after", "RFC 3339"),
        ("min_frequency=-1", "min_frequency", "0"),
        ("order=frequency", "order", "first"),
        ("colour=red", "colour", "is not known"),
    ],
)
def test_a_wrong_condition_is_named(known: Known, query: str, place: str, words: str) -> None:
    answer = known.talk.ask("GET", f"{known.path}?{query}", has={"error": dict}, status=422)
    (finding,) = answer["error"]["details"]
    assert finding["location"][:2] == ["query", place]
    assert words in finding["reason"]


def test_what_fits_is_deleted_and_nothing_else(known: Known) -> None:
    counted = known.delete(symbols=["a", "b"], dry_run=True)
    assert (counted["status"], counted["matched"], counted["deleted"]) == ("counted", 3, 0)
    assert len(known.found()) == 5
    one = known.delete(symbols=["a", "b"], limit=1)
    assert (one["matched"], one["deleted"]) == (1, 1)
    rest = known.delete(symbols=["a", "b"], cursor=one["next_cursor"])
    assert (rest["matched"], rest["deleted"], rest["next_cursor"]) == (2, 2, None)
    assert known.found() == ["bcd", "acx"]
    assert known.delete(symbols=["a", "b"])["matched"] == 0
    for empty in ({}, {"symbols": []}, {"min_frequency": 0}, {"dry_run": True}):
        assert "at least one condition" in known.delete(422, **empty)["detail"]
    assert known.found() == ["bcd", "acx"]


def test_a_deletion_goes_on_where_a_killed_process_left_it(
    replica_stores: dict[str, str], new_service: NewService
) -> None:
    name = f"kato{uuid4().hex}"
    variables = {**replica_stores, "PROCESSOR_ID": name, "MONGO_DATABASE": name}
    one, other = (new_service(**variables) for _ in range(2))
    for service in (one, other):
        service.start()
    for service in (one, other):
        service.await_ready()
    talk = Talk([other.url])
    known = Known(talk, [])
    observations = [{"strings": [text]} for n in range(400) for text in (f"n{n}", "gone")]
    kept = [{"strings": [text]} for n in range(5) for text in (f"n{n}", "stays")]
    config = {"config": {"max_pattern_length": 2, "stm_mode": "CLEAR"}}
    path = f"/v2/sessions/{known.session}"
    talk.post(f"{path}/config", config, has={"config": dict})
    for items in (observations, kept):
        talk.post(f"{path}/observe-sequence", {"observations": items}, has={"results": list})
    url = f"{one.url}{known.path}:delete"
    body = {"symbols": ["gone"], "limit": 100_000}
    with ThreadPoolExecutor(1) as threads, suppress(httpx.TransportError):
        asked = threads.submit(httpx.post, url, json=body, timeout=PATIENCE_S)
        while not asked.done() and len(known.found(symbols=["gone"], limit=1000)) == 400:
            pass
        one.kill9()
        asked.result()
    known.delete(symbols=["gone"])
    assert known.found(symbols=["gone"]) == []
    assert known.found() == [f"n{number}stays" for number in range(5)]
    talk.close()


def test_a_caller_searches_and_deletes_its_own_user_only(
    new_service: NewService, tmp_path: Any
) -> None:
    keys = tmp_path / "keys.jsonl"
    lines = (key_line("shop", "write", user="shop"), key_line("looker", "read", user="shop"))
    keys.write_text("\n".join(lines))
    service = new_service(API_KEYS_FILE=str(keys))
    service.start()
    service.await_ready()
    body = {"symbols": ["a"]}
    with callers(service.url) as caller:
        for path in ("/v2/users/else", "/v2/anonymous"):
            assert caller("shop").get(f"{path}/patterns").status_code == 403
            answer = caller("shop").post(f"{path}/patterns:delete", json=body)
            assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")
        assert caller("looker").get("/v2/users/shop/patterns").json()["patterns"] == []
        path = "/v2/users/shop/patterns:delete"
        assert caller("looker").post(path, json=body).status_code == 403
        assert caller("shop").post(path, json=body).json()["matched"] == 0
    (done,) = [
        line
        for line in await_audited(service, "delete_user_patterns")
        if line["action"] == "delete_user_patterns" and line["outcome"] == "done"
    ]
    assert done["caller"] == "shop"
