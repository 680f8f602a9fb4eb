"""Sessions over HTTP: create, list, count, get, extend, delete."""

import re
from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

RFC_3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SESSION_FIELDS = [
    "session_id",
    "user_id",
    "processor_id",
    "created_at",
    "last_accessed",
    "expires_at",
    "ttl_seconds",
    "access_count",
    "stm_length",
    "time",
    "metadata",
    "config",
]
GENES = {
    "recall_threshold": 0.1,
    "max_predictions": 100,
    "persistence": 5,
    "max_pattern_length": 0,
    "stm_mode": "KEEP_LAST",
    "sort_symbols": True,
    "vector_neighbors": 3,
    "vector_min_score": 0.9,
    "vector_absorb_similarity": 0.0,
    "rank_sort_algo": "potential",
    "single_symbol_predictions": False,
    "fuzzy_token_threshold": 0.0,
    "affinity_emotive": None,
}


def test_a_created_session_shows_every_field(api: httpx.Client) -> None:
    body = {"user_id": "Ada", "metadata": {"k": [1, None]}, "ttl_seconds": 60}
    session = api.post("/v2/sessions", json=body).json()
    assert list(session) == SESSION_FIELDS
    assert session["user_id"] == "Ada"
    assert session["metadata"] == {"k": [1, None]}
    assert session["ttl_seconds"] == 60
    assert session["stm_length"] == session["time"] == 0
    assert session["config"] == GENES


@pytest.mark.parametrize("field", ["created_at", "last_accessed", "expires_at"])
def test_times_are_rfc_3339_in_utc(api: httpx.Client, field: str) -> None:
    assert RFC_3339_UTC.fullmatch(api.post("/v2/sessions").json()[field])


def test_two_sessions_of_one_user_share_a_knowledge_base(api: httpx.Client) -> None:
    user = uuid4().hex
    one = api.post("/v2/sessions", json={"user_id": user}).json()
    two = api.post("/v2/sessions", json={"node_id": user}).json()
    assert one["session_id"] != two["session_id"]
    assert one["processor_id"] == two["processor_id"]
    assert re.fullmatch(r"kato~[0-9a-f]{40}", one["processor_id"])


def test_a_session_without_a_user_uses_the_instances_knowledge_base(api: httpx.Client) -> None:
    session = api.post("/v2/sessions", json={}).json()
    assert session["processor_id"] == "kato"
    assert session["user_id"] is None


def test_a_session_id_cannot_be_guessed(new_session: Callable[..., str]) -> None:
    assert len(new_session()) >= 22


def test_a_session_can_override_genes_when_it_is_created(api: httpx.Client) -> None:
    config = {"sort": False, "recall_threshold": 0, "max_predictions": None}
    session = api.post("/v2/sessions", json={"config": config}).json()
    assert session["config"] == GENES | {"sort_symbols": False, "recall_threshold": 0}


def test_a_session_is_returned_under_its_id(api: httpx.Client, session_id: str) -> None:
    session = api.get(f"/v2/sessions/{session_id}")
    assert session.json()["session_id"] == session_id
    assert session.headers["x-session-id"] == session_id


def test_a_list_shows_the_sessions_of_a_user_page_by_page(
    api: httpx.Client, new_session: Callable[..., str]
) -> None:
    user = uuid4().hex
    created = {new_session(user_id=user)[:8] for _ in range(3)}
    one = api.get("/v2/sessions", params={"user_id": user, "limit": 2}).json()
    two = api.get(
        "/v2/sessions", params={"user_id": user, "limit": 2, "cursor": one["next_cursor"]}
    ).json()
    assert len(one["sessions"]) == 2
    assert two["next_cursor"] is None
    assert {s["session_id"][:8] for s in one["sessions"] + two["sessions"]} == created


def test_a_list_without_an_api_key_masks_session_ids(
    api: httpx.Client, new_session: Callable[..., str]
) -> None:
    user = uuid4().hex
    session_id = new_session(user_id=user)
    listing = api.get("/v2/sessions", params={"user_id": user})
    assert session_id not in listing.text
    assert listing.json()["sessions"][0]["session_id"] == session_id[:8] + "…"


def test_the_count_grows_with_a_session(quiet_api: httpx.Client) -> None:
    before = quiet_api.get("/v2/sessions/count").json()["active_session_count"]
    assert quiet_api.post("/v2/sessions").status_code == 200
    assert quiet_api.get("/v2/sessions/count").json()["active_session_count"] == before + 1


def test_exists_tells_a_live_session_from_an_unknown_one(
    api: httpx.Client, session_id: str
) -> None:
    assert api.get(f"/v2/sessions/{session_id}/exists").json() == {
        "exists": True,
        "session_id": session_id,
    }
    assert api.get("/v2/sessions/nobody/exists").json()["exists"] is False


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"params": {"ttl_seconds": 7200}}, id="query"),
        pytest.param({"json": {"ttl_seconds": 7200}}, id="body"),
    ],
)
def test_a_session_is_extended(
    api: httpx.Client, session_id: str, method: str, given: dict[str, dict[str, int]]
) -> None:
    answer = api.request(method, f"/v2/sessions/{session_id}/extend", **given).json()
    assert answer["status"] == "extended"
    assert answer["session_id"] == session_id
    assert answer["ttl_seconds"] == 7200
    assert answer["expires_at"] == api.get(f"/v2/sessions/{session_id}").json()["expires_at"]


def test_a_deleted_session_is_gone(api: httpx.Client, session_id: str) -> None:
    answer = api.delete(f"/v2/sessions/{session_id}")
    assert answer.json() == {"status": "deleted", "session_id": session_id}
    assert api.get(f"/v2/sessions/{session_id}").status_code == 404
    assert api.get(f"/v2/sessions/{session_id}/exists").json()["exists"] is False


def test_what_a_deleted_session_learned_stays(
    api: httpx.Client, new_session: Callable[..., str]
) -> None:
    user = uuid4().hex
    one, two = new_session(user_id=user), new_session(user_id=user)
    api.post(f"/v2/sessions/{one}/observe", json={"strings": ["a", "b"]})
    name = api.post(f"/v2/sessions/{one}/learn").json()["pattern_name"]
    api.delete(f"/v2/sessions/{one}")
    assert api.get(f"/v2/sessions/{two}/patterns/{name}").json()["frequency"] == 1


def test_metadata_is_accepted_only_as_deep_as_every_answer_can_show_it(api: httpx.Client) -> None:
    made = 0
    for depth in (*range(235, 260), 900):
        value: list[object] = []
        for _ in range(depth):
            value = [value]
        answer = api.post("/v2/sessions", json={"metadata": {"deep": value}})
        assert answer.status_code in (200, 422), (depth, answer.text)
        assert api.get("/v2/sessions", params={"limit": 1000}).status_code == 200
        made += answer.status_code == 200
        if answer.status_code == 200:
            path = f"/v2/sessions/{answer.json()['session_id']}"
            assert api.get(path).json()["metadata"] == {"deep": value}
            assert api.delete(path).status_code == 200
    assert made


def test_metadata_of_a_session_is_edited_key_by_key(
    api: httpx.Client, new_session: Callable[..., str]
) -> None:
    path = f"/v2/sessions/{new_session(metadata={'kept': 1, 'gone': [2], 'changed': 3})}"
    edit = {"metadata": {"gone": None, "changed": {"to": "this"}, "new": True, "never": None}}
    expected = {"kept": 1, "changed": {"to": "this"}, "new": True}
    for _ in range(2):
        edited = api.patch(path, json=edit)
        assert edited.status_code == 200, edited.text
        assert edited.json()["metadata"] == expected
        assert api.get(path).json()["metadata"] == expected
    api.post(f"{path}/observe", json={"strings": ["a"]})
    assert api.get(path).json()["metadata"] == expected


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, ["body", "metadata"]),
        ({"metadata": None}, ["body", "metadata"]),
        ({"metadata": {}, "user_id": "else"}, ["body", "user_id"]),
        ({"metadata": {"k": "x" * 20_000}}, ["body", "metadata"]),
    ],
)
def test_a_wrong_edit_of_a_session_changes_nothing(
    api: httpx.Client, new_session: Callable[..., str], body: object, place: list[str]
) -> None:
    path = f"/v2/sessions/{new_session(metadata={'kept': 1})}"
    refused = api.patch(path, json=body)
    assert refused.status_code == 422
    assert refused.json()["error"]["details"][0]["location"] == place
    assert api.get(path).json()["metadata"] == {"kept": 1}
    assert api.patch("/v2/sessions/never", json={"metadata": {}}).status_code == 404
