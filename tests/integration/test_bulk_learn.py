"""Many sequences in one request: semantics, outcomes by line, hostile bodies, time-outs."""

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.access import callers, code_of, key_line
from support.line_streams import NDJSON, LineStream, outcomes, text
from support.services import NewService

AB = "PTRN|76d7efca2e96cb5eeddf4e06ac96a0f424630135"
Outcomes = tuple[list[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def user() -> str:
    return uuid4().hex


def streamed(api: httpx.Client, body: bytes, query: str = "", **headers: str) -> Outcomes:
    named = {"Content-Type": NDJSON, **{k.replace("_", "-"): v for k, v in headers.items()}}
    response = api.post(f"/v2/learn{query}", content=body, headers=named)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == NDJSON
    return outcomes(response.content)


def learned(api: httpx.Client, *lines: Any) -> Outcomes:
    return streamed(api, text(lines))


def listed(api: httpx.Client, sequences: list[Any], query: str = "") -> Outcomes:
    response = api.post(f"/v2/learn{query}", json={"sequences": sequences})
    assert response.status_code == 200, response.text
    answer = response.json()
    return answer["results"], answer["summary"]


def session_of(api: httpx.Client, user: str, **fields: Any) -> str:
    response = api.post("/v2/sessions", json={"user_id": user, **fields})
    assert response.status_code == 200, response.text
    return f"/v2/sessions/{response.json()['session_id']}"


def patterns(api: httpx.Client, user: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"{session_of(api, user)}/patterns?limit=1000").json()[
        "patterns"
    ]
    return found


def frequencies(api: httpx.Client, user: str) -> list[int]:
    return [pattern["frequency"] for pattern in patterns(api, user)]


def test_a_line_learns_what_a_session_learns(api: httpx.Client, user: str) -> None:
    found, summary = learned(
        api,
        {"user_id": user, "events": [["b", "a"], [], ["c"]], "unique_id": "visit-1"},
        {"user_id": user, "events": [["a", "b"], ["c"]]},
        {"user_id": user, "observations": [{"strings": ["a"]}, {"strings": ["b"]}]},
        {"user_id": user, "events": [["alone"]]},
    )
    name = "PTRN|e9e43f2309079f2843665ab773996d99489306d6"
    assert found == [
        {
            "line": 1,
            "status": "learned",
            "pattern_name": name,
            "frequency": 1,
            "unique_id": "visit-1",
        },
        {"line": 2, "status": "learned", "pattern_name": name, "frequency": 2},
        {"line": 3, "status": "learned", "pattern_name": AB, "frequency": 1},
        {"line": 4, "status": "insufficient_data"},
    ]
    assert summary == {
        "lines": 4,
        "learned": 3,
        "repeated": 0,
        "insufficient_data": 1,
        "errors": 0,
        "durable_through": 4,
        "complete": True,
        "error": None,
    }


CONFIGS: list[dict[str, Any]] = [
    {},
    {"sort_symbols": False},
    {"persistence": 2},
    {"max_pattern_length": 3, "stm_mode": "ROLLING"},
    {"max_pattern_length": 2, "stm_mode": "CLEAR"},
    {"max_pattern_length": 2, "stm_mode": "KEEP_LAST"},
]


def sequence(rng: Random) -> list[dict[str, Any]]:
    return [
        {
            "strings": [rng.choice("abcdé") for _ in range(rng.randrange(4))],
            "emotives": {rng.choice("xy"): rng.choice((0.0, 0.1, -2.5))}
            if rng.random() < 0.5
            else {},
            "metadata": {"k": rng.randrange(3)} if rng.random() < 0.3 else {},
        }
        for _ in range(rng.randrange(6))
    ]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_lines_and_sessions_leave_the_same_knowledge(
    api: httpx.Client, user: str, config: dict[str, Any]
) -> None:
    rng = Random(str(config))
    sequences = [sequence(rng) for _ in range(30)]
    outcome = []
    for observations in sequences:
        session = session_of(api, user, config=config)
        body = {"observations": observations, "learn_at_end": True}
        answer = api.post(f"{session}/observe-sequence", json=body).json()
        outcome.append((answer["final_learned_pattern"], answer["auto_learned_patterns"]))
    own = {"config": config} if config else {}
    lines = [{"user_id": f"{user}-2", "observations": each, **own} for each in sequences]
    found, _ = learned(api, *lines)
    assert [
        (line.get("pattern_name", ""), line.get("auto_learned_patterns", [])) for line in found
    ] == outcome
    assert patterns(api, f"{user}-2") == patterns(api, user)
    asked = [session_of(api, name) for name in (user, f"{user}-2")]
    for session in asked:
        api.post(f"{session}/observe", json={"strings": ["a", "b"]})
    first, second = (
        api.get(f"{one}/predictions?fields=all").json()["predictions"] for one in asked
    )
    assert first == second


def test_plain_lines_take_the_same_way_as_others(api: httpx.Client, user: str) -> None:
    rng = Random("plain")
    events = [
        [[rng.choice('ab:é"\\') for _ in range(rng.randrange(4))] for _ in range(4)]
        for _ in range(50)
    ]
    plain, _ = learned(api, *({"user_id": user, "events": each} for each in events))
    other, _ = learned(
        api, *({"user_id": f"{user}-2", "events": each, "metadata": {}} for each in events)
    )
    assert plain == other
    assert listed(api, [{"user_id": f"{user}-3", "events": each} for each in events])[0] == plain
    assert patterns(api, user) == patterns(api, f"{user}-2") == patterns(api, f"{user}-3")


def test_emotives_and_metadata_of_a_line_belong_to_its_last_event(
    api: httpx.Client, user: str
) -> None:
    more = {"emotives": {"joy": 0.5}, "metadata": {"source": "test"}}
    learned(api, {"user_id": user, "events": [["a"], ["b"]], **more})
    (pattern,) = patterns(api, user)
    assert pattern["emotives"] == [{"joy": 0.5}]
    assert pattern["metadata"] == {"source": ["test"]}


def test_vectors_become_the_symbols_that_sessions_predict_from(
    api: httpx.Client, user: str
) -> None:
    vectors = [{"vectors": [[0.1, 0.9]]}, {"vectors": [[0.9, 0.1]], "strings": ["a"]}]
    found, _ = learned(api, {"user_id": user, "observations": vectors})
    session = session_of(api, user)
    api.post(f"{session}/observe", json=vectors[0]).raise_for_status()
    api.post(f"{session}/observe", json=vectors[1]).raise_for_status()
    answer = api.post(f"{session}/learn").json()
    assert (answer["pattern_name"], answer["frequency"]) == (found[0]["pattern_name"], 2)
    wrong, _ = learned(api, {"user_id": user, "observations": [{"vectors": [[1.0, 2.0, 3.0]]}]})
    assert wrong[0]["error"]["code"] == "VECTOR_DIMENSION"


def test_a_repeated_request_changes_nothing(api: httpx.Client, user: str) -> None:
    lines = [{"user_id": user, "events": [["a"], [str(i)]], "unique_id": f"v{i}"} for i in range(5)]
    first, _ = learned(api, *lines)
    again, summary = learned(api, *lines)
    assert again == [{**line, "repeated": True} for line in first]
    assert (summary["learned"], summary["repeated"]) == (0, 5)
    assert frequencies(api, user) == [1] * 5


def test_an_id_of_the_request_names_lines_without_one(api: httpx.Client, user: str) -> None:
    body = text([{"user_id": user, "events": [["a"], ["b"]]}] * 3)
    for expected in (3, 0):
        _, summary = streamed(api, body, "?unique_id=import-1")
        assert summary["learned"] == expected
    assert (
        listed(api, [{"user_id": user, "events": [["a"], ["b"]]}] * 3, "?unique_id=import-1")[1][
            "repeated"
        ]
        == 3
    )
    assert frequencies(api, user) == [3]


def test_lines_that_learn_automatically_are_repeatable_too(api: httpx.Client, user: str) -> None:
    line = {
        "user_id": user,
        "events": [["a"], ["b"], ["c"], ["d"], ["e"]],
        "config": {"max_pattern_length": 2, "stm_mode": "CLEAR"},
        "unique_id": "long",
    }
    (first,), _ = learned(api, line)
    assert (first["status"], len(first["auto_learned_patterns"])) == ("insufficient_data", 2)
    (again,), _ = learned(api, line)
    assert again == {**first, "repeated": True}
    assert frequencies(api, user) == [1, 1]


def test_errors_are_by_line_and_say_what_is_wrong(api: httpx.Client, user: str) -> None:
    ok = {"user_id": user, "events": [["a"], ["b"]]}
    either = "the line must have either events or observations"
    inside = "the line must have emotives and metadata inside its observations"
    finite = "x of emotives must be a finite number; JSON has no NaN and no Infinity"
    unicode = "events[0][0] must be valid Unicode text, without lone surrogates"
    long = "events[0][0] must have at most 1024 characters (MAX_SYMBOL_CHARS)"
    bodies: list[tuple[bytes, str]] = [
        (b'{"evnts":[]}', "evnts is not a known field; did you mean events?"),
        (b'{"events":[["a",1]]}', "events[0][1] must be text"),
        (b'{"events":[[1]],"unique_id":""}', "events[0][0] must be text (and 1 more problem)"),
        (b"{}", either),
        (b'{"events":[["a"]],"observations":[]}', either),
        (b'{"observations":[],"emotives":{"a":1}}', inside),
        (b"3", "the line must be an object"),
        (b"null", "the line must be an object"),
        (b"[1", "the line is not valid JSON: it ends too early, at line 1, column 3"),
        (b'{"events":[["a"],["b"]],"events":[["c"],["d"]]}', "events is given more than once"),
        (b'{"events":[["a"]],"emotives":{"x":NaN}}', finite),
        (b'{"events":[["\xff"]]}', "the line is not valid UTF-8 at byte 14"),
        (b'{"events":[["\\ud800","a"]]}', unicode),
        (b'{"events":[["' + b"x" * 1025 + b'","a"]]}', long),
        (b'{"events":[["a"]],"user_id":"\\u0000"}', "user_id must consist of printable characters"),
    ]
    found, summary = streamed(api, b"\n".join(body for body, _ in bodies) + b"\n" + text([ok]))
    for (body, _), line in zip(bodies, found, strict=False):
        assert line["status"] == "error", body
    assert [line["error"]["message"] for line in found[:-1]] == [message for _, message in bodies]
    assert {line["error"]["code"] for line in found[:-1]} == {"VALIDATION_ERROR", "LIMIT_EXCEEDED"}
    assert found[-1]["status"] == "learned"
    assert (summary["errors"], summary["durable_through"]) == (len(bodies), len(bodies) + 1)


def test_errors_in_a_list_say_where_they_are(api: httpx.Client, user: str) -> None:
    found, _ = listed(api, [{"user_id": user, "events": [["a", "b"]]}, {"events": [["a", 1]]}, 3])
    assert found[0]["status"] == "learned"
    assert [line["error"]["message"] for line in found[1:]] == [
        "events[0][1] of sequences[1] must be text",
        "sequences[2] must be an object",
    ]


def test_a_reused_id_is_refused_by_line(api: httpx.Client, user: str) -> None:
    found, _ = learned(
        api,
        {"user_id": user, "events": [["a", "b"]], "unique_id": "1"},
        {"user_id": user, "events": [["c", "d"]], "unique_id": "1"},
        {"user_id": f"{user}-2", "events": [["c", "d"]], "unique_id": "1"},
    )
    assert [line["status"] for line in found] == ["learned", "error", "learned"]
    assert found[1]["error"]["code"] == "UNIQUE_ID_REUSED"
    assert found[1]["unique_id"] == "1"


def test_only_errors_are_shown_if_that_is_asked_for(api: httpx.Client, user: str) -> None:
    lines = [
        {"user_id": user, "events": [["a", "b"]]},
        {"x": 1},
        {"user_id": user, "events": [["a"]]},
    ]
    found, summary = streamed(api, text(lines), "?answers=errors")
    assert [line["line"] for line in found] == [2]
    assert summary["lines"] == 3
    assert [line["line"] for line in listed(api, lines, "?answers=errors")[0]] == [2]


def test_blank_lines_line_ends_and_a_missing_last_one_do_not_matter(
    api: httpx.Client, user: str
) -> None:
    line = json.dumps({"user_id": user, "events": [["a", "b"]]}).encode()
    found, summary = streamed(api, b"\n \n" + line + b"\r\n\r\n\t" + line + b" \n\n" + line)
    assert [one["line"] for one in found] == [3, 5, 7]
    assert summary["learned"] == 3
    assert streamed(api, b"")[1]["lines"] == 0
    assert streamed(api, b"\n" * 1_000_000 + line)[0][0]["line"] == 1_000_001


def test_a_byte_order_mark_is_refused_with_its_line(api: httpx.Client, user: str) -> None:
    line = json.dumps({"user_id": user, "events": [["a", "b"]]}).encode()
    found, _ = streamed(api, b"\xef\xbb\xbf" + line + b"\n" + line)
    assert found[0]["error"]["message"] == "the line must not start with a byte order mark"
    assert found[1]["status"] == "learned"


def test_a_line_that_is_too_long_is_skipped(api: httpx.Client, user: str) -> None:
    line = json.dumps({"user_id": user, "events": [["a", "b"]]}).encode()
    found, _ = streamed(api, line + b"\n" + b"x" * 3 * 2**20 + b"\n" + line + b"\n" + b"y" * 2**21)
    assert [(one["line"], one["status"]) for one in found] == [
        (1, "learned"),
        (2, "error"),
        (3, "learned"),
        (4, "error"),
    ]
    message = "the line exceeds 1048576 bytes; split its sequence"
    assert (found[1]["error"]["code"], found[1]["error"]["message"]) == ("BODY_TOO_LARGE", message)


def test_a_gzip_body_may_expand_to_any_size(api: httpx.Client, user: str) -> None:
    line = json.dumps({"user_id": user, "events": [["a", "b"]]}).encode()
    bomb = gzip.compress(line + b"\n" + b" " * 64 * 2**20 + b"\n" + line)
    found, summary = streamed(api, bomb, Content_Encoding="gzip")
    assert [one["line"] for one in found] == [1, 2, 3]
    assert found[1]["error"]["code"] == "BODY_TOO_LARGE"
    assert summary["complete"]
    cut, summary = streamed(api, bomb[:-20], Content_Encoding="gzip")
    assert (
        summary["error"]["message"] == "the body is not valid gzip: the compressed data is cut off"
    )
    assert (cut[0]["status"], summary["complete"]) == ("learned", False)
    response = api.post(
        "/v2/learn", content=b"", headers={"Content-Type": NDJSON, "Content-Encoding": "br"}
    )
    assert (response.status_code, code_of(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?answers=some", "the query parameter answers must be all or errors"),
        ("?answer=all", "the query parameter answer is not known; did you mean answers?"),
        ("?unique_id=", "the query parameter unique_id must not be empty"),
    ],
)
def test_a_wrong_query_is_refused_in_either_form(
    api: httpx.Client, query: str, message: str
) -> None:
    stream = api.post(f"/v2/learn{query}", content=b"", headers={"Content-Type": NDJSON})
    whole = api.post(f"/v2/learn{query}", json={"sequences": []})
    assert stream.status_code == whole.status_code == 422
    assert stream.json()["error"]["message"] == whole.json()["error"]["message"] == message


def test_a_list_of_too_many_is_refused_as_a_whole(api: httpx.Client) -> None:
    response = api.post("/v2/learn", json={"sequences": [{"events": [["a", "b"]]}] * 1001})
    assert response.status_code == 422
    assert response.json()["error"]["message"] == "sequences must have at most 1000 items"


def test_another_type_is_refused_with_both_that_are_taken(api: httpx.Client) -> None:
    response = api.post("/v2/learn", content=b"{}", headers={"Content-Type": "text/csv"})
    assert response.status_code == 415
    assert response.json()["error"]["message"] == (
        "the body must be JSON or lines of JSON; send Content-Type: application/json or"
        " application/x-ndjson"
    )


def test_outcomes_arrive_while_lines_are_sent(service_url: str, user: str) -> None:
    with LineStream(service_url) as stream:
        for number in range(1, 4):
            stream.send({"user_id": user, "events": [["a"], ["b"]]})
            assert stream.read() == {
                "line": number,
                "status": "learned",
                "pattern_name": AB,
                "frequency": number,
            }
        stream.end()
        assert stream.read()["summary"]["complete"]


def test_the_manual_shows_what_happens(api: httpx.Client, user: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text()
    section = page.partition("### Learning many sequences\n")[2]
    command, answer = section.split("```")[1:4:2]
    lines = re.findall(r"'(\{.*\})'", command)
    body = "\n".join(lines).replace('"alice"', f'"{user}"').replace('"bob"', f'"{user}-2"')
    headers = {"Content-Type": NDJSON}
    shown = api.post("/v2/learn", content=body, headers=headers).text
    assert shown == answer.partition("\n")[2]


def test_a_client_may_send_everything_before_it_reads(api: httpx.Client, user: str) -> None:
    lines = [
        {"user_id": user, "events": [["a"], [f"s{i}"]], "unique_id": f"{user}-{i}"}
        for i in range(20_000)
    ]
    found, summary = streamed(api, text(lines))
    assert [one["line"] for one in found] == list(range(1, 20_001))
    assert {one["frequency"] for one in found} == {1}
    assert summary["learned"] == 20_000


def test_curl_sends_a_file_as_it_is(service_url: str, user: str, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    path = tmp_path / "lines.ndjson"
    path.write_bytes(text({"user_id": user, "events": [["a"], [f"s{i}"]]} for i in range(30_000)))
    asked = ("-sS", "-X", "POST", "-T", path, "-H", f"Content-Type: {NDJSON}")
    command = (curl, *asked, f"{service_url}/v2/learn")
    done = subprocess.run(command, capture_output=True, check=True, timeout=120)
    assert outcomes(done.stdout)[1]["learned"] == 30_000


def test_a_client_that_disappears_leaves_whole_lines(
    api: httpx.Client, service_url: str, user: str
) -> None:
    lines = [
        {"user_id": user, "events": [["a"], [str(i)]], "unique_id": str(i)} for i in range(700)
    ]
    for end in (len(lines), 300):
        with LineStream(service_url) as stream:
            stream.send(*lines[:end])
            stream.send_raw(b'{"user_id":')
            stream.read()
    _, summary = learned(api, *lines)
    assert summary["learned"] + summary["repeated"] == len(lines)
    assert frequencies(api, user) == [1] * 700


def test_a_caller_may_open_some_streams_and_no_more(service_url: str, user: str) -> None:
    streams: list[LineStream] = []
    try:
        for _ in range(20):
            streams.append(LineStream(service_url))
            streams[-1].send({"user_id": user, "events": [["a"], ["b"]]})
            answer = streams[-1].read()
            if streams[-1].status != 200:
                break
        assert answer["error"]["code"] == "OVERLOADED"
        assert answer["error"]["message"].startswith(
            "15 streams of lines of this client address are open"
        )
        assert len(streams) == 16
        streams[0].end()
        assert streams[0].read()["summary"]["complete"]
    finally:
        for stream in streams:
            stream.socket.close()


def test_a_user_id_that_the_caller_may_not_act_as_is_refused_by_line(
    new_service: NewService, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.jsonl"
    bound = [key_line("writer", "write", user="alice"), key_line("reader", "read", user="alice")]
    keys.write_text("\n".join(bound))
    service = new_service(API_KEYS_FILE=str(keys))
    service.start()
    service.await_ready()
    whose: list[dict[str, str]] = [{}, {"user_id": "alice"}, {"user_id": "bob"}]
    lines = text({**one, "events": [["a"], ["b"]]} for one in whose)
    with callers(service.url) as caller:
        found, _ = streamed(caller("writer"), lines)
        assert [one.get("frequency") for one in found] == [1, 2, None]
        assert found[2]["error"]["code"] == "FORBIDDEN"
        for key, status in (("reader", 403), ("unknown", 401)):
            answer = caller(key).post("/v2/learn", content=lines, headers={"Content-Type": NDJSON})
            assert answer.status_code == status
