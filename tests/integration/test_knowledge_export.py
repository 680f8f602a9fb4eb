"""The knowledge of a user as a stream of lines over HTTP (docs/moving-knowledge.md)."""

import gzip
import hashlib
import json
import sys
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from transfers import Target, done

from support.access import await_audited, callers, code_of, key_line
from support.line_streams import NDJSON, text
from support.services import NewService, ServiceProcess
from support.waiting import until

SYMBOL = "s" * 900


@pytest.fixture(params=["sqlite", "mongodb protocol"])
def service(request: pytest.FixtureRequest, new_service: NewService) -> ServiceProcess:
    more = {}
    if request.param != "sqlite":
        url = request.getfixturevalue("mongo_url")
        more |= {"MONGO_BASE_URL": url, "MONGO_DATABASE": f"test_{uuid4().hex}"}
    made = new_service(**more)
    made.start()
    made.await_ready()
    return made


@pytest.fixture
def embedded(new_service: NewService) -> ServiceProcess:
    made = new_service()
    made.start()
    made.await_ready()
    return made


def learned(api: httpx.Client, user: str | None, count: int, *, size: int = 1) -> None:
    lines = [
        {"events": [[f"n{number}"], [f"n{number % 7}", *(f"{SYMBOL}{at}" for at in range(size))]]}
        for number in range(count)
    ]
    if user is not None:
        lines = [{**line, "user_id": user} for line in lines]
    answer = api.post("/v2/learn?answers=errors", content=text(lines), headers=NDJSON_BODY)
    assert json.loads(answer.text.splitlines()[-1])["summary"]["learned"] == count


NDJSON_BODY = {"Content-Type": NDJSON}


def told(api: httpx.Client, user: str) -> None:
    """Knowledge with everything that a pattern may have, deletions and vectors."""
    learned(api, user, 20)
    created = api.post("/v2/sessions", json={"user_id": user}).json()
    session = f"/v2/sessions/{created['session_id']}"
    for number in range(3):
        observations: list[dict[str, Any]] = [
            {"strings": ["a"], "emotives": {"joy": 0.1 * number}, "metadata": {"n": number}},
            {"vectors": [[float(number), 1.0]], "vector_labels": ["cat"]},
        ]
        body = {"observations": observations, "learn_at_end": True}
        assert api.post(f"{session}/observe-sequence", json=body).status_code == 200
    deleted = api.post(f"/v2/users/{user}/patterns:delete", json={"symbols": ["n3"]})
    assert deleted.json()["deleted"] == 3


def checked(body: bytes) -> list[dict[str, Any]]:
    """The lines of a whole export."""
    *lines, last = body.splitlines(keepends=True)
    found = [json.loads(line) for line in (*lines, last)]
    assert found[-1]["sha256"] == hashlib.sha256(b"".join(lines)).hexdigest()
    assert found[0]["format"] == "kato-knowledge"
    assert found[0]["patterns"] == found[-1]["patterns"] == sum("events" in one for one in found)
    return found


def test_an_export_has_the_lines_that_the_command_writes(
    service: ServiceProcess, tmp_path: Path
) -> None:
    with httpx.Client(base_url=service.url, timeout=60) as api:
        told(api, "me")
        answer = api.get("/v2/users/me/knowledge:export")
        plain = api.get("/v2/users/me/knowledge:export?vectors=false").content
    assert answer.status_code == 200
    assert answer.headers["content-type"] == NDJSON
    assert answer.headers["cache-control"] == "no-store"
    lines = checked(answer.content)
    assert (lines[0]["version"], lines[-1]["vectors"]) == (2, 3)
    assert checked(plain)[0]["version"] == 1
    if "MONGO_BASE_URL" not in service.variables:
        target: Target = {"DATA_DIR": str(service.directory / "data")}
        out = tmp_path / "command.gz"
        done(target, "export", "--user", "me", "-o", out)
        assert gzip.decompress(out.read_bytes()) == answer.content
        done(target, "export", "--user", "me", "--without-vectors", "-o", out)
        assert gzip.decompress(out.read_bytes()) == plain


def test_an_export_is_of_one_revision_and_holds_nobody_up(embedded: ServiceProcess) -> None:
    """While it waits for its reader, sequences are learned, patterns deleted, all is cleared."""
    path = "/v2/users/me/knowledge:export"
    with httpx.Client(base_url=embedded.url, timeout=60) as api:
        learned(api, "me", 2000, size=12)
        before = api.get(path).content
        with api.stream("GET", path) as export:
            pieces = export.iter_raw(2**16)
            body = next(pieces)
            learned(api, "me", 500, size=12)  # known patterns, so their frequencies change
            answer = api.post("/v2/users/me/patterns:delete", json={"symbols": ["n1"]})
            assert answer.json()["deleted"] > 0
            created = api.post("/v2/sessions", json={"user_id": "me"}).json()
            cleared = api.post(f"/v2/sessions/{created['session_id']}/clear-all", json={})
            assert cleared.status_code == 200
            body += b"".join(pieces)
        assert body == before
        assert len(checked(body)) > 2000
        assert checked(api.get(path).content)[0]["patterns"] == 0


def test_a_reader_that_goes_away_gives_its_place_back(embedded: ServiceProcess) -> None:
    path = "/v2/users/me/knowledge:export"
    with httpx.Client(base_url=embedded.url, timeout=60) as api:
        learned(api, "me", 2000, size=12)
        readers = [httpx.Client(base_url=embedded.url, timeout=60) for _ in range(15)]
        streams = [reader.stream("GET", path) for reader in readers]
        for stream in streams:
            assert stream.__enter__().status_code == 200
        refused = api.get(path)
        assert (refused.status_code, code_of(refused)) == (503, "OVERLOADED")
        for stream in streams:
            stream.__exit__(None, None, None)
        for reader in readers:
            reader.close()
        until(lambda: api.get(path).status_code == 200, "a free place")


def test_an_export_that_the_service_ends_says_so_in_its_last_line(
    embedded: ServiceProcess,
) -> None:
    with httpx.Client(base_url=embedded.url, timeout=60) as api:
        learned(api, "me", 2000, size=12)
        with api.stream("GET", "/v2/users/me/knowledge:export") as export:
            pieces = export.iter_raw(2**16)
            body = next(pieces)
            stopping = threading.Thread(target=embedded.stop)
            stopping.start()
            until(lambda: not embedded.is_ready(), "the shutdown")
            body += b"".join(pieces)
            stopping.join()
    *_, last = body.splitlines()
    assert json.loads(last)["error"]["code"] == "OVERLOADED"
    assert b"sha256" not in body


def test_an_export_needs_the_users_own_key_and_is_audited(
    new_service: NewService, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.jsonl"
    lines = (key_line("me", "read", user="me"), key_line("other", "read", user="other"))
    keys.write_text("\n".join(lines))
    service = new_service(API_KEYS_FILE=str(keys))
    service.start()
    service.await_ready()
    path = "/v2/users/me/knowledge:export"
    with callers(service.url) as caller:
        assert caller("me").get(path).status_code == 200
        assert caller("other").get(path).status_code == 403
        assert caller("me").get("/v2/anonymous/knowledge:export").status_code == 403
        assert caller(None).get(path).status_code == 401
    found = [
        line
        for line in await_audited(service, "export_knowledge")
        if line["action"] == "export_knowledge"
    ]
    assert [line["outcome"] for line in found if line["caller"] == "me"] == ["done"]


@pytest.mark.parametrize("query", ["vectors=1", "vectors=yes", "vectors=", "unknown=1"])
def test_a_wrong_query_is_refused(api: httpx.Client, query: str) -> None:
    answer = api.get(f"/v2/users/me/knowledge:export?{query}")
    assert (answer.status_code, code_of(answer)) == (422, "VALIDATION_ERROR")


def test_an_unknown_user_has_an_empty_export(api: httpx.Client) -> None:
    lines = checked(api.get(f"/v2/users/{uuid4().hex}/knowledge:export").content)
    assert len(lines) == 2
    assert lines[0]["revision"] == 0
