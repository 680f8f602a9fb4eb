"""What programs of every KATO version say to a service, and what they read in its answers.

The conversations are written from the lists of fields that each version's answers have. Each runs
against embedded stores, against one replica on Redis and MongoDB's protocol, and against three,
where every request goes to the next one.
"""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from talks import Talk

from support.shapes import NUMBER, OPTIONAL_TEXT, Kind, at, is_, pattern_name

pytestmark = pytest.mark.xdist_group("client conversations")
STM = [[str]]
PERCEPT = {"strings": [str], "vectors": [[float]], "emotives": dict, "metadata": dict}
PATTERN = {"name": pattern_name, "pattern_data": STM, "length": int, "frequency": int}
PATTERN |= {"emotives": [dict], "metadata": dict}
PREDICTION: dict[str, Kind] = {
    "type": str, "name": str, "frequency": int, "emotives": dict, "matches": [str], "past": STM,
    "present": STM, "future": STM, "missing": list, "extras": list, "potential": NUMBER,
    "evidence": NUMBER, "similarity": NUMBER, "fragmentation": NUMBER, "snr": NUMBER,
    "entropy": NUMBER, "confluence": NUMBER, "confidence": NUMBER, "itfdf_similarity": NUMBER,
}  # fmt: skip
NESTED = PREDICTION | {
    "missing": STM, "extras": STM, "normalized_entropy": NUMBER,
    "global_normalized_entropy": NUMBER, "predictive_information": NUMBER,
    "bayesian_prior": NUMBER, "bayesian_likelihood": NUMBER, "bayesian_posterior": NUMBER,
    "tfidf_score": NUMBER, "anomalies": list,
}  # fmt: skip
FUTURE: dict[str, Kind] = {
    "future": STM, "aggregate_potential": NUMBER, "supporting_patterns": int,
    "total_weighted_frequency": NUMBER,
}  # fmt: skip
AB, CD = [{"strings": ["b", "a"]}, {"strings": ["c"]}], [{"strings": ["d"]}]


# KATO v1, until October 2025: one memory per user, without sessions.
V1: dict[str, Kind] = {"status": is_("okay"), "processor_id": str}
V1_OBSERVED = V1 | {
    "stm_length": int, "time": int, "unique_id": str, "auto_learned_pattern": OPTIONAL_TEXT,
}  # fmt: skip
V1_CLEARED = V1 | {"message": is_("stm-cleared")}
V1_ALL_CLEARED = V1 | {"message": is_("all-cleared")}
V1_PREDICTIONS = V1 | {"predictions": [PREDICTION]}
V1_SEQUENCE = V1 | {
    "observations_processed": is_(2), "patterns_learned": [pattern_name],
    "individual_results": [{"status": is_("okay"), "time": int, "stm_length": int}],
    "final_predictions": [PREDICTION],
}  # fmt: skip


@pytest.mark.parametrize("prefix", ["/v1", ""], ids=["v1", "no prefix"])
@pytest.mark.parametrize("header", ["X-User-ID", "X-Node-ID", "X-Test-ID"])
def test_a_client_of_v1(talk: Talk, prefix: str, header: str) -> None:
    talk.headers = {header: talk.user}
    talk.get("/health", has={"status": is_("healthy"), "uptime_seconds": NUMBER})
    talk.post(f"{prefix}/clear-all-memory", {}, has=V1_ALL_CLEARED)
    for event in AB:
        talk.post(f"{prefix}/observe", event | {"vectors": [], "emotives": {}}, has=V1_OBSERVED)
    for path in ("short-term-memory", "stm"):
        stm = talk.get(f"{prefix}/{path}", has={"stm": STM})["stm"]
        assert stm == [["a", "b"], ["c"]]
    learned = talk.post(f"{prefix}/learn", {}, has=V1 | {"pattern_name": pattern_name})
    pattern = talk.get(f"{prefix}/pattern/{learned['pattern_name']}", has=V1 | {"pattern": PATTERN})
    assert pattern["pattern"]["pattern_data"] == [["a", "b"], ["c"]]
    talk.post(f"{prefix}/observe", AB[0] | {"emotives": {"joy": 0.5}}, has=V1_OBSERVED)
    for method in ("GET", "POST"):
        answer = talk.ask(method, f"{prefix}/predictions", has=V1_PREDICTIONS)
        assert answer["predictions"][0]["future"] == [["c"]]
    has = V1 | {"percept_data": PERCEPT}
    assert talk.get(f"{prefix}/percept-data", has=has)["percept_data"]["strings"] == ["b", "a"]
    cognition = {"predictions": [PREDICTION], "emotives": dict, "symbols": [str]}
    talk.get(f"{prefix}/cognition-data", has=V1 | {"cognition_data": cognition})
    genes = {"genes": {"recall_threshold": 0.4, "max_predictions": 7}}
    talk.post(f"{prefix}/genes/update", genes, has=V1 | {"message": is_("genes-updated")})
    gene = talk.get(f"{prefix}/gene/recall_threshold", has=V1 | {"gene": str, "value": float})
    assert gene["value"] == 0.4
    sequence = {"observations": AB, "learn_at_end": True}
    answer = talk.post(f"{prefix}/observe-sequence", sequence, has=V1_SEQUENCE)
    assert answer["patterns_learned"] == [learned["pattern_name"]]
    talk.post(f"{prefix}/clear-short-term-memory", {}, has=V1_CLEARED)
    talk.post(f"{prefix}/clear-stm", {}, has=V1_CLEARED)
    talk.post(f"{prefix}/learn", {}, has=V1 | {"pattern_name": is_("")})
    if prefix:
        talk.get("/v1/status", has=V1)
    talk.post(f"{prefix}/clear-all", {}, has=V1_ALL_CLEARED)


# KATO v2 of October 2025: sessions under /v2.
V2_SESSION: dict[str, Kind] = {
    "session_id": str, "user_id": str, "created_at": at, "expires_at": at, "ttl_seconds": int,
    "metadata": dict,
}  # fmt: skip
V2: dict[str, Kind] = {"status": is_("ok"), "session_id": str, "processor_id": str}


def test_a_client_of_sessions_under_v2(talk: Talk) -> None:
    created = talk.post(
        "/v2/sessions", {"user_id": talk.user, "metadata": {"k": 1}}, has=V2_SESSION
    )
    session = f"/v2/sessions/{created['session_id']}"
    before = talk.get(session, has=V2_SESSION)["expires_at"]
    talk.get("/v2/sessions/count", has={"active_session_count": int})
    config = {"config": {"max_pattern_length": 2, "recall_threshold": 0.2}}
    talk.post(f"{session}/config", config, has={"config": dict})
    observed = V2 | {"stm_length": int, "time": int, "auto_learned_pattern": OPTIONAL_TEXT}
    answers = [talk.post(f"{session}/observe", event, has=observed) for event in AB]
    # An automatic learn keeps the last event, and the lifetime is fixed: as ever under /v2.
    assert answers[-1]["stm_length"] == 1
    assert pattern_name(answers[-1]["auto_learned_pattern"])
    talk.post(f"{session}/clear-stm", has={"status": is_("cleared"), "session_id": str})
    sequence = {"observations": AB[:1], "learn_at_end": True}
    has = V2 | {"observations_processed": is_(1), "results": [V2], "auto_learned_patterns": [str]}
    talk.post(f"{session}/observe-sequence", sequence, has=has)
    assert talk.get(f"{session}/stm", has={"stm": STM, "length": int})["stm"] == []
    talk.post(f"{session}/observe", AB[0], has=observed)
    predictions = talk.get(f"{session}/predictions", has={"predictions": [PREDICTION]})
    assert predictions["predictions"]
    learned = {"status": is_("learned"), "pattern_name": pattern_name, "session_id": str}
    talk.post(f"{session}/learn", has=learned)
    assert talk.get(session, has=V2_SESSION)["expires_at"] == before
    extended = {"status": is_("extended"), "ttl_seconds": is_(7200)}
    talk.post(f"{session}/extend?ttl_seconds=7200", has=extended)
    talk.post(f"{session}/clear-all", has={"status": is_("cleared"), "scope": is_("all")})
    talk.ask("DELETE", session, has={"status": is_("deleted"), "session_id": str})
    talk.refused("GET", session, None, status=404, words="session not found")


# KATO v2.0.0 to v3.10.1: sessions without a prefix, of a node.
@dataclass(frozen=True)
class Version:
    reads_config: bool = False
    """GET config, percept data and cognition data of a session: from v3.0.1 on."""
    finalizes: bool = False
    """finalize-training: from v3.7.0 on."""


VERSIONS = {
    "v2.0.0": Version(),
    "v2.1.0": Version(),
    "v3.0.x": Version(reads_config=True),
    "v3.1-v3.6": Version(reads_config=True),
    "v3.7-v3.10.1": Version(reads_config=True, finalizes=True),
}
SESSION: dict[str, Kind] = {
    "session_id": str, "node_id": str, "user_id": str, "created_at": at, "expires_at": at,
    "ttl_seconds": int, "metadata": dict, "session_config": dict, "expired": is_(False),
}  # fmt: skip
OBSERVED: dict[str, Kind] = {
    "status": is_("okay"), "session_id": str, "processor_id": str, "stm_length": int, "time": int,
    "unique_id": str, "auto_learned_pattern": OPTIONAL_TEXT,
}  # fmt: skip
SEQUENCE: dict[str, Kind] = {
    "status": is_("completed"), "processor_id": str, "observations_processed": int,
    "initial_stm_length": int, "final_stm_length": int, "auto_learned_patterns": [pattern_name],
    "final_learned_pattern": OPTIONAL_TEXT, "isolated": bool,
    "results": [
        {
            "status": is_("okay"), "sequence_position": int, "stm_length": int, "time": int,
            "unique_id": str, "auto_learned_pattern": OPTIONAL_TEXT,
        }
    ],
}  # fmt: skip
LEARNED: dict[str, Kind] = {
    "status": is_("learned"), "pattern_name": pattern_name, "session_id": str, "message": str,
}  # fmt: skip
PREDICTIONS: dict[str, Kind] = {
    "predictions": [NESTED], "future_potentials": [FUTURE], "session_id": str, "count": int,
    "processor_id": OPTIONAL_TEXT, "time": (int, type(None)), "unique_id": OPTIONAL_TEXT,
}  # fmt: skip
CONFIGURED: dict[str, Kind] = {"status": is_("okay"), "message": str, "session_id": str}
COGNITION: dict[str, Kind] = {
    "predictions": [NESTED], "emotives": dict, "symbols": [str], "command": str, "metadata": dict,
    "path": list, "strings": [str], "vectors": list, "short_term_memory": STM, "time": int,
}  # fmt: skip


@pytest.fixture(params=VERSIONS.values(), ids=VERSIONS.keys())
def version(request: pytest.FixtureRequest) -> Version:
    found: Version = request.param
    return found


def opened(talk: Talk, **fields: Any) -> str:
    body = {"node_id": talk.user, "metadata": {"app": "demo"}, "ttl_seconds": 600, **fields}
    created = talk.post("/sessions", body, has=SESSION)
    assert created["node_id"] == created["user_id"] == talk.user
    return f"/sessions/{created['session_id']}"


def test_a_client_of_sessions(talk: Talk, version: Version) -> None:
    session = opened(talk, config={"recall_threshold": 0.1, "max_pattern_length": 0})
    assert talk.get(session, has=SESSION)["ttl_seconds"] == 600
    exists = {"exists": is_(True), "expired": is_(False), "session_id": str}
    talk.get(f"{session}/exists", has=exists)
    talk.get("/sessions/count", has={"active_session_count": int})
    for event in AB:
        answer = talk.post(f"{session}/observe", event | {"vectors": []}, has=OBSERVED)
        assert answer["processor_id"] == talk.user
    stm = talk.get(f"{session}/stm", has={"stm": STM, "session_id": str, "length": is_(2)})
    assert stm["stm"] == [["a", "b"], ["c"]]
    learned = talk.post(f"{session}/learn", has=LEARNED)
    assert learned["message"].endswith("from 2 events")
    talk.post(f"{session}/observe", {"strings": ["a", "x"]}, has=OBSERVED)
    predictions = talk.get(f"{session}/predictions", has=PREDICTIONS)
    (prediction,) = predictions["predictions"]
    assert (prediction["missing"], prediction["extras"]) == ([["b"]], [["x"]])
    assert (prediction["future"], predictions["count"]) == ([["c"]], 1)
    assert [one["future"] for one in predictions["future_potentials"]] == [[["c"]]]
    of_versions = {"process_predictions": False, "indexer_type": "VI", "use_token_matching": True}
    for body in ({"config": {"max_pattern_length": 2, **of_versions}}, {"persistence": 7}):
        talk.post(f"{session}/config", body, has=CONFIGURED)
    talk.post(f"{session}/clear-stm", has={"status": is_("cleared"), "session_id": str})
    answers = [talk.post(f"{session}/observe", event, has=OBSERVED) for event in AB]
    assert answers[-1]["auto_learned_pattern"] == learned["pattern_name"]
    # An automatic learn empties the short-term memory, as these clients assume.
    assert answers[-1]["stm_length"] == 0
    if version.reads_config:
        told = talk.get(f"{session}/config", has={"session_id": str, "config": dict})["config"]
        assert (told["max_pattern_length"], told["persistence"]) == (2, 7)
        percept = PERCEPT | {"path": list}
        data = {"percept_data": percept, "session_id": str, "node_id": is_(talk.user)}
        assert talk.get(f"{session}/percept-data", has=data)["percept_data"]["strings"] == ["c"]
        data = {"cognition_data": COGNITION, "session_id": str, "node_id": is_(talk.user)}
        talk.get(f"{session}/cognition-data", has=data)
    if version.finalizes:
        has = {"status": is_("completed"), "patterns_processed": is_(1), "time_ms": NUMBER}
        has |= {"session_id": str, "node_id": is_(talk.user), "message": str}
        talk.post(f"{session}/finalize-training", has=has)


def test_a_client_that_ends_its_session(talk: Talk) -> None:
    session = opened(talk)
    talk.post(f"{session}/observe", AB[0], has=OBSERVED)
    talk.post(f"{session}/learn", has=LEARNED)
    talk.post(f"{session}/observe", AB[0], has=OBSERVED)
    talk.post(
        f"{session}/extend?ttl_seconds=7200",
        has={"status": is_("extended"), "session_id": str, "ttl_seconds": is_(7200)},
    )
    cleared = {"status": is_("cleared"), "session_id": str, "scope": is_("all")}
    talk.post(f"{session}/clear-all", has=cleared)
    assert talk.get(f"{session}/predictions", has=PREDICTIONS)["predictions"] == []
    talk.ask("DELETE", session, has={"status": is_("deleted"), "session_id": str})
    exists = {"exists": is_(False), "expired": is_(False), "session_id": str}
    talk.get(f"{session}/exists", has=exists)
    talk.refused("GET", session, None, status=404, words="session not found")


def test_a_client_of_sessions_that_sends_sequences(talk: Talk) -> None:
    session = opened(talk)
    talk.post(f"{session}/observe", CD[0], has=OBSERVED)
    body: dict[str, Any] = {"observations": [AB[0], AB[1] | {"unique_id": "second"}]}
    answer = talk.post(f"{session}/observe-sequence", body, has=SEQUENCE)
    assert (answer["initial_stm_length"], answer["final_stm_length"]) == (1, 3)
    assert [one["sequence_position"] for one in answer["results"]] == [0, 1]
    assert answer["results"][1]["unique_id"] == "second"
    assert (answer["isolated"], answer["auto_learned_patterns"]) == (False, [])
    body |= {"learn_at_end": True}
    answer = talk.post(f"{session}/observe-sequence", body, has=SEQUENCE)
    assert answer["auto_learned_patterns"] == [answer["final_learned_pattern"]]
    assert (answer["initial_stm_length"], answer["final_stm_length"]) == (3, 0)
    events = [{"strings": [f"{one}", f"{one}!"]} for one in range(3)]
    body = {"observations": events, "learn_after_each": True, "clear_stm_between": True}
    answer = talk.post(f"{session}/observe-sequence", body, has=SEQUENCE)
    assert (answer["isolated"], len(answer["auto_learned_patterns"])) == (True, 3)
    empty = talk.post(f"{session}/observe-sequence", {"observations": []}, has=SEQUENCE)
    assert (empty["observations_processed"], empty["results"]) == (0, [])


def test_two_clients_of_one_node_share_what_they_learn(talk: Talk) -> None:
    one, two = opened(talk), opened(talk)
    body = {"observations": AB, "learn_at_end": True}
    learned = talk.post(f"{one}/observe-sequence", body, has=SEQUENCE)["final_learned_pattern"]
    # One symbol is enough to predict, as these clients assume.
    talk.post(f"{two}/observe", {"strings": ["a"]}, has=OBSERVED)
    for client in (two, f"/v2{two}"):
        found = talk.get(f"{client}/predictions", has={"predictions": list})["predictions"]
        assert [one["pattern_name"] for one in found] == [learned]
    talk.headers = {"X-Node-ID": talk.user}
    talk.get(f"/pattern/{learned}", has={"pattern": PATTERN})


# KATO v2 of late 2025, without sessions: a processor in the query, or a node in a header.
@pytest.mark.parametrize("place", ["processor_id", "node_id", "X-Node-ID"])
def test_a_client_of_processors(talk: Talk, place: str) -> None:
    named = f"?{place}={talk.user}" if place.endswith("_id") else ""
    talk.headers = {} if named else {place: talk.user}
    genes = {"genes": {"max_pattern_length": 3, "recall_threshold": 0.3}}
    talk.post(f"/genes/update{named}", genes, has={"status": is_("okay")})
    talk.get(f"/gene/max_pattern_length{named}", has={"value": is_(3)})
    for event in AB:
        talk.post(f"/observe{named}", event | {"vectors": [], "emotives": {}}, has=V1_OBSERVED)
    learned = talk.post(f"/learn{named}", has={"pattern_name": pattern_name})["pattern_name"]
    talk.post(f"/clear-stm{named}", has={"status": is_("okay")})
    observed = talk.post(f"/observe{named}", AB[0], has=V1_OBSERVED)
    for method in ("GET", "POST"):
        answer = talk.ask(method, f"/predictions{named}", has={"predictions": [PREDICTION]})
        assert [one["pattern_name"] for one in answer["predictions"]] == [learned]
    last = f"unique_id={observed['unique_id']}"
    asked = f"/predictions{named}&{last}" if named else f"/predictions?{last}"
    assert talk.get(asked, has={"unique_id": str})["predictions"] == answer["predictions"]
    talk.get(f"/short-term-memory{named}", has={"stm": is_([["a", "b"]])})
    talk.get(f"/pattern/{learned}{named}", has={"pattern": PATTERN})
    talk.get(f"/percept-data{named}", has={"percept_data": PERCEPT})
    talk.get(f"/cognition-data{named}", has={"cognition_data": {"symbols": is_(["a", "b"])}})
    body = {"observations": AB, "learn_at_end": True}
    talk.post(f"/observe-sequence{named}", body, has={"observations_processed": is_(2)})
    talk.post(f"/clear-all-memory{named}", has={"status": is_("okay")})
    talk.headers = {"X-Node-ID": talk.user}
    talk.refused("GET", f"/pattern/{learned}", None, status=404, words="not found")


def test_a_node_in_the_query_is_that_of_the_session(talk: Talk) -> None:
    session = opened(talk)
    for method, path, body in (
        ("POST", "/observe", AB[0]),
        ("POST", "/observe-sequence", {"observations": AB}),
        ("POST", "/learn", {}),
        ("GET", "/stm", None),
        ("GET", "/predictions", None),
        ("GET", "/percept-data", None),
        ("GET", "/cognition-data", None),
        ("GET", "/config", None),
        ("POST", "/config", {"persistence": 6}),
        ("POST", "/finalize-training", None),
        ("POST", "/extend", None),
        ("POST", "/clear-stm", None),
        ("GET", "/exists", None),
        ("GET", "", None),
        ("POST", "/clear-all", None),
    ):
        asked = f"{session}{path}?node_id="
        talk.refused(method, f"{asked}{uuid4().hex}", body, status=422, words="another user")
        talk.ask(method, f"{asked}{talk.user}", body, has={})
    counted = talk.get(f"/sessions/count?node_id={talk.user}", has={"active_session_count": is_(1)})
    assert counted == {"active_session_count": 1}
    talk.ask("DELETE", f"{session}?node_id={talk.user}", has={"status": is_("deleted")})


def test_what_clients_of_sessions_send_is_large_enough_or_refused_in_their_words(
    talk: Talk,
) -> None:
    session = opened(talk)
    event = {"strings": [f"s{number:04}" for number in range(1000)]}
    talk.post(f"{session}/observe", event, has=OBSERVED)
    talk.post(f"{session}/learn", has=LEARNED)
    talk.post(f"{session}/observe", event, has=OBSERVED)
    (found,) = talk.get(f"{session}/predictions", has=PREDICTIONS)["predictions"]
    assert found["similarity"] == 1.0
    talk.post(f"{session}/clear-stm", has={"status": is_("cleared")})
    talk.refused("POST", f"{session}/learn", {}, status=400, words="empty")
    body = {"vectors": [[0.0, 0.0, 0.0]]}
    talk.refused("POST", f"{session}/observe", body, status=422, words="zero vector")
    body = {"config": {"recall_threshold": 7}}
    talk.refused("POST", f"{session}/config", body, status=422, words="recall_threshold")
    talk.refused("POST", "/sessions/nobody/observe", event, status=404, words="not found")
