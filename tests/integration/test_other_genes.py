"""Genes of other versions: accepted everywhere, checked, named, and kept with the session."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kato_service.api.shapes.other_genes import DEFAULTS
from support.patient import PATIENCE_S
from support.services import NewService, StartService

CONFIG = {"recall_threshold": 0.4, "smoothness": 4, "filter_pipeline": ["length", "bloom"]}
IGNORED = ["filter_pipeline", "smoothness"]
WRONG = {"recall_threshold": 0.9, "smoothness": 9, "quiescence": 101}


@pytest.fixture(scope="module", params=["embedded", "stores"])
def client(request: pytest.FixtureRequest, start_service: StartService) -> Iterator[httpx.Client]:
    variables = {"VECTORS": "disabled", "PROCESSOR_ID": f"genes-{request.param}"}
    if request.param == "stores":
        variables["REDIS_URL"] = request.getfixturevalue("redis_url")
        variables["MONGO_BASE_URL"] = request.getfixturevalue("mongo_url")
    with httpx.Client(base_url=start_service(**variables), timeout=PATIENCE_S) as client:
        client.headers["x-user-id"] = uuid4().hex
        yield client


def created(client: httpx.Client, prefix: str, **fields: Any) -> Any:
    headers = {"x-user-id": ""}
    answer = client.post(f"{prefix}/sessions", json=fields, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("prefix", ["/v2", ""])
def test_a_session_is_created_with_them(client: httpx.Client, prefix: str) -> None:
    answer = created(client, prefix, config=CONFIG)
    assert sorted(answer["ignored"]) == IGNORED
    assert answer["config"]["recall_threshold"] == 0.4
    assert "ignored" not in created(client, prefix, config={"recall_threshold": 0.4})
    assert "ignored" not in created(client, prefix)


@pytest.mark.parametrize("prefix", ["/v2", ""])
def test_a_configuration_is_changed_with_them(client: httpx.Client, prefix: str) -> None:
    path = f"{prefix}/sessions/{created(client, prefix)['session_id']}/config"
    headers = {"x-user-id": ""}
    answer = client.post(path, json={"config": CONFIG}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert sorted(answer.json()["ignored"]) == IGNORED
    before = client.get(path, headers=headers).json()
    wrong = client.post(path, json={"config": WRONG}, headers=headers)
    assert wrong.status_code == 422
    assert "quiescence" in wrong.json()["detail"]
    assert client.get(path, headers=headers).json() == before
    assert before["config"]["recall_threshold"] == 0.4


def test_later_clients_read_every_gene_back(client: httpx.Client) -> None:
    headers = {"x-user-id": ""}
    path = f"/sessions/{created(client, '')['session_id']}/config"
    fresh = client.get(path, headers=headers).json()["config"]
    assert {name: fresh[name] for name in DEFAULTS} == DEFAULTS
    # The map alone, in any case, with a name that nobody knows.
    changes = {"SMOOTHNESS": 7, "jaccard_min_overlap": 3.0, "nonsense": [1], "persistence": 9}
    answer = client.post(path, json=changes, headers=headers)
    assert answer.status_code == 200, answer.text
    assert sorted(answer.json()["ignored"]) == ["jaccard_min_overlap", "nonsense", "smoothness"]
    shown = client.get(path, headers=headers).json()["config"]
    assert shown == fresh | {"smoothness": 7, "jaccard_min_overlap": 3, "persistence": 9}
    back = {"config": {"smoothness": None, "persistence": None, "jaccard_min_overlap": None}}
    client.post(path, json=back, headers=headers)
    assert client.get(path, headers=headers).json()["config"] == fresh
    # Under /v2, a configuration holds what has an effect.
    current = client.get(f"/v2{path}", headers=headers).json()["config"]
    assert current == {name: value for name, value in fresh.items() if name not in DEFAULTS}


@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_genes_are_updated_and_read_with_them(client: httpx.Client, prefix: str) -> None:
    for body in ({"genes": CONFIG}, CONFIG, {name.upper(): it for name, it in CONFIG.items()}):
        answer = client.post(f"{prefix}/genes/update", json=body)
        assert answer.status_code == 200, answer.text
        assert sorted(answer.json()["ignored"]) == IGNORED
    unknown = client.post(f"{prefix}/genes/update", json={"persistence": 8, "smothness": 1})
    assert unknown.status_code == 422
    assert unknown.json()["detail"].endswith("did you mean smoothness?")
    for name in ("smoothness", "SMOOTHNESS"):
        gene = client.get(f"{prefix}/gene/{name}").json()
        assert (gene["gene"], gene["value"]) == (name, 4)
        assert gene["ignored"] == ["smoothness"]
    assert client.get(f"{prefix}/gene/quiescence").json()["value"] == 3
    assert "ignored" not in client.get(f"{prefix}/gene/persistence").json()
    assert client.get(f"{prefix}/gene/nonsense").status_code == 404
    assert client.post(f"{prefix}/genes/update", json=WRONG).status_code == 422
    assert client.get(f"{prefix}/gene/recall_threshold").json()["value"] == 0.4


def test_they_have_no_effect_on_predictions(client: httpx.Client) -> None:
    headers = {"x-user-id": ""}
    user = uuid4().hex
    plain, other = (created(client, "/v2", user_id=user)["session_id"] for _ in range(2))
    config = {"config": {name: value for name, value in DEFAULTS.items() if value is not None}}
    config["config"]["use_token_matching"] = config["config"]["process_predictions"] = False
    client.post(f"/v2/sessions/{other}/config", json=config, headers=headers)
    events = [{"strings": [symbol]} for symbol in "abc"]
    body = {"observations": events, "learn_at_end": True}
    client.post(f"/v2/sessions/{plain}/observe-sequence", json=body, headers=headers)
    found = []
    for session_id in (plain, other):
        session = f"/v2/sessions/{session_id}"
        client.post(f"{session}/observe", json={"strings": ["a", "b"]}, headers=headers)
        found.append(client.get(f"{session}/predictions", headers=headers).json()["predictions"])
    assert found[0] == found[1] != []


FRUIT = ("apple", "banana", "cherry", "date", "elderberry")
MISSPELLED = [["apple"], ["bannana", "chery"]]
ANOMALIES = [
    {"observed": "bannana", "expected": "banana", "similarity": 1 - 1 / 13},
    {"observed": "chery", "expected": "cherry", "similarity": 1 - 1 / 11},
]


@pytest.mark.parametrize("prefix", ["/v2", ""])
def test_symbols_that_are_alike_match_once_the_gene_says_so(
    client: httpx.Client, prefix: str
) -> None:
    headers = {"x-user-id": ""}
    answer = created(client, prefix, user_id=uuid4().hex)
    path = f"{prefix}/sessions/{answer['session_id']}"
    events = [{"strings": FRUIT[:1]}, *({"strings": [one, "x"]} for one in FRUIT[1:])]
    body = {"observations": events, "learn_at_end": True}
    client.post(f"{path}/observe-sequence", json=body, headers=headers)
    for strings in MISSPELLED:
        client.post(f"{path}/observe", json={"strings": strings}, headers=headers)
    asked = {"params": {"fields": "all"}, "headers": headers}
    exact = client.get(f"{path}/predictions", **asked).json()["predictions"][0]
    assert (exact["matches"], exact["anomalies"]) == (["apple"], [])
    config = {"config": {"fuzzy_token_threshold": 0.85}}
    changed = client.post(f"{path}/config", json=config, headers=headers)
    assert changed.status_code == 200, changed.text
    assert "ignored" not in changed.json()
    shown = client.get(f"{path}/config", headers=headers).json()["config"]
    assert shown["fuzzy_token_threshold"] == 0.85
    fuzzy = client.get(f"{path}/predictions", **asked).json()["predictions"][0]
    assert fuzzy["matches"] == ["apple", "bannana", "chery"]
    assert fuzzy["present"] == [["apple"], ["banana", "x"], ["cherry", "x"]]
    # On /sessions both are by event.
    assert fuzzy["missing"] == (["x", "x"] if prefix else [[], ["x"], ["x"]])
    assert fuzzy["extras"] == ([] if prefix else [[], []])
    assert fuzzy["anomalies"] == [pytest.approx(one) for one in ANOMALIES]
    plain = client.get(f"/v2{path.removeprefix('/v2')}/predictions", headers=headers).json()
    assert plain["predictions"][0]["matches"] == fuzzy["matches"]
    assert "anomalies" not in plain["predictions"][0]


def test_the_instance_may_let_alike_symbols_match(new_service: NewService) -> None:
    service = new_service(KATO_FUZZY_TOKEN_THRESHOLD="0.85", VECTORS="disabled")
    service.start()
    service.await_ready()
    assert "have no effect" not in service.log
    with httpx.Client(base_url=service.url, timeout=PATIENCE_S) as client:
        gene = client.get("/v1/gene/fuzzy_token_threshold").json()
        assert (gene["value"], "ignored" in gene) == (0.85, False)
        for strings in FRUIT:
            client.post("/observe", json={"strings": [strings]})
        client.post("/learn")
        for strings in MISSPELLED:
            client.post("/observe", json={"strings": strings})
        found = client.get("/predictions").json()["predictions"][0]
        assert found["matches"] == ["apple", "bannana", "chery"]
        wrong = client.post("/genes/update", json={"fuzzy_token_threshold": 1.01})
        assert wrong.status_code == 422


def test_an_unknown_gene_is_refused_under_v2_with_the_nearest_known_one(
    client: httpx.Client,
) -> None:
    session_id = created(client, "/v2")["session_id"]
    body = {"config": {"persistence": 9, "quiescense": 3}}
    answer = client.post(f"/v2/sessions/{session_id}/config", json=body, headers={"x-user-id": ""})
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith("is not a known field; did you mean quiescence?")


def test_variables_of_other_versions_are_named_in_the_log(new_service: NewService) -> None:
    service = new_service(SMOOTHNESS="4", KATO_USE_TOKEN_MATCHING="true", VECTORS="disabled")
    service.start()
    service.await_ready()
    line = next(line for line in service.log.splitlines() if "have no effect" in line)
    assert '"variables":["SMOOTHNESS","KATO_USE_TOKEN_MATCHING"]' in line.replace(" ", "")


def test_a_wrong_variable_of_another_version_stops_the_start(new_service: NewService) -> None:
    service = new_service(SMOOTHNESS="11", VECTORS="disabled")
    service.start()
    assert service.process is not None
    assert service.process.wait(PATIENCE_S) == 2
    text = "kato-service: SMOOTHNESS: '11' is not accepted; accepted: an integer from 1 to 10\n"
    assert service.log == text
