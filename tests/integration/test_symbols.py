"""The affinity of symbols over HTTP: what is learned, listed, weighed by, kept and moved."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from transfers import done

from support.patient import PATIENCE_S
from support.services import NewService, StartService

Json = Any
ODD = "a/b c%é?#"


@pytest.fixture(scope="module", params=["embedded", "stores"])
def client(request: pytest.FixtureRequest, start_service: StartService) -> Iterator[httpx.Client]:
    variables = {"VECTORS": "disabled", "PROCESSOR_ID": f"symbols-{request.param}"}
    if request.param == "stores":
        variables["REDIS_URL"] = request.getfixturevalue("redis_url")
        variables["MONGO_BASE_URL"] = request.getfixturevalue("mongo_url")
    with httpx.Client(base_url=start_service(**variables), timeout=PATIENCE_S) as client:
        yield client


def sent(client: httpx.Client, method: str, path: str, **options: Any) -> Json:
    answer = client.request(method, path, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def learned(client: httpx.Client, user: str, events: str | list[str], *felt: Json) -> str:
    """Learn a pattern in the user's default session; gives its name."""
    headers = {"X-User-ID": user}
    for place, symbol in enumerate(events):
        emotives = felt[place] if place < len(felt) else {}
        body = {"strings": [symbol], "emotives": emotives}
        sent(client, "POST", "/observe", json=body, headers=headers)
    name: str = sent(client, "POST", "/learn", headers=headers)["pattern_name"]
    return name


def affinities(client: httpx.Client, user: str) -> Json:
    answer = sent(client, "GET", "/symbols/affinity", params={"node_id": user})
    assert list(answer) == ["affinities", "node_id"]
    assert answer["node_id"] == user
    return answer["affinities"]


def test_learns_with_emotives_add_up_by_symbol(client: httpx.Client) -> None:
    user = uuid4().hex
    assert affinities(client, user) == {}
    learned(client, user, "cab", {"joy": 1.0}, {"joy": -3.0, "pain": 2.0})
    learned(client, user, "ad")
    learned(client, user, "cab", {"joy": 0.5})
    listed = affinities(client, user)
    assert listed == {symbol: {"joy": -0.5, "pain": 2.0} for symbol in "abc"}
    assert list(listed) == ["a", "b", "c"]
    one = sent(client, "GET", "/symbols/a/affinity", headers={"X-Node-ID": user})
    expected = {"symbol": "a", "affinity": listed["a"], "node_id": user}
    assert one == expected
    stats = sent(client, "GET", "/symbols/stats", params={"user_id": user})
    assert stats == {
        "symbols": {
            symbol: {"name": symbol, "frequency": often, "pattern_member_frequency": held}
            for symbol, often, held in (("a", 3, 2), ("b", 2, 1), ("c", 2, 1), ("d", 1, 1))
        },
        "node_id": user,
    }


def test_deleting_and_editing_leave_it_and_clearing_drops_it(client: httpx.Client) -> None:
    user = uuid4().hex
    session = sent(client, "POST", "/v2/sessions", json={"user_id": user})["session_id"]
    name = learned(client, user, "ab", {"joy": 2.0})
    path = f"/v2/sessions/{session}/patterns/{name}"
    sent(client, "PUT", path, json={"frequency": 7, "emotives": []})
    assert affinities(client, user)["a"] == {"joy": 2.0}
    sent(client, "DELETE", path)
    assert affinities(client, user) == {"a": {"joy": 2.0}, "b": {"joy": 2.0}}
    stats = sent(client, "GET", "/symbols/stats", params={"node_id": user})["symbols"]
    assert stats["a"] == {"name": "a", "frequency": 1, "pattern_member_frequency": 0}
    learned(client, user, "ab", {"joy": -2.0})
    assert affinities(client, user)["a"] == {"joy": 0.0}
    sent(client, "POST", "/clear-all", headers={"X-User-ID": user})
    assert affinities(client, user) == {}
    assert sent(client, "GET", "/symbols/stats", params={"node_id": user})["symbols"] == {}


def test_symbols_of_any_kind_are_asked_for(client: httpx.Client) -> None:
    user = uuid4().hex
    odd = [ODD, "affinity", "stats", "x/affinity", "/"]
    learned(client, user, odd, {"joy": 1.5})
    for symbol in odd:
        path = f"/symbols/{quote(symbol, safe='')}/affinity"
        answer = sent(client, "GET", path, params={"node_id": user})
        assert answer == {"symbol": symbol, "affinity": {"joy": 1.5}, "node_id": user}
    unknown = sent(client, "GET", "/symbols/nobody/affinity", params={"node_id": user})
    assert unknown == {"symbol": "nobody", "affinity": {}, "node_id": user}
    assert client.get("/symbols/stats", params={"session_id": "nothing"}).status_code == 404
    assert client.get("/symbols/stats", params={"nonsense": "1"}).status_code == 422


def test_a_continued_list_starts_after_its_cursor(client: httpx.Client) -> None:
    user = uuid4().hex
    learned(client, user, "abc", {"joy": 1.0})
    for path, field in (("affinity", "affinities"), ("stats", "symbols")):
        query = {"node_id": user, "cursor": "a"}
        answer = sent(client, "GET", f"/symbols/{path}", params=query)
        assert list(answer[field]) == ["b", "c"]
        assert "next_cursor" not in answer


def predictions(client: httpx.Client, session: str, fields: str = "all") -> Json:
    path = f"/v2/sessions/{session}/predictions"
    return sent(client, "GET", path, params={"fields": fields})["predictions"]


def configured(client: httpx.Client, session: str, **config: Json) -> Json:
    body = {"config": config}
    return sent(client, "POST", f"/v2/sessions/{session}/config", json=body)


def test_the_gene_weighs_predictions(client: httpx.Client) -> None:
    user = uuid4().hex
    learned(client, user, "abc", {"joy": 1.0}, {"joy": -3.0})
    learned(client, user, "ade")
    session = sent(client, "POST", "/v2/sessions", json={"user_id": user})["session_id"]
    for symbol in "ab":
        body = {"strings": [symbol]}
        sent(client, "POST", f"/v2/sessions/{session}/observe", json=body)
    plain = predictions(client, session)
    assert plain[0]["weighted_similarity"] is None
    assert "ignored" not in configured(client, session, affinity_emotive="joy")
    weighed = predictions(client, session)
    assert weighed[0]["weighted_similarity"] == 0.750617283951
    assert weighed[0]["weighted_evidence"] == 0.600790513834
    assert weighed[0]["potential"] == 3.600790513834
    assert predictions(client, session, "potential")[0] == {"potential": 3.600790513834}
    configured(client, session, rank_sort_algo="weighted_snr")
    ranked = predictions(client, session, "weighted_snr")
    assert ranked == sorted(ranked, key=lambda one: -one["weighted_snr"])
    shown = sent(client, "GET", f"/v2/sessions/{session}/config")["config"]
    assert shown["affinity_emotive"] == "joy"
    gene = sent(client, "GET", "/v1/gene/affinity_emotive", params={"session_id": session})
    assert (gene["value"], "ignored" in gene) == ("joy", False)
    configured(client, session, affinity_emotive=None, rank_sort_algo=None)
    assert predictions(client, session) == plain
    for wrong in ("", "x" * 257, 1, ["joy"]):
        path = f"/v2/sessions/{session}/config"
        answer = client.post(path, json={"config": {"affinity_emotive": wrong}})
        assert answer.status_code == 422


def test_a_session_of_later_clients_shows_and_weighs(client: httpx.Client) -> None:
    user = uuid4().hex
    learned(client, user, "ab", {"joy": 1.0})
    created = sent(
        client, "POST", "/sessions", json={"node_id": user, "config": {"affinity_emotive": "joy"}}
    )
    assert created["session_config"]["affinity_emotive"] == "joy"
    path = f"/sessions/{created['session_id']}"
    sent(client, "POST", f"{path}/observe", json={"strings": ["a"]})
    (one,) = sent(client, "GET", f"{path}/predictions")["predictions"]
    assert one["weighted_evidence"] == 0.5
    assert one["weighted_snr"] == 1.0


@pytest.mark.parametrize("stores", ["embedded", "stores"])
def test_it_survives_a_kill_and_moves_with_an_export(
    new_service: NewService, tmp_path: Path, stores: str, request: pytest.FixtureRequest
) -> None:
    variables = {"VECTORS": "disabled", "PROCESSOR_ID": f"moved-{uuid4().hex}"}
    if stores == "stores":
        variables["REDIS_URL"] = request.getfixturevalue("redis_url")
        variables["MONGO_BASE_URL"] = request.getfixturevalue("mongo_url")
    service = new_service(**variables)
    service.start()
    service.await_ready()
    user = uuid4().hex
    with httpx.Client(base_url=service.url, timeout=PATIENCE_S) as client:
        for number in range(20):
            felt = {"joy": number / 7, "pain": -1.0 / (number + 3)}
            learned(client, user, ["x", str(number % 13), "y"], felt)
        before = affinities(client, user)
    service.kill9()
    service.start()
    service.await_ready()
    with httpx.Client(base_url=service.url, timeout=PATIENCE_S) as client:
        assert affinities(client, user) == before
        if stores == "stores":
            return
        service.stop()
        target = {"DATA_DIR": str(service.directory / "data"), **variables}
        out = tmp_path / "out.gz"
        done(target, "export", "--user", user, "-o", out)
        done(target, "import", "--user", "other", out)
        service.start()
        service.await_ready()
        assert affinities(client, "other") == before
