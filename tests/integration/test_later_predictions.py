"""Predictions of later clients over HTTP, and the fields that a request asks for."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from test_api_processing import PREDICTION_FIELDS

from support.sockets import opened

Json = Any
GOLDEN = Path(__file__).parents[1] / "golden" / "later.jsonl.gz"
LATER_FIELDS = [
    "normalized_entropy",
    "global_normalized_entropy",
    "shannon_entropy",
    "predictive_information",
    "tfidf_score",
    "bayesian_prior",
    "bayesian_likelihood",
    "bayesian_posterior",
    "anomalies",
    "weighted_similarity",
    "weighted_evidence",
    "weighted_confidence",
    "weighted_snr",
]
EVERY_FIELD = [*PREDICTION_FIELDS[:-1], *LATER_FIELDS, "pattern_name"]
LEARNED = ("abcd", "abcd", "abxy", "mn")


def _send(api: httpx.Client, method: str, path: str, **options: Any) -> Json:
    response = api.request(method, path, **options)
    assert response.status_code == 200, response.text
    return response.json()


def _trained(api: httpx.Client, create: str = "/v2/sessions", **fields: Any) -> str:
    """The path of a session that has learned `LEARNED`, with a and b in its memory."""
    body = {"user_id": uuid4().hex, **fields}
    session = f"{create}/{_send(api, 'POST', create, json=body)['session_id']}"
    for symbols in LEARNED:
        observations = [{"strings": [symbol]} for symbol in symbols]
        sequence = {"observations": observations, "learn_at_end": True}
        _send(api, "POST", f"{session}/observe-sequence", json=sequence)
    for symbol in "ab":
        _send(api, "POST", f"{session}/observe", json={"strings": [symbol]})
    return session


def test_a_request_that_asks_for_nothing_gets_what_it_always_got(api: httpx.Client) -> None:
    answer = _send(api, "GET", f"{_trained(api)}/predictions")
    assert [list(one) for one in answer["predictions"]] == [PREDICTION_FIELDS] * 2
    assert "future_potentials" not in answer


def test_all_gives_every_field_and_the_futures(api: httpx.Client) -> None:
    session = _trained(api)
    answer = _send(api, "GET", f"{session}/predictions?fields=all")
    first, second = answer["predictions"]
    assert list(first) == EVERY_FIELD
    assert first["predictive_information"] == second["predictive_information"] == 0.666666666667
    assert (first["bayesian_prior"], second["bayesian_prior"]) == (0.666666666667, 0.333333333333)
    assert first["global_normalized_entropy"] == 0.259983333654
    assert (first["shannon_entropy"], first["tfidf_score"]) == (1.0, 0.792481250361)
    assert (first["anomalies"], first["weighted_snr"]) == ([], None)
    assert answer["future_potentials"] == [
        {
            "future": [["c"], ["d"]],
            "aggregate_potential": 0.666666666667,
            "supporting_patterns": 1,
            "total_weighted_frequency": 1.333333333333,
        },
        {
            "future": [["x"], ["y"]],
            "aggregate_potential": 0.333333333333,
            "supporting_patterns": 1,
            "total_weighted_frequency": 0.666666666667,
        },
    ]
    assert list(answer)[:2] == ["predictions", "future_potentials"]


def test_futures_do_not_depend_on_how_many_predictions_are_shown(api: httpx.Client) -> None:
    session = _trained(api)
    whole = _send(api, "GET", f"{session}/predictions?fields=all")
    cut = _send(api, "GET", f"{session}/predictions?fields=all&limit=1")
    assert cut["predictions"] == whole["predictions"][:1]
    assert cut["future_potentials"] == whole["future_potentials"]


def test_named_fields_are_given_in_their_usual_order(api: httpx.Client) -> None:
    path = f"{_trained(api)}/predictions"
    answer = _send(api, "GET", path, params={"fields": "tfidf_score, potential,name"})
    assert [list(one) for one in answer["predictions"]] == [
        ["name", "potential", "tfidf_score"]
    ] * 2
    assert "future_potentials" not in answer
    answer = _send(api, "GET", path, params={"fields": "future_potentials"})
    assert answer["predictions"] == [{}, {}]
    assert len(answer["future_potentials"]) == 2
    assert answer["count"] == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("potental", "potental of fields is not a known field; did you mean potential?"),
        ("name,shanon_entropy", "did you mean shannon_entropy?"),
        ("all,name", "all of fields stands alone: send it, or names of fields"),
        ("", '"" of fields is not a known field; known: all, anomalies, '),
        ("Name", "did you mean name?"),
        ("x" * 1025, "fields must have at most 1024 characters"),
    ],
)
def test_unknown_fields_are_refused_with_the_nearest_name(
    api: httpx.Client, session_id: str, fields: str, words: str
) -> None:
    for path in (f"/v2/sessions/{session_id}/predictions", "/predictions", "/v1/predictions"):
        response = api.get(path, params={"fields": fields})
        assert response.status_code == 422
        assert words in response.json()["error"]["message"]


def test_older_paths_select_fields_too(api: httpx.Client) -> None:
    session = _trained(api)
    headers = {"X-Session-ID": session.rpartition("/")[2]}
    for method in ("GET", "POST"):
        answer = _send(api, method, "/predictions?fields=name,entropy", headers=headers)
        assert [list(one) for one in answer["predictions"]] == [["name", "entropy"]] * 2
        assert answer["status"] == "okay"
    answer = _send(api, "GET", "/v1/predictions?fields=all", headers=headers)
    assert list(answer["predictions"][0]) == EVERY_FIELD
    assert [
        list(one) for one in _send(api, "GET", "/predictions", headers=headers)["predictions"]
    ] == [PREDICTION_FIELDS] * 2


def test_later_clients_always_get_every_field(api: httpx.Client) -> None:
    session = _trained(api, "/sessions")
    answer = _send(api, "GET", f"{session}/predictions")
    first = answer["predictions"][0]
    dropped = ("hamiltonian", "grand_hamiltonian")
    assert list(first) == [name for name in EVERY_FIELD if name not in dropped]
    assert first["entropy"] == first["shannon_entropy"] == 1.0
    assert (first["missing"], first["extras"]) == ([[], []], [[], []])
    assert len(answer["future_potentials"]) == 2
    mind = _send(api, "GET", f"{session}/cognition-data")["cognition_data"]
    assert mind["predictions"] == answer["predictions"]
    answer = _send(api, "GET", f"{session}/predictions?fields=entropy,name")
    assert answer["predictions"][0] == {"name": first["name"], "entropy": 1.0}
    assert "future_potentials" not in answer
    assert api.get(f"{session}/predictions?fields=hamiltonian").status_code == 422


def test_nothing_kept_has_no_futures(api: httpx.Client) -> None:
    created = _send(api, "POST", "/sessions", json={"node_id": uuid4().hex})
    answer = _send(api, "GET", f"/sessions/{created['session_id']}/predictions")
    assert (answer["predictions"], answer["future_potentials"]) == ([], [])


def test_a_gene_ranks_predictions_and_changes_no_value(api: httpx.Client) -> None:
    session = _trained(api, config={"rank_sort_algo": "fragmentation"})
    by_potential = _send(api, "GET", f"{session}/predictions?fields=all")
    _send(api, "POST", f"{session}/config", json={"config": {"rank_sort_algo": "itfdf_similarity"}})
    assert _send(api, "GET", f"{session}/config")["config"]["rank_sort_algo"] == "itfdf_similarity"
    by_name = {one["name"]: one for one in by_potential["predictions"]}
    found = _send(api, "GET", f"{session}/predictions?fields=all")["predictions"]
    assert {one["name"]: one for one in found} == by_name
    values = [one["itfdf_similarity"] for one in found]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("value", ["tfidf", "Potential", 1, True, ["potential"], ""])
def test_ranking_by_anything_else_is_refused(
    api: httpx.Client, session_id: str, value: object
) -> None:
    for path in (f"/v2/sessions/{session_id}/config", f"/sessions/{session_id}/config"):
        changes = {"persistence": 9, "rank_sort_algo": value}
        response = api.post(path, json={"config": changes})
        assert response.status_code == 422
        assert "rank_sort_algo of config must be potential, similarity, evidence" in response.text
    config = _send(api, "GET", f"/v2/sessions/{session_id}/config")["config"]
    assert (config["persistence"], config["rank_sort_algo"]) == (5, "potential")


def test_one_symbol_predicts_in_sessions_of_later_clients_only(api: httpx.Client) -> None:
    node = uuid4().hex
    later = _trained(api, "/sessions", user_id=node)
    current = _trained(api, user_id=node)
    counts = []
    for session in (later, current):
        _send(api, "POST", f"{session}/clear-stm")
        _send(api, "POST", f"{session}/observe", json={"strings": ["a"]})
        counts.append(_send(api, "GET", f"{session}/predictions")["count"])
    assert counts == [2, 0]
    change = {"config": {"single_symbol_predictions": True}}
    _send(api, "POST", f"{current}/config", json=change)
    found = _send(api, "GET", f"{current}/predictions")["predictions"]
    assert [one["future"] for one in found] == [[["b"], ["c"], ["d"]], [["b"], ["x"], ["y"]]]
    assert [one["present"] for one in found] == [[["a"]]] * 2
    change = {"config": {"single_symbol_predictions": False}}
    _send(api, "POST", f"{later}/config", json=change)
    assert _send(api, "GET", f"{later}/predictions")["count"] == 0
    _send(api, "POST", f"{later}/config", json={"config": {"single_symbol_predictions": None}})
    assert _send(api, "GET", f"{later}/predictions")["count"] == 2


def test_frames_and_subscriptions_select_fields(api: httpx.Client, service_url: str) -> None:
    session = _trained(api)
    with opened(f"{service_url}{session}/ws") as socket:
        found = socket.ask("get_predictions", payload={"fields": "name,bayesian_prior"})
        listed = found["payload"]["predictions"]
        assert [list(one) for one in listed] == [["name", "bayesian_prior"]] * 2
        usual = socket.ask("get_predictions")["payload"]["predictions"]
        assert list(usual[0]) == PREDICTION_FIELDS
        refused = socket.ask("get_predictions", payload={"fields": "nam"})
        assert refused["error"]["details"][0] == {
            "location": ["payload", "fields", "nam"],
            "reason": "is not a known field; did you mean name?",
        }
        first = socket.ask("subscribe", payload={"fields": "future_potentials,name"})
        assert len(first["payload"]["future_potentials"]) == 2
        _send(api, "POST", f"{session}/observe", json={"strings": ["x"]})
        pushed = socket.next()["payload"]
        assert [list(one) for one in pushed["predictions"]] == [["name"]] * 2
        assert sorted(one["future"] for one in pushed["future_potentials"]) == [
            [["c"], ["d"]],
            [["y"]],
        ]


def _golden() -> Iterator[Json]:
    """Cases that run over HTTP: edits, deletes, single symbols, ranks, odd and mistyped symbols."""
    with gzip.open(GOLDEN, "rt", encoding="utf-8") as lines:
        for case in map(json.loads, lines):
            config = case["config"]
            chosen = {"operations", "single", "edge", "unicode", "fuzzy"} & set(case["tags"])
            if chosen or config.get("affinity_emotive"):
                yield case


def _floats_near(given: Json, expected: Json) -> bool:
    if isinstance(expected, float):
        return isinstance(given, float) and abs(given - expected) < 1e-9
    if isinstance(expected, dict):
        return list(given) == list(expected) and all(
            _floats_near(given[key], value) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return len(given) == len(expected) and all(map(_floats_near, given, expected))
    return bool(given == expected)


@pytest.mark.parametrize("case", _golden(), ids=lambda case: case["id"])
def test_golden_cases_hold_over_http(
    api: httpx.Client, new_session: Callable[..., str], case: Json
) -> None:
    config = {key: value for key, value in case["config"].items() if key != "sort"}
    genes = config | {"sort_symbols": case["config"]["sort"]}
    session = f"/v2/sessions/{new_session(config=genes)}"
    for events, emotives in zip(case["learned"], case["learned_emotives"], strict=True):
        _send(api, "POST", f"{session}/clear-stm")
        _observe(api, session, events, emotives)
        _send(api, "POST", f"{session}/learn")
    for change in case.get("operations", ()):
        name = change["name"]
        body = {"json": {"frequency": change["frequency"]}} if change["op"] == "update" else {}
        method = "PUT" if body else "DELETE"
        _send(api, method, f"{session}/patterns/{name}", **body)
    _send(api, "POST", f"{session}/config", json={"config": {"sort_symbols": False}})
    _send(api, "POST", f"{session}/clear-stm")
    _observe(api, session, case["stm"], [{}] * len(case["stm"]))
    answer = _send(api, "GET", f"{session}/predictions?fields=all")
    for one in answer["predictions"]:
        del one["pattern_name"]
    assert _floats_near(answer["predictions"], case["predictions"])
    assert _floats_near(answer["future_potentials"], case["future_potentials"])


def _observe(api: httpx.Client, session: str, events: Json, emotives: Json) -> None:
    observations = [
        {"strings": strings, "emotives": felt}
        for strings, felt in zip(events, emotives, strict=True)
    ]
    body = {"observations": observations}
    _send(api, "POST", f"{session}/observe-sequence", json=body)
