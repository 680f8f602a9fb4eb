"""Parts of the Python client that send nothing: pauses, answers, errors, the generator."""

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kato_client import answers
from kato_client.attempts import Attempts
from kato_client.errors import ConnectionFailedError, KatoError, answer_error
from kato_client.requests import Request, answer, get, once, segment
from kato_client.transfers import ExportCheck

ROOT = Path(__file__).resolve().parents[2]
DELETE, READ = Request("DELETE", "/x"), get("/x")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(status: int, code: str, *, retryable: bool, after_s: float | None = None) -> KatoError:
    return answer_error(
        {"code": code, "retryable": retryable}, status=status, retry_after_s=after_s
    )


def attempts(clock: Clock, limit_s: float = 60.0) -> Attempts:
    """With the longest pauses that chance allows."""
    return Attempts(limit_s, attempt_s=40.0, clock=clock, jitter=lambda _, ceiling: ceiling)


def test_pauses_grow_to_a_ceiling_and_end_with_the_limit() -> None:
    clock = Clock()
    series = attempts(clock)
    error, pauses = ConnectionFailedError("cut off"), list[float]()
    while (pause_s := series.pause_s(error)) is not None:
        pauses.append(pause_s)
        clock.now += pause_s
    assert pauses[:7] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert 55 <= sum(pauses) < 60
    assert error.__notes__ == [f"gave up after attempt {len(pauses) + 1}, within 60 s"]


def test_an_attempt_that_came_further_begins_the_limit_anew() -> None:
    clock = Clock()
    series, cut = attempts(clock), ConnectionFailedError("cut off")
    for place in ((0, 9), (1, 0), (1, 7)):
        clock.now += 1000
        series.reached(*place)
        assert series.pause_s(cut) == 0.2
    clock.now += 59
    series.reached(1, 7)
    assert series.pause_s(cut) == 0.4
    clock.now += 1
    series.reached(1, 6)
    assert series.pause_s(cut) is None


def test_a_pattern_with_a_checksum_in_its_metadata_does_not_end_an_export() -> None:
    pattern = {"name": "0" * 40, "metadata": {"sha256": ["f" * 64]}}
    lines = [{"format": "kato-knowledge", "patterns": 1}, pattern]
    text = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    trailer = {"patterns": 1, "symbols": 0, "sha256": hashlib.sha256(text).hexdigest()}
    check = ExportCheck()
    check.add(text + json.dumps(trailer, separators=(",", ":")).encode() + b"\n")
    check.end()
    assert check.trailer == trailer


def test_what_the_instance_asks_for_is_the_least_pause() -> None:
    overloaded = refused(503, "OVERLOADED", retryable=True, after_s=2)
    assert attempts(Clock()).pause_s(overloaded) == 2.2
    full = refused(429, "SESSION_LIMIT_EXCEEDED", retryable=True, after_s=3000)
    assert attempts(Clock()).pause_s(full) is None


@pytest.mark.parametrize(
    "error",
    [
        refused(422, "VALIDATION_ERROR", retryable=False),
        refused(504, "MATCHING_BUDGET_EXCEEDED", retryable=False),
        refused(500, "INTERNAL_ERROR", retryable=False),
        ConnectionFailedError("wrong scheme", retryable=False),
    ],
)
def test_what_lasts_is_not_repeated(error: KatoError) -> None:
    assert attempts(Clock()).pause_s(error) is None


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_refusals_of_proxies_are_repeated(status: int) -> None:
    assert attempts(Clock()).pause_s(answer_error({}, status=status)) is not None


def test_an_attempt_never_waits_beyond_the_limit() -> None:
    clock = Clock()
    series = attempts(clock)
    assert series.left_s == 40
    clock.now = 59
    assert (series.left_s, series.is_over) == (1, False)
    clock.now = 61
    assert series.is_over
    assert series.left_s > 0


def test_what_a_lost_delete_deleted_is_gone() -> None:
    series = attempts(Clock())
    assert not series.was_done(DELETE)
    series.pause_s(ConnectionFailedError("cut off"))
    assert series.was_done(DELETE)
    assert not series.was_done(READ)


def test_a_delete_that_was_only_turned_away_did_nothing() -> None:
    series = attempts(Clock())
    series.pause_s(refused(429, "RATE_LIMITED", retryable=True, after_s=1))
    assert not series.was_done(DELETE)


def test_every_change_has_an_id_of_its_own() -> None:
    one, two = (once("/x", None, strings=["a"]).body for _ in range(2))
    assert one is not None
    assert two is not None
    assert one["unique_id"] != two["unique_id"]
    assert once("/x", "mine", strings=None).body == {"unique_id": "mine"}
    assert segment("a/b?c") == "a%2Fb%3Fc"


SESSION: dict[str, Any] = {
    "session_id": "s",
    "created_at": "2026-01-31T12:00:00.000Z",
    "expires_at": None,
    "config": {"recall_threshold": 0.1, "of_a_later_version": 1},
    "of_a_later_version": {"x": 1},
}


def test_fields_of_later_versions_are_kept_and_missing_ones_say_so() -> None:
    info = answers.SessionInfo.of(SESSION)
    assert info.created_at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert info.expires_at is None
    assert info.config.recall_threshold == 0.1
    assert info.raw["of_a_later_version"] == {"x": 1}
    assert "later" not in repr(info)
    assert info == answers.SessionInfo.of(dict(SESSION))
    assert info != answers.SessionInfo.of({})
    with pytest.raises(AttributeError, match="no 'user_id': select it with `fields`, or upgrade"):
        _ = info.user_id
    with pytest.raises(AttributeError, match="SessionInfo has no field 'of_a_later_version'"):
        info.of_a_later_version  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("status", "content"),
    [(200, b"<html>"), (200, b"[]"), (302, b"{}"), (204, b"")],
)
def test_answers_of_others_are_refused(status: int, content: bytes) -> None:
    with pytest.raises(KatoError, match="is this the address of an instance"):
        answer(status, {}, content)


def test_an_error_keeps_everything_of_the_envelope() -> None:
    content = (
        b'{"error": {"code": "RATE_LIMITED", "message": "too fast", "retryable": true,'
        b' "request_id": "r", "details": [{"retry_after_s": 2}]}}'
    )
    with pytest.raises(KatoError) as caught:
        answer(429, {"retry-after": "2"}, content)
    error = caught.value
    assert vars(error) == {
        "status": 429,
        "code": "RATE_LIMITED",
        "details": [{"retry_after_s": 2}],
        "request_id": "r",
        "retry_after_s": 2.0,
        "retryable": True,
        "fix": "send less often; retry_after_s says when to try again",
    }
    assert str(error) == f"too fast (RATE_LIMITED): {vars(error)['fix']}"


def test_the_synchronous_client_is_what_the_generator_makes() -> None:
    command = [sys.executable, "client/make_synchronous.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_client_takes_in_nothing_that_it_does_not_need() -> None:
    code = "import sys, kato_client; print({'websockets', 'typer', 'mcp'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
