"""What comes next, parts of long answers, and explanations, over HTTP and WebSocket."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kato_service.domain.prediction_metrics import round12
from support.sockets import opened

Json = Any
LEARNED = (
    ("a", "b", "c d"),
    ("a", "b", "d c", "e"),
    ("a", "b", "x"),
    ("a", "b"),
    ("m", "n"),
    ("a", "q", "r", "s", "t", "u", "v", "w", "y", "z", "k", "l", "o", "p"),
)


def _send(api: httpx.Client, method: str, path: str, **options: Any) -> Json:
    response = api.request(method, path, **options)
    assert response.status_code == 200, response.text
    return response.json()


def teach(api: httpx.Client, session: str, patterns: tuple[tuple[str, ...], ...]) -> list[str]:
    """Learn *patterns*, whose events are words; their names."""
    names = []
    for pattern in patterns:
        observations = [{"strings": event.split()} for event in pattern]
        sequence = {"observations": observations, "learn_at_end": True}
        answer = _send(api, "POST", f"{session}/observe-sequence", json=sequence)
        names.append(answer["final_learned_pattern"])
    return names


def taught(api: httpx.Client, state: str = "a b", **fields: Any) -> tuple[str, list[str]]:
    """The path of a session that has learned `LEARNED`, with *state* in its memory; their names."""
    body = {"user_id": uuid4().hex, **fields}
    session = f"/v2/sessions/{_send(api, 'POST', '/v2/sessions', json=body)['session_id']}"
    names = teach(api, session, LEARNED)
    for symbol in state.split():
        _send(api, "POST", f"{session}/observe", json={"strings": [symbol]})
    return session, names


def test_what_comes_next_is_weighed(api: httpx.Client) -> None:
    session, names = taught(api)
    answer = _send(api, "GET", f"{session}/predictions?view=next")
    # Similarities to `a b`: 4/6, 4/7, 4/5, 1 and 2/16.
    whole = 4 / 6 + 4 / 7 + 4 / 5 + 1 + 2 / 16
    first, second, third = answer["events"]
    assert first == {
        "event": ["c", "d"],
        "weight": round12((4 / 6 + 4 / 7) / whole),
        "patterns": 2,
        "pattern_names": names[:2],
    }
    assert (second["event"], second["weight"]) == (["x"], round12(4 / 5 / whole))
    assert (third["event"], third["pattern_names"]) == (["q"], names[5:])
    assert answer["stop"] == {
        "weight": round12(1 / whole),
        "patterns": 1,
        "pattern_names": [names[3]],
    }
    weights = [one["weight"] for one in answer["events"]]
    assert sum(weights) + answer["stop"]["weight"] == pytest.approx(1.0)
    symbols = [(one["symbol"], one["weight"]) for one in answer["symbols"]]
    assert symbols == [("c", weights[0]), ("d", weights[0]), ("x", weights[1]), ("q", weights[2])]
    counts = [answer[name] for name in ("event_count", "symbol_count", "count", "total")]
    assert counts == [3, 4, 3, 3]
    assert "predictions" not in answer


def test_parts_of_what_comes_next(api: httpx.Client) -> None:
    session, _ = taught(api)
    path = f"{session}/predictions?view=next"
    whole = _send(api, "GET", path)
    part = _send(api, "GET", f"{path}&limit=1&offset=1")
    assert part["events"] == whole["events"][1:2]
    assert part["symbols"] == whole["symbols"][1:2]
    assert (part["stop"], part["count"], part["total"]) == (whole["stop"], 1, 3)
    chosen = _send(api, "GET", f"{path}&fields=symbols")
    assert chosen["symbols"] == whole["symbols"]
    assert chosen.keys().isdisjoint({"events", "stop"})
    strict = _send(api, "GET", f"{path}&recall_threshold=0.9")
    assert (strict["events"], strict["stop"]["weight"]) == ([], 1.0)
    refused = api.get(f"{path}&fields=symbol")
    assert refused.status_code == 422
    assert "did you mean symbols?" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("view=future", "view", id="view"),
        pytest.param("explain=yes", "must be true or false", id="explain"),
        pytest.param("offset=-1", "offset", id="negative offset"),
        pytest.param("offset=100001", "offset", id="large offset"),
    ],
)
def test_wrong_questions_are_refused(api: httpx.Client, query: str, message: str) -> None:
    session, _ = taught(api)
    refused = api.get(f"{session}/predictions?{query}")
    assert refused.status_code == 422
    assert message in refused.json()["error"]["message"]


def test_an_offset_continues_an_answer(api: httpx.Client) -> None:
    session, _ = taught(api)
    whole = _send(api, "GET", f"{session}/predictions")
    assert (whole["count"], whole["total"]) == (5, 5)
    parts = [
        _send(api, "GET", f"{session}/predictions?limit=2&offset={offset}") for offset in (0, 2, 4)
    ]
    assert [one for part in parts for one in part["predictions"]] == whole["predictions"]
    assert [(part["count"], part["total"]) for part in parts] == [(2, 5), (2, 5), (1, 5)]
    empty = _send(api, "GET", f"{session}/predictions?offset=6")
    assert (empty["predictions"], empty["count"], empty["total"]) == ([], 0, 5)
    beyond = _send(api, "GET", f"{session}/predictions?offset=5&explain=true")
    assert (beyond["predictions"], beyond["count"], beyond["total"]) == ([], 0, 5)
    assert [one["code"] for one in beyond["explanation"]["reasons"]] == [
        "no_shared_symbol",
        "before_offset",
    ]
    parts = _send(api, "GET", f"{session}/predictions?offset=1&limit=1&explain=true")
    assert [one["message"] for one in parts["explanation"]["reasons"][1:]] == [
        "offset (1) passes over 1 prediction",
        "the limit leaves out 3 predictions: raise limit or offset",
    ]


def test_older_paths_know_none_of_it(api: httpx.Client) -> None:
    later = _send(api, "POST", "/sessions", json={"node_id": uuid4().hex})["session_id"]
    for path in (f"/sessions/{later}/predictions", "/v1/predictions"):
        assert "total" not in _send(api, "GET", path)
        for parameter in ("view=next", "offset=1", "explain=true"):
            assert api.get(f"{path}?{parameter}").status_code == 422


def test_a_prediction_is_explained(api: httpx.Client) -> None:
    session, names = taught(api, "a x b")
    answer = _send(api, "GET", f"{session}/predictions?explain=true&fields=name,potential")
    for one in answer["predictions"]:
        assert list(one) == ["name", "potential", "explanation"]
        how = one["explanation"]
        factors, terms = how["factors"], how["terms"]
        shares = factors["evidence"] + factors["confidence"]
        assert terms["match"] == shares * factors["snr"]
        total = terms["match"] + terms["itfdf_similarity"] + terms["fragmentation"]
        assert round12(total) == how["potential"] == one["potential"]
        assert terms["fragmentation"] == 1 / len(how["blocks"])
    by_name = {one["name"]: one["explanation"]["blocks"] for one in answer["predictions"]}
    assert by_name[names[0].removeprefix("PTRN|")] == [
        {
            "pattern": {"event": number, "symbol": 0},
            "stm": {"event": place, "symbol": 0},
            "size": 1,
            "symbols": [symbol],
        }
        for number, place, symbol in ((0, 0, "a"), (1, 2, "b"))
    ]
    explanation = answer["explanation"]
    counted = [explanation[name] for name in ("patterns", "compared", "sharing", "kept")]
    assert counted == [6, 6, 5, 5]
    assert explanation["left_out"]["no_shared_symbol"] == 1


def _why(api: httpx.Client, session: str, **query: Any) -> tuple[list[str], Json]:
    """The codes of the reasons, and the answer."""
    answer = _send(api, "GET", f"{session}/predictions", params={"explain": "true", **query})
    return [one["code"] for one in answer["explanation"]["reasons"]], answer


@pytest.mark.parametrize("view", ["predictions", "next"])
def test_an_empty_answer_says_why(api: httpx.Client, view: str) -> None:
    created = _send(api, "POST", "/v2/sessions", json={"user_id": uuid4().hex})
    blank = f"/v2/sessions/{created['session_id']}"
    assert _why(api, blank, view=view)[0] == ["empty_stm", "empty_knowledge_base"]
    _send(api, "POST", f"{blank}/observe", json={"strings": ["a", "b"]})
    assert _why(api, blank, view=view)[0] == ["empty_knowledge_base"]
    one, _ = taught(api, "a")
    codes, answer = _why(api, one, view=view)
    assert codes == ["one_symbol"]
    assert (answer["explanation"]["patterns"], answer["explanation"]["compared"]) == (6, 0)
    strange, _ = taught(api, "1 2")
    assert _why(api, strange, view=view)[0] == ["no_shared_symbol"]
    far, names = taught(api, "a 1 2 3")
    codes, answer = _why(api, far, view=view, recall_threshold="0.9")
    assert codes == ["no_shared_symbol", "below_threshold"]
    assert answer["explanation"]["left_out"]["below_threshold"] == 5
    assert answer["explanation"]["nearest_below_threshold"] == {
        "pattern_name": names[3],
        "similarity": 2 / 6,
    }


def test_reasons_of_a_single_symbol(api: httpx.Client) -> None:
    config = {"single_symbol_predictions": True}
    session, _ = taught(api, "b", config=config)
    codes, answer = _why(api, session)
    assert codes == ["no_shared_symbol", "not_in_first_event"]
    assert answer["explanation"]["left_out"]["not_in_first_event"] == 4
    assert answer["explanation"]["nearest_below_threshold"] is None


def test_patterns_that_end_are_the_reason_that_nothing_follows(api: httpx.Client) -> None:
    session, _ = taught(api)
    codes, answer = _why(api, session, view="next", recall_threshold="0.9")
    assert codes == ["no_shared_symbol", "below_threshold", "nothing_follows"]
    assert answer["stop"]["weight"] == 1.0


def test_a_frequency_of_zero_weighs_nothing(api: httpx.Client) -> None:
    session, names = taught(api)
    for name in (*names[:4], names[5]):
        _send(api, "PUT", f"{session}/patterns/{name}", json={"frequency": 0})
    codes, answer = _why(api, session, view="next")
    assert codes == ["no_shared_symbol", "never_counted"]
    nothing = {"weight": 0.0, "patterns": 0, "pattern_names": []}
    assert (answer["events"], answer["symbols"], answer["stop"]) == ([], [], nothing)


def test_a_socket_answers_the_same(service_url: str, api: httpx.Client) -> None:
    session, _ = taught(api)
    query = {"view": "next", "limit": 1, "offset": 1, "explain": True}
    params = {**query, "explain": "true"}
    expected = _send(api, "GET", f"{session}/predictions", params=params)
    with opened(f"{service_url}{session}/ws") as socket:
        for kind in ("get_predictions", "subscribe"):
            answer = socket.ask(kind, payload=query)
            answer["payload"].pop("subscription", None)
            assert answer["payload"] == expected


def _worked_examples() -> list[Json]:
    """The examples of the manual that are complete: what was learned, observed, asked and told."""
    text = (Path(__file__).parents[2] / "docs" / "concepts.md").read_text()
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]


def _observation(event: Json) -> Json:
    """What to observe for an event of an example: its symbols, or an observation as it is sent."""
    return event if isinstance(event, dict) else {"strings": event}


def _shown(answer: Json, example: Json) -> Json:
    """The part of *answer* that *example* shows."""
    if isinstance(example, dict):
        return {name: _shown(answer[name], value) for name, value in example.items()}
    if isinstance(example, list) and len(answer) == len(example):
        return [_shown(one, other) for one, other in zip(answer, example, strict=True)]
    return answer


@pytest.mark.parametrize("example", _worked_examples())
def test_worked_examples_of_the_manual_are_true(api: httpx.Client, example: Json) -> None:
    body = {"user_id": uuid4().hex, "config": example.get("genes", {})}
    session = f"/v2/sessions/{_send(api, 'POST', '/v2/sessions', json=body)['session_id']}"
    for pattern in example["learned"]:
        sequence = {"observations": [*map(_observation, pattern)], "learn_at_end": True}
        _send(api, "POST", f"{session}/observe-sequence", json=sequence)
    for event in example["observed"]:
        _send(api, "POST", f"{session}/observe", json=_observation(event))
    query = {name: json.dumps(value).strip('"') for name, value in example["query"].items()}
    answer = _send(api, "GET", f"{session}/predictions", params=query)
    assert _shown(answer, example["answer"]) == example["answer"]


def test_every_field_of_a_prediction_has_a_worked_example(api: httpx.Client) -> None:
    session, _ = taught(api)
    answer = _send(api, "GET", f"{session}/predictions?fields=all")
    answers = [example["answer"] for example in _worked_examples()]
    worked = {name for one in answers for found in one.get("predictions", ()) for name in found}
    assert answer["predictions"][0].keys() - worked == set()
    assert answer.keys() - {name for one in answers for name in one} == {
        *("session_id", "processor_id", "time", "stm_length", "stale")
    }


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_long_answers_are_compressed(api: httpx.Client, coding: str) -> None:
    session, _ = taught(api)
    path = f"{session}/predictions?fields=all"
    plain = api.get(path, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    packed = api.get(path, headers={"accept-encoding": coding})
    assert packed.headers["content-encoding"] == coding
    assert "Accept-Encoding" in packed.headers.get_list("vary")
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.json() == plain.json()
    probe = api.get("/health", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in probe.headers


def test_answers_that_hold_sessions_or_mix_users_are_not_compressed(api: httpx.Client) -> None:
    wants = {"accept-encoding": "gzip"}
    metadata = {"text": "again " * 500}
    created = api.post("/v2/sessions", json={"metadata": metadata}, headers=wants)
    listed = api.get("/v2/sessions", headers=wants)
    users = [uuid4().hex, uuid4().hex]
    items = [{"user_id": user, "events": [["a"]], "explain": True} for user in users for _ in "12"]
    several = api.post("/v2/predict:batch", json={"items": items}, headers=wants)
    for answer in (created, listed, several):
        assert len(answer.content) > 1024
        assert "content-encoding" not in answer.headers
        assert "no-transform" in answer.headers["cache-control"]
    one = api.post("/v2/predict:batch", json={"items": items[:2] * 2}, headers=wants)
    assert one.headers["content-encoding"] == "gzip"
