"""Knowledge that is imported over HTTP: whole or not at all, and once (http-api.md §6)."""

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from transfers import done, environment, rows_of
from transfers import exported as exported_lines

from support.access import await_audited, callers, code_of, key_line
from support.line_streams import NDJSON, text
from support.services import NewService, ServiceProcess
from support.waiting import until

BODY = {"Content-Type": NDJSON}
Lines = list[dict[str, Any]]


@pytest.fixture
def user() -> str:
    return uuid4().hex


@pytest.fixture(scope="module")
def elsewhere(new_lasting_service: NewService, mongo_url: str) -> Iterator[httpx.Client]:
    """An instance with its knowledge behind MongoDB's protocol."""
    service = new_lasting_service(MONGO_BASE_URL=mongo_url, MONGO_DATABASE=f"test_{uuid4().hex}")
    service.start()
    service.await_ready()
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


def exported(api: httpx.Client, user: str) -> bytes:
    answer = api.get(f"/v2/users/{user}/knowledge:export")
    assert answer.status_code == 200
    return answer.content


def sent(
    api: httpx.Client, user: str, body: bytes, query: str = "", **headers: str
) -> httpx.Response:
    named = {**BODY, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return api.post(f"/v2/users/{user}/knowledge:import{query}", content=body, headers=named)


def imported(api: httpx.Client, user: str, body: bytes, query: str = "") -> dict[str, Any]:
    """The summary of an import that is complete."""
    answer = sent(api, user, body, query)
    assert answer.status_code == 200, answer.text
    summary: dict[str, Any] = json.loads(answer.text.splitlines()[-1])["summary"]
    assert (summary["complete"], summary["error"]) == (True, None)
    return summary


def content(body: bytes) -> Lines:
    """The lines without what an import does not keep: revision and checksum."""
    found: Lines = list(map(json.loads, body.splitlines()))
    del found[0]["revision"], found[0]["knowledge_base"], found[-1]["sha256"]
    return found


def known(api: httpx.Client, user: str, *, count: int = 12) -> None:
    """Patterns with everything that one may have, edited and deleted ones, and vectors."""
    lines = [
        {"user_id": user, "events": [[f"n{number}"], [f"n{number % 5}", "x"]]}
        for number in range(count)
    ]
    api.post("/v2/learn?answers=errors", content=text(lines), headers=BODY)
    session = session_of(api, user)
    for number in range(3):
        observations: list[dict[str, Any]] = [
            {"strings": ["a", "x"], "emotives": {"joy": 0.1 * number}, "metadata": {"n": number}},
            {"vectors": [[float(number), 1.0]], "vector_labels": ["cat"]},
            {"strings": ["z"]},
        ]
        body = {"observations": observations, "learn_at_end": True}
        assert api.post(f"{session}/observe-sequence", json=body).status_code == 200
    api.post(f"/v2/users/{user}/patterns:delete", json={"symbols": ["n3"]})
    name = api.get(f"{session}/patterns?limit=1").json()["patterns"][0]["name"]
    edited = api.put(f"{session}/patterns/{name}", json={"frequency": 7})
    assert edited.status_code == 200


def session_of(api: httpx.Client, user: str) -> str:
    created = api.post("/v2/sessions", json={"user_id": user})
    return f"/v2/sessions/{created.json()['session_id']}"


def predicted(api: httpx.Client, user: str) -> list[str]:
    asked: list[dict[str, Any]] = [
        {"events": [["x"]]},
        {"events": [["n1"], ["n1", "x"]]},
        {"observations": [{"strings": ["a", "x"]}, {"vectors": [[1.0, 1.0]]}]},
    ]
    options = {"user_id": user, "explain": True, "config": {"recall_threshold": 0.0}}
    answers = [api.post("/v2/predict", json={**options, **each}) for each in asked]
    assert all(answer.status_code == 200 for answer in answers)
    return [
        json.dumps([answer.json()["predictions"], answer.json()["total"]]) for answer in answers
    ]


def test_predictions_are_the_same_bytes_after_a_round_trip(
    api: httpx.Client, elsewhere: httpx.Client, user: str
) -> None:
    known(api, user)
    body = exported(api, user)
    there = imported(elsewhere, user, body)
    assert (there["imported"], there["repeated"]) == (there["parts"], 0)
    assert there["vectors"] == 3
    assert content(exported(elsewhere, user)) == content(body)
    assert predicted(elsewhere, user) == predicted(api, user)
    imported(api, f"{user}-2", exported(elsewhere, user))
    assert content(exported(api, f"{user}-2")) == content(body)
    assert predicted(api, f"{user}-2") == predicted(api, user)


def test_an_import_counts_once_however_often_it_is_sent(api: httpx.Client, user: str) -> None:
    known(api, user)
    body = exported(api, user)
    first = imported(api, f"{user}-2", body)
    after = content(exported(api, f"{user}-2"))
    again = imported(api, f"{user}-2", body)
    assert (again["imported"], again["repeated"]) == (0, first["parts"])
    packed = sent(api, f"{user}-2", gzip.compress(body), Content_Encoding="gzip")
    assert json.loads(packed.text.splitlines()[-1])["summary"]["repeated"] == first["parts"]
    assert content(exported(api, f"{user}-2")) == after
    more = imported(api, f"{user}-2", body, "?unique_id=another")
    assert more["imported"] == first["parts"]
    assert imported(api, f"{user}-2", body, "?unique_id=another")["imported"] == 0
    twice = [one["frequency"] for one in content(exported(api, f"{user}-2")) if "events" in one]
    assert twice == [2 * one["frequency"] for one in after if "events" in one]


def test_each_of_several_imports_at_once_counts_what_the_others_put_in(
    api: httpx.Client, user: str
) -> None:
    known(api, user)
    body = exported(api, user)
    with ThreadPoolExecutor(6) as threads:
        counts = [*threads.map(lambda _: imported(api, f"{user}-2", body), range(6))]
    (parts,) = {one["parts"] for one in counts}
    assert [one["imported"] + one["repeated"] for one in counts] == [parts] * 6
    assert sum(one["imported"] for one in counts) == parts


def test_the_command_and_the_api_recognise_each_others_imports(
    new_service: NewService, tmp_path: Path
) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    target = {"DATA_DIR": str(service.directory / "data")}
    with httpx.Client(base_url=service.url, timeout=60) as api:
        known(api, "me")
        body = exported(api, "me")
        file = tmp_path / "me.jsonl"
        file.write_bytes(body)
        parts = imported(api, "one", body)["parts"]
        said = done(target, "import", file, "--user", "one", "--without-vectors")
        assert f"{parts} of {parts} parts are already imported" in said
        done(target, "import", file, "--user", "two", "--without-vectors")
        assert imported(api, "two", body)["repeated"] == parts


def test_a_kill_in_the_middle_of_an_import_loses_and_doubles_nothing(
    new_service: NewService,
) -> None:
    service = new_service()
    service.start()
    service.await_ready()
    embedded = {"DATA_DIR": str(service.directory / "data")}
    with httpx.Client(base_url=service.url, timeout=60) as api:
        known(api, "me", count=3)  # so that patterns with vectors are among the first
        known(api, "me", count=5000)
        body = exported(api, "me")
        before = rows_of(embedded)
        sending = threading.Thread(target=_quietly, args=(lambda: sent(api, "you", body),))
        sending.start()
        until(lambda: rows_of(embedded) > before + 600, "a part of the import", pause_s=0.002)
        service.kill9()
        sending.join()
    service.start()
    service.await_ready()
    with httpx.Client(base_url=service.url, timeout=60) as api:
        _require_vectors(content(exported(api, "you")))
        rest = imported(api, "you", body)
        assert 0 < rest["repeated"] < rest["parts"]
        assert rest["imported"] + rest["repeated"] == rest["parts"]
        assert content(exported(api, "you")) == content(body)


def test_a_kill_of_the_command_leaves_no_pattern_without_its_vectors(
    api: httpx.Client, user: str, tmp_path: Path
) -> None:
    known(api, user, count=3)
    known(api, user, count=3000)
    file = tmp_path / "me.jsonl"
    file.write_bytes(exported(api, user))
    target = {"DATA_DIR": str(tmp_path / "data")}
    program = [sys.executable, "-m", "kato_service", "import", str(file)]
    with subprocess.Popen(program, env=environment(target)) as running:
        until(lambda: rows_of(target) > 2, "a part of the import", pause_s=0.002)
        running.kill()
    _require_vectors(exported_lines(target))
    assert "3 vectors equal" in done(target, "import", file)


def _require_vectors(found: Lines) -> None:
    """Some patterns have vectors, and each of these is there."""
    symbols = {one for line in found for event in line.get("events", ()) for one in event}
    used = {symbol for symbol in symbols if symbol.startswith("VCTR|")}
    assert used == {one["vector"] for one in found if "vector" in one} != set()


def _quietly(call: Callable[[], object]) -> None:
    with suppress(httpx.TransportError):
        call()


def _broken() -> Iterator[Any]:
    def changed(body: bytes) -> bytes:
        return body.replace(b'"frequency":7', b'"frequency":8')

    def without(number: int) -> Callable[[bytes], bytes]:
        def cut(body: bytes) -> bytes:
            lines = body.splitlines(keepends=True)
            del lines[number]
            return b"".join(lines)

        return cut

    failed = b'{"error":{"code":"OVERLOADED","message":"","retryable":true}}\n'
    yield pytest.param(changed, "damaged", id="changed")
    yield pytest.param(lambda body: body[: len(body) // 2], "damaged", id="cut in a line")
    yield pytest.param(without(-1), "damaged", id="no trailer")
    yield pytest.param(without(5), "damaged", id="a line is missing")
    yield pytest.param(without(0), "belongs to a whole export|is missing", id="no header")
    yield pytest.param(lambda body: body + body, "damaged", id="twice")
    crlf = "has lines that end in CRLF"
    yield pytest.param(lambda body: body.replace(b"\n", b"\r\n"), crlf, id="CRLF")
    mark = "it starts with a byte order mark"
    yield pytest.param(lambda body: b"\xef\xbb\xbf" + body, mark, id="a byte order mark")
    yield pytest.param(lambda body: without(-1)(body) + failed, "failed", id="failed")
    yield pytest.param(lambda _: failed, "was not written by", id="failed at once")
    yield pytest.param(lambda _: b'{"format":"else"}\n', "was not written by", id="other")
    version = b'{"format":"kato-knowledge","version":9}\n'
    yield pytest.param(lambda _: version, "has version 9", id="newer")
    odd = b'{"format":"kato-knowledge","version":"' + b"v" * 5000 + b'"}\n'
    yield pytest.param(lambda _: odd, "has an unknown version", id="no number")


@pytest.mark.parametrize(("broken", "words"), _broken())
def test_a_cut_or_changed_export_changes_nothing(
    api: httpx.Client, user: str, broken: Callable[[bytes], bytes], words: str
) -> None:
    known(api, user)
    answer = sent(api, f"{user}-2", broken(exported(api, user)))
    assert (answer.status_code, code_of(answer)) == (422, "VALIDATION_ERROR")
    told = answer.json()["detail"]
    assert any(word in told for word in words.split("|")), told
    assert told.count("the body") == 1, told
    assert len(told) < 300, told
    assert api.get(f"/v2/users/{user}-2").status_code == 404


AB = "76d7efca2e96cb5eeddf4e06ac96a0f424630135"
GOOD: dict[str, Any] = {"name": AB, "events": [["a"], ["b"]], "frequency": 3}
HOSTILE = (
    (b"nonsense\n", "line 1 is not JSON, and nothing was imported"),
    (b"\xef\xbb\xbf" + text([GOOD]), "line 1 is not JSON: it starts with a byte order mark"),
    (text([GOOD]) + b'{"name":1e999}\n', "line 2 is not JSON: the number 1e999 is beyond"),
    (b'{"name":' + b"9" * 400 + b"}\n", f"the number {'9' * 20}… is beyond"),
    (b'{"name":NaN}\n', "NaN is not a number in JSON"),
    (b'{"name":"\\ud800"}\n', "half of a surrogate pair"),
    (text([{"vector": "V", "components": [1.0], "label": 5}]), "line 1: label: not a string"),
    (b"[]\n", "not a JSON object"),
    (b'{"name":"\xff"}\n', "line 1 is not JSON: it is not valid UTF-8 at byte 10"),
    (text([{**GOOD, "name": "x"}]), "line 1: name: not 40"),
    (text([GOOD, {**GOOD, "events": [[]]}]), "line 2: events: one of them is empty"),
    (text([{**GOOD, "events": "ab"}]), "events: not a list"),
    (text([{**GOOD, "frequency": -1}]), "frequency: not from 0"),
    (text([{**GOOD, "frequency": 2**31}]), "frequency: not from 0"),
    (text([{**GOOD, "learns": 1.5}]), "learns: not a whole number"),
    (text([{**GOOD, "emotives": [{"joy": "x"}]}]), "emotives: a value is not a number"),
    (text([{**GOOD, "metadata": []}]), "metadata: not a map"),
    (text([{**GOOD, "events": [["s" * 1025], ["b"]]}]), "MAX_SYMBOL_CHARS"),
    (text([{**GOOD, "events": [["s"]] * 1001}]), "MAX_STM_EVENTS"),
    (text([{**GOOD, "events": [["s"] * 1025]}]), "MAX_STRINGS_PER_EVENT"),
    (text([{"vector": "V", "components": [0.0]}]), "all components are 0"),
    (text([{"vector": "V", "components": [1.0] * 4097}]), "MAX_VECTOR_DIMENSIONS"),
    (
        text([{"vector": "V", "components": [1.0]}, {"vector": "W", "components": [1.0, 2.0]}]),
        "line 2: vector: has dimension 2",
    ),
    (text([{**GOOD, "learnt": 3}]), "learnt: an unknown field"),
    (text([{"vector": "V", "components": [1.0], "name": "V"}]), "name: an unknown field"),
    (text([GOOD])[:-2] + b',"frequency":4}\n', "frequency: its object has this name twice"),
    (text([GOOD])[:-2] + b',"metadata":{"a":1,"a":2}}\n', "a: its object has this name twice"),
    (text([GOOD])[:-2] + b',"metadata":' + b'{"a":' * 1020 + b"1" + b"}" * 1021 + b"\n", "deep"),
    (text([GOOD, {"symbol": "a", "pattern_member_frequency": 1, "frequency": 1}]), "whole export"),
)


@pytest.mark.parametrize(("body", "words"), HOSTILE)
def test_a_wrong_line_is_named_and_nothing_changes(
    api: httpx.Client, user: str, body: bytes, words: str
) -> None:
    answer = sent(api, user, body)
    assert answer.status_code == 422, answer.text
    told = answer.json()["detail"]
    assert words in told
    assert told.count("the body") == 1, told
    assert api.get(f"/v2/users/{user}").status_code == 404


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?mode=append", {}, 422),
        ("?unique_id=", {}, 422),
        (f"?unique_id={'x' * 257}", {}, 422),
        ("?vectors=1", {}, 422),
        ("?unknown=1", {}, 422),
        ("", {"Content_Type": "application/json"}, 415),
        ("", {"Content_Type": "text/plain"}, 415),
        ("", {"Content_Encoding": "br"}, 415),
        ("", {"Content_Encoding": "gzip"}, 422),
    ],
)
def test_a_wrong_request_changes_nothing(
    api: httpx.Client, user: str, query: str, headers: dict[str, str], status: int
) -> None:
    answer = sent(api, user, text([GOOD]), query, **headers)
    assert answer.status_code == status, answer.text
    assert api.get(f"/v2/users/{user}").status_code == 404


def test_what_was_deleted_is_put_back_as_it_was(api: httpx.Client, user: str) -> None:
    known(api, user)
    before = content(exported(api, user))
    expected = predicted(api, user)
    found = [one for one in before if ["z"] in one.get("events", ())]
    for attempt in range(3):
        for one in found:
            body = {"prefix": one["events"], "max_frequency": one["frequency"]}
            assert api.post(f"/v2/users/{user}/patterns:delete", json=body).json()["deleted"] == 1
        query = f"?unique_id={attempt}" if attempt else ""
        lines = [{k: v for k, v in one.items() if k != "learns"} for one in found]
        assert imported(api, user, text(lines if attempt == 2 else found), query)["imported"] == 3
        assert content(exported(api, user)) == before
        assert predicted(api, user) == expected
    repeated = imported(api, user, text(lines), query)
    assert (repeated["imported"], repeated["repeated"]) == (0, 3)
    assert content(exported(api, user)) == before


def deleted(api: httpx.Client, session: str, name: str) -> bytes:
    """The line that a delete leaves."""
    answer = api.delete(f"{session}/patterns/{name}")
    assert answer.status_code == 200, answer.text
    line: str = answer.json()["undo"]
    return line.encode()


def test_a_delete_leaves_the_line_that_undoes_it_once(api: httpx.Client, user: str) -> None:
    known(api, user)
    session = session_of(api, user)
    events = [{"strings": ["exact"], "metadata": {"n": [2**63, 1.0, 1, -0.0, {"b": 1, "a": "é"}]}}]
    events.append({"strings": ["numbers"], "emotives": {"joy": 1e-7, "calm": 1.0}})
    body = {"observations": events, "learn_at_end": True}
    name = api.post(f"{session}/observe-sequence", json=body).json()["final_learned_pattern"]
    api.put(f"{session}/patterns/{name}", json={"frequency": 17})
    before = exported(api, user)
    expected = predicted(api, user)
    line = deleted(api, session, name)
    assert line + b"\n" in before
    for count in (1, 0):
        assert imported(api, user, line, "?unique_id=undo")["imported"] == count
        assert content(exported(api, user)) == content(before)
        assert predicted(api, user) == expected


def test_an_undo_keeps_what_was_learned_since_the_delete(api: httpx.Client, user: str) -> None:
    known(api, user)
    session = session_of(api, user)
    name = api.get(f"{session}/patterns?limit=1").json()["patterns"][0]["name"]
    lines = [{"user_id": user, "events": [["n0"], ["n0", "x"]], "emotives": {"joy": 1.0}}]
    line = deleted(api, session, name)
    api.post("/v2/learn", content=text(lines), headers=BODY)
    assert imported(api, user, line)["imported"] == 1
    found = api.get(f"{session}/patterns/{name}").json()
    assert (found["frequency"], found["emotives"]) == (8, [{"joy": 1.0}])
    (exact,) = [one for one in content(exported(api, user)) if one.get("name") == name[5:]]
    assert exact["learns"] == 2


def test_a_replacement_drops_what_was_there_and_a_repeat_drops_nothing(
    api: httpx.Client, user: str
) -> None:
    known(api, user)
    body = exported(api, user)
    lines = [{"user_id": f"{user}-2", "events": [["old"], ["x"]]}]
    api.post("/v2/learn", content=text(lines), headers=BODY)
    imported(api, f"{user}-2", body, "?unique_id=one")
    replacing = "?mode=replace&unique_id=one"
    assert imported(api, f"{user}-2", body, replacing)["replaced"] is True
    assert content(exported(api, f"{user}-2")) == content(body)
    api.post("/v2/learn", content=text(lines), headers=BODY)
    assert imported(api, f"{user}-2", body, replacing)["replaced"] is False
    assert len(content(exported(api, f"{user}-2"))) == len(content(body)) + 1
    assert imported(api, f"{user}-2", body, "?mode=replace&unique_id=two")["replaced"] is True
    assert content(exported(api, f"{user}-2")) == content(body)


def test_a_replacement_without_an_id_is_refused_with_what_to_do(
    api: httpx.Client, user: str
) -> None:
    answer = sent(api, user, text([GOOD]), "?mode=replace")
    assert (answer.status_code, code_of(answer)) == (422, "VALIDATION_ERROR")
    assert "unique_id" in answer.json()["detail"]
    assert "a new id for each replacement" in answer.json()["detail"]
    assert api.get(f"/v2/users/{user}").status_code == 404


def test_a_name_or_a_vector_that_stands_for_something_else_is_refused(
    api: httpx.Client, user: str
) -> None:
    imported(api, user, text([GOOD, {"vector": "V", "components": [1.0, 2.0]}]))
    before = exported(api, user)
    for lines, words in (
        ([{**GOOD, "name": "c" * 40}, {**GOOD, "events": [["other"]]}], f"pattern {AB} whose name"),
        ([{"vector": "V", "components": [2.0, 1.0]}], "belongs to another vector"),
        ([{"vector": "W", "components": [2.0]}], "for another user, or clear it"),
    ):
        answer = sent(api, user, text(lines))
        assert (answer.status_code, code_of(answer)) == (422, "VALIDATION_ERROR")
        assert words in answer.json()["detail"]
        assert "--" not in answer.json()["detail"]
        assert exported(api, user) == before


def test_an_instance_without_vectors_refuses_them_unless_they_are_left_out(
    new_service: NewService, api: httpx.Client, user: str
) -> None:
    known(api, user)
    body = exported(api, user)
    service = new_service(VECTORS="disabled")
    service.start()
    service.await_ready()
    with httpx.Client(base_url=service.url, timeout=60) as other:
        refused = sent(other, user, body)
        assert (refused.status_code, code_of(refused)) == (422, "VECTORS_DISABLED")
        assert imported(other, user, body, "?vectors=false")["vectors"] == 0
        assert "vectors" not in content(exported(other, user))[-1]


def test_an_import_that_is_too_large_to_keep_changes_nothing(new_service: NewService) -> None:
    service = new_service(MAX_IMPORT_BYTES="20000", MAX_BODY_BYTES="10000")
    service.start()
    service.await_ready()
    with httpx.Client(base_url=service.url, timeout=60) as api:
        lines = [{**GOOD, "name": uuid4().hex + "0" * 8} for _ in range(2000)]
        whole = sent(api, "me", text(lines))
        assert (whole.status_code, code_of(whole)) == (413, "BODY_TOO_LARGE")
        assert "MAX_IMPORT_BYTES" in whole.json()["detail"]
        line = sent(api, "me", text([{**GOOD, "metadata": {"k": "v" * 10_000}}]))
        assert (line.status_code, code_of(line)) == (413, "BODY_TOO_LARGE")
        assert "line 1 exceeds" in line.json()["detail"]
        blank = sent(api, "me", gzip.compress(b"\n" * 1_000_000), Content_Encoding="gzip")
        assert blank.status_code == 422
        assert api.get("/v2/users/me").status_code == 404
        assert imported(api, "me", text(lines[:100]))["imported"] == 100


def test_an_import_needs_the_users_own_key_and_is_audited(
    new_service: NewService, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.jsonl"
    lines = (key_line("me", "write", user="me"), key_line("reader", "read", user="me"))
    keys.write_text("\n".join((*lines, key_line("other", "write", user="other"))))
    service: ServiceProcess = new_service(API_KEYS_FILE=str(keys))
    service.start()
    service.await_ready()
    with callers(service.url) as caller:
        body = text([GOOD])
        for key in ("other", "reader"):
            assert sent(caller(key), "me", body).status_code == 403
        assert sent(caller(None), "me", body).status_code == 401
        answer = caller("me").post("/v2/anonymous/knowledge:import", content=body, headers=BODY)
        assert answer.status_code == 403
        assert imported(caller("me"), "me", body)["imported"] == 1
        assert content(exported(caller("other"), "other"))[0]["patterns"] == 0
    found = [
        line
        for line in await_audited(service, "import_knowledge")
        if line["action"] == "import_knowledge"
    ]
    assert [line["outcome"] for line in found if line["caller"] == "me"] == ["done"]
