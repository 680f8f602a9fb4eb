"""What the service measures about itself, and whom it tells of what happens."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from kato_service.api.intake.admission import Admission
from kato_service.api.monitoring.accepting import wants_json
from kato_service.api.monitoring.concurrency import concurrency
from kato_service.domain.shares import Holder
from kato_service.errors import StoreUnavailableError
from kato_service.monitoring.feed import MAX_WAITING, Event, EventFeed
from kato_service.monitoring.history import INTERVAL_S, Counts, History
from kato_service.monitoring.metrics import Totals
from kato_service.monitoring.resources import CPU, DISK, MEMORY, ResourceMeter
from kato_service.monitoring.session_count import SessionCount
from kato_service.processing.results import LearnResult, ObservationResult, SequenceResult

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
OLD_PROMETHEUS = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/json, text/plain, */*", True),
        ("text/plain, application/json", False),
        ("application/json, */*;q=0.5", True),
        ("application/json;q=0.5, */*", False),
        ("application/*", True),
        ("application/json;q=0, */*", False),
        ("application/json;q=0", False),
        ("application/json;q=x, text/plain;q=0.1", False),
        ("text/plain", False),
        ("text/*", False),
        ("application/problem+json", False),
        (PROMETHEUS, False),
        (OLD_PROMETHEUS, False),
        (BROWSER, False),
    ],
)
@pytest.mark.parametrize("by_default", [False, True])
def test_a_request_that_names_a_form_gets_the_one_it_prefers(
    accept: str, json: bool, by_default: bool
) -> None:
    assert wants_json([accept], by_default=by_default) is json


@pytest.mark.parametrize("headers", [[], [""], ["*/*"], ["*/*;q=0.8"], [" */* , "]])
@pytest.mark.parametrize("by_default", [False, True])
def test_a_request_that_takes_any_form_gets_the_default(
    headers: list[str], by_default: bool
) -> None:
    assert wants_json(headers, by_default=by_default) is by_default


def test_repeated_headers_count_as_one() -> None:
    assert wants_json(["text/plain;q=0.5", "application/json"], by_default=False)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def counts(requests: int, requests_s: float = 0.0) -> Counts:
    return Counts(Totals(requests=requests, requests_s=requests_s), 3, {})


def filled(clock: Clock, samples: int) -> History:
    """A history in which each interval had 5 requests of 0.1 s."""
    history = History(clock, clock)
    for number in range(samples):
        history.add(counts(5 * number, 0.5 * number), {CPU: number})
        clock.now += INTERVAL_S
    return history


def test_a_range_has_the_samples_of_its_minutes() -> None:
    clock = Clock()
    history = filled(clock, 20)
    assert [sample.values[CPU] for sample in history.of(1)] == [14, 15, 16, 17, 18, 19]
    assert len(history.of(60)) == len(history) == 20
    assert history.of(1)[-1].at == clock.now - INTERVAL_S


def test_samples_of_more_than_an_hour_ago_are_dropped() -> None:
    assert len(filled(Clock(), 1000)) == 361


def test_a_sample_has_the_mean_of_its_interval_if_anything_was_done() -> None:
    clock = Clock()
    history = filled(clock, 2)
    first, second = history.of(1)
    assert "kato_request_duration_seconds" not in first.values
    assert second.values["kato_request_duration_seconds"] == pytest.approx(0.1)
    history.add(counts(5, 0.5), {})
    assert history.latest is not None
    assert "kato_request_duration_seconds" not in history.latest.values


def test_a_rate_is_what_was_counted_in_the_last_minute() -> None:
    clock = Clock()
    young = filled(clock, 3)
    assert young.per_minute("kato_requests_total", 12) == 12
    clock = Clock()
    old = filled(clock, 100)
    assert old.per_minute("kato_requests_total", 500) == pytest.approx(30)
    assert old.per_minute("kato_requests_total", 0) == 0


def test_resources_are_shares_of_what_the_process_may_use(tmp_path: Path) -> None:
    meter = ResourceMeter(tmp_path / "not" / "there", cores=1, memory_bytes=2**34)
    for _ in range(2):
        found = meter.read()
        assert 0 <= found[CPU] <= 100
        assert 0 < found[MEMORY] < 50
        assert 0 < found[DISK] < 100
        sum(range(100_000))


async def test_sessions_are_counted_soon_after_a_change() -> None:
    asked, live = [], [1]

    async def count() -> int:
        asked.append(live[0])
        return live[0]

    counting = SessionCount(count, lambda: True, interval_s=1000)
    assert (counting.latest, counting.is_current) == (0, False)
    task = asyncio.create_task(counting.run())
    await until(lambda: counting.is_current)
    assert counting.latest == 1
    live[0] = 2
    for _ in range(1000):
        counting.changed()
    await until(lambda: counting.latest == 2)
    await asyncio.sleep(0.6)
    assert len(asked) <= 3
    task.cancel()


async def test_the_last_count_stays_while_the_store_does_not_answer() -> None:
    answers: list[int | Exception] = [7]

    async def count() -> int:
        found = answers[0]
        if isinstance(found, Exception):
            raise found
        return found

    counting = SessionCount(count, lambda: True, interval_s=1000)
    await counting.look()
    answers[0] = StoreUnavailableError("redis did not answer")
    await counting.look()
    assert (counting.latest, counting.is_current) == (7, False)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


def event(number: int, processor_id: str = "kato") -> Event:
    return Event("session.created", processor_id, f"s{number}", at=0.0, more={"user_id": None})


async def test_a_follower_gets_the_events_that_it_wants_in_order() -> None:
    feed = EventFeed()
    with feed.follower(lambda one: one.processor_id == "mine") as follower:
        assert feed.is_followed
        for number in range(3):
            feed.deliver(event(number, "mine"))
            feed.deliver(event(number, "theirs"))
        assert [(await follower.next()).session_id for _ in range(3)] == ["s0", "s1", "s2"]
        assert follower.missed == 0
    assert not feed.is_followed


async def test_a_follower_that_does_not_read_holds_a_bounded_number_and_knows_of_the_gap() -> None:
    feed = EventFeed()
    with feed.follower(lambda _: True) as follower:
        for number in range(3 * MAX_WAITING + 1):
            feed.deliver(event(number))
        assert follower.missed == 3 * MAX_WAITING
        assert (await follower.next()).session_id == f"s{3 * MAX_WAITING}"


def observed(**fields: object) -> ObservationResult:
    return ObservationResult("s", "kato", 1, 1, "u", **fields)  # type: ignore[arg-type]  # a test's


def sequence(*automatic: str, final: str = "", repeated: bool = False) -> SequenceResult:
    return SequenceResult("s", "kato", 1, (), automatic, final, 0, 1, "u", repeated)


@pytest.mark.parametrize(
    ("result", "more"),
    [
        (observed(), None),
        (observed(auto_learned_pattern="a"), {"pattern": "a", "count": 1}),
        (observed(auto_learned_pattern="a", repeated=True), None),
        (LearnResult("s", "kato", "learned", "b", 1, "u"), {"pattern": "b", "count": 1}),
        (LearnResult("s", "kato", "learned", "b", 1, "u", True), None),
        (LearnResult("s", "kato", "insufficient_data", "", 0, "u"), None),
        (sequence(), None),
        (sequence("a", "b"), {"pattern": "b", "count": 2}),
        (sequence("a", final="c"), {"pattern": "c", "count": 2}),
        (sequence("a", final="c", repeated=True), None),
        (object(), None),
    ],
)
async def test_an_answer_is_an_event_if_it_says_that_something_was_learned(
    result: object, more: dict[str, object] | None
) -> None:
    feed = EventFeed()
    with feed.follower(lambda _: True) as follower:
        feed.answered(result)
        feed.deliver(event(0))
        first = await follower.next()
    assert first.more == (more or event(0).more)


async def test_concurrency_is_of_the_requests_in_progress() -> None:
    admission = Admission(max_requests=10, max_body_bytes=1)
    async with admission.request(Holder("address", "a")):
        found = concurrency(admission, workers=3)
    assert found["status"] == "healthy"
    assert found["current"] == {"concurrent_requests": 1, "utilization_percent": 10.0}
    assert found["limits"] == {
        "per_worker": 10,
        "warning_threshold": 8,
        "critical_threshold": 9,
        "total_capacity": 30,
    }
    assert concurrency(admission, workers=3)["peak"]["concurrent_requests"] == 1
    assert concurrency(admission, workers=3)["current"]["concurrent_requests"] == 0


async def test_a_worker_that_was_almost_full_recommends_more() -> None:
    admission = Admission(max_requests=10, max_body_bytes=1)
    holders = [admission.request(Holder("address", str(number))) for number in range(9)]
    for holder in holders:
        await holder.__aenter__()
    found = concurrency(admission, workers=1)
    assert found["status"] == found["recommendations"][0]["level"] == "critical"
    for holder in holders[:2]:
        await holder.__aexit__(None, None, None)
    found = concurrency(admission, workers=1)
    assert (found["status"], found["recommendations"][0]["level"]) == ("healthy", "critical")
    for holder in holders[2:]:
        await holder.__aexit__(None, None, None)
