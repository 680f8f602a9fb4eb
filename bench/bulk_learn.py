"""Bulk learns next to learns in sessions: patterns per second, and processor time for each.

`bulk_learn.py [URL OF A MONGODB | quick]`: without one, knowledge is in SQLite. ``quick`` is
`quick_mongodb.py`, a stand-in that answers at once: what is left is the service's own share, and
the round trips that it needs are counted. FerretDB scans the log for every find: with tens of
thousands of entries, patterns per second are FerretDB's, and the load gives up waiting. Wall-clock
figures depend on what else the machine does; compare the processor time, and the ways within one
run.
"""

import http.client
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from embedded import PORT, directory, processor_s, service
from engine import Row
from quick_mongodb import quick_mongodb, taken_counts

LINES, SESSION_LEARNS, REQUESTS_LINES = 40_000, 300, 500
"""Patterns of a stream, of the sessions, and of a request with a list."""
EVENTS, SYMBOLS = 4, 5000
VIEWS_S = 2.0
"""Seconds in which the views of what was learned are written after the last answer."""


def bulk_rows(
    mongo_url: str | None = None, *, counted: Callable[[], int] | None = None
) -> list[Row]:
    """One row for each way to learn short patterns, on one worker.

    Args:
        counted: Gives the round trips to the store since it was last called.
    """
    store = {"MONGO_BASE_URL": mongo_url, "MONGO_DATABASE": uuid4().hex} if mongo_url else {}
    with directory() as data, service(data, VECTORS="disabled", **store) as client:
        return _measured(client.pid, "mongodb" if mongo_url else "sqlite", counted)


def quick_rows() -> list[Row]:
    """The same on the stand-in, with round trips per 1000 patterns."""
    with quick_mongodb() as url:
        return bulk_rows(url, counted=lambda: sum(taken_counts(url).values()))


def _measured(pid: int, store: str, counted: Callable[[], int] | None) -> list[Row]:
    _streamed("warm", 2000)
    time.sleep(VIEWS_S)
    ways: list[tuple[str, int, Callable[[], None]]] = [
        ("observe-sequence that learns", SESSION_LEARNS, _in_a_session),
        ("list of lines", 20 * REQUESTS_LINES, _in_lists),
        ("stream", LINES, lambda: _streamed("plain", LINES)),
        ("stream, lines with ids", LINES, lambda: _streamed("named", LINES, named=True)),
    ]
    rows: list[Row] = []
    for way, count, learn in ways:
        if counted:
            counted()
        used, began = processor_s(pid), time.perf_counter()
        learn()
        wall, answered = time.perf_counter() - began, processor_s(pid)
        time.sleep(VIEWS_S)
        asked = {"round_trips_per_1000": round(counted() / count * 1000, 1)} if counted else {}
        rows.append(
            {
                "store": store,
                "way": way,
                "patterns": count,
                "per_s": round(count / wall),
                "processor_us": round((answered - used) / count * 1e6, 1),
                "with_views_us": round((processor_s(pid) - used) / count * 1e6, 1),
                **asked,
            }
        )
    for row in rows:
        row["times_cheaper"] = round(rows[0]["processor_us"] / row["processor_us"], 1)
    return rows


def _in_a_session() -> None:
    connection = _connection()
    created = _asked(connection, "/v2/sessions", {"user_id": "session"})
    path = f"/v2/sessions/{created['session_id']}/observe-sequence"
    for line in _lines("session", SESSION_LEARNS):
        observations = [{"strings": event} for event in line["events"]]
        _asked(connection, path, {"observations": observations, "learn_at_end": True})


def _in_lists() -> None:
    connection = _connection()
    lines = list(_lines("list", 20 * REQUESTS_LINES))
    for first in range(0, len(lines), REQUESTS_LINES):
        some = lines[first : first + REQUESTS_LINES]
        answer = _asked(connection, "/v2/learn?answers=errors", {"sequences": some})
        assert answer["summary"]["learned"] == len(some)


def _streamed(user: str, count: int, *, named: bool = False) -> None:
    lines = _lines(user, count, named=named)
    body = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    connection = _connection()
    kind = {"Content-Type": "application/x-ndjson"}
    connection.request("POST", "/v2/learn?answers=errors", body, kind)
    summary = json.loads(connection.getresponse().read().splitlines()[-1])["summary"]
    assert summary["learned"] == count, summary


def _lines(user: str, count: int, *, named: bool = False) -> Iterator[dict[str, Any]]:
    chance = random.Random(user)
    for number in range(count):
        events = [[f"s{chance.randrange(SYMBOLS)}"] for _ in range(EVENTS)]
        name = {"unique_id": f"{user}-{number}"} if named else {}
        yield {"user_id": user, "events": events, **name}


def _asked(connection: http.client.HTTPConnection, path: str, body: Any) -> Any:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())


def _connection() -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else None
    for measured in quick_rows() if given == "quick" else bulk_rows(given):
        print(json.dumps(measured))
