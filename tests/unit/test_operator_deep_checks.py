"""When components are asked, when a failed check counts, and when a pass hears of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import aiohttp
import pytest

from kato_operator.errors import CheckFailedError
from kato_operator.manifests import Key
from kato_operator.stores.checks import Answer
from kato_operator.stores.deep_checks import CheckPolicy, DeepChecks, Findings

KEY = Key("default", "prod")
POLICY = CheckPolicy(interval_s=5.0, timeout_s=1.0, failure_threshold=3)
STORES = frozenset({"redis", "mongodb"})


class Component:
    """A component whose answer the test decides."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked = 0
        self.problem = ""
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self, http: aiohttp.ClientSession) -> Answer:
        self.asked += 1
        await self.answers.wait()
        if self.problem:
            raise CheckFailedError(self.problem)
        return self.answer


class World:
    """Deep checks of one instance, on a clock that the test moves."""

    def __init__(self, rate: float = 100.0, jitter: Callable[[], float] = lambda: 0.0) -> None:
        self.now = 1000.0
        self.passes = 0
        self.may_ask = True
        self.parts = {
            "redis": Component(Answer()),
            "mongodb": Component(Answer("prod-mongodb-0")),
            "service": Component(Answer(vouched=STORES)),
        }
        self.checks = DeepChecks(
            clock=lambda: self.now,
            changed=self._changed,
            rate=rate,
            may_ask=lambda: self.may_ask,
            jitter=jitter,
        )

    def _changed(self, key: Key) -> None:
        assert key == KEY
        self.passes += 1

    def look(self, *names: str) -> Findings:
        """What a pass does."""
        return self.checks.ask(KEY, "uid", {name: self.parts[name] for name in names}, POLICY)

    async def after(self, seconds: float = 0.0) -> None:
        """Let this time pass in steps of half a second, and everything due be asked."""
        for _ in range(int(seconds * 2) or 1):
            self.now += 0.5 if seconds else 0.0
            self.checks._sooner.set()
            await self.turn()
            while self.is_asking():
                await asyncio.sleep(0.001)

    async def turn(self) -> None:
        """Let what is due begin."""
        for _ in range(8):
            await asyncio.sleep(0)

    def is_asking(self) -> bool:
        asked = self.checks._asked.get("uid", {}).values()
        return any(item.is_in_progress for item in asked)

    async def until_asking(self) -> None:
        self.checks._sooner.set()
        while not self.is_asking():
            await asyncio.sleep(0.001)

    def asked(self) -> dict[str, int]:
        """How often each was asked since the last call."""
        found = {name: part.asked for name, part in self.parts.items()}
        for part in self.parts.values():
            part.asked = 0
        return found


@pytest.fixture
async def run() -> AsyncIterator[Callable[[World], Any]]:
    """Starts the checks of a world, and stops them at the end."""
    tasks: list[asyncio.Task[None]] = []

    def start(world: World) -> World:
        tasks.append(asyncio.create_task(world.checks.run()))
        return world

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


Run = Callable[[World], World]


async def test_a_pass_does_not_wait_and_hears_of_the_first_answers(run: Run) -> None:
    world = run(World())
    assert world.look("redis", "mongodb").awaited == {"redis", "mongodb"}
    assert world.asked()["redis"] == 0
    await world.after()
    assert world.passes == 2
    found = world.look("redis", "mongodb")
    assert found == Findings({}, {"redis": "", "mongodb": "prod-mongodb-0"}, frozenset())


async def test_a_finding_that_stays_the_same_causes_no_pass(run: Run) -> None:
    world = run(World())
    world.look("redis", "service")
    await world.after()
    before = world.passes
    await world.after(60)
    assert world.passes == before


async def test_a_store_that_the_service_calls_healthy_is_not_asked(run: Run) -> None:
    world = run(World())
    world.look("redis", "mongodb", "service")
    await world.after()
    assert world.asked() == {"redis": 1, "mongodb": 1, "service": 1}
    await world.after(20)
    assert world.asked() == {"redis": 0, "mongodb": 0, "service": 4}


async def test_where_the_service_is_asked_seldom_its_stores_are_not_asked_in_between(
    run: Run,
) -> None:
    world = run(World(rate=1 / 60, jitter=Random(1).random))  # every minute, more or less
    world.look("redis", "mongodb", "service")
    await world.after(120)
    world.asked()
    await world.after(900)
    asked = world.asked()
    assert (asked["redis"], asked["mongodb"]) == (0, 0)
    assert asked["service"] > 12


async def test_a_store_that_the_service_no_longer_calls_healthy_is_asked_at_once(run: Run) -> None:
    world = run(World())
    world.look("redis", "mongodb", "service")
    await world.after(5)
    world.asked()
    world.parts["service"].answer = Answer(vouched=frozenset({"redis"}), is_well=False)
    world.parts["mongodb"].problem = "no"
    await world.after(5)
    assert (world.asked()["redis"], world.look("redis", "mongodb", "service").failures) == (0, {})
    await world.after(10)
    assert world.look("redis", "mongodb", "service").failures == {"mongodb": "no"}


@pytest.mark.parametrize("end", ["fails", "is not asked"])
async def test_without_the_service_its_stores_are_asked(run: Run, end: str) -> None:
    world = run(World())
    world.look("redis", "mongodb", "service")
    await world.after(5)
    world.asked()
    if end == "fails":
        world.parts["service"].problem = "no"
    else:
        world.look("redis", "mongodb")
    await world.after(20)
    assert world.asked()["redis"] >= 3


async def test_one_that_has_never_answered_fails_at_once(run: Run) -> None:
    world = run(World())
    world.parts["redis"].problem = "no"
    world.look("redis")
    await world.after()
    assert world.look("redis").failures == {"redis": "no"}


async def test_one_that_has_never_answered_is_asked_again_sooner_at_first(run: Run) -> None:
    world = run(World())
    world.parts["redis"].problem = "no"
    world.look("redis")
    await world.after()
    world.asked()
    seen = []
    for pause in (1, 2, 4, 5, 5):
        await world.after(pause)
        seen.append(world.asked()["redis"])
    assert seen == [1, 1, 1, 1, 1]


async def test_one_that_has_answered_fails_at_the_threshold(run: Run) -> None:
    world = run(World())
    world.look("redis")
    await world.after()
    world.parts["redis"].problem = "no"
    seen = []
    for _ in range(3):
        await world.after(5)
        seen.append(world.look("redis").failures)
    assert seen == [{}, {}, {"redis": "no"}]
    passes = world.passes
    world.parts["redis"].problem = ""
    await world.after(5)
    assert (world.look("redis").failures, world.passes) == ({}, passes + 1)


async def test_one_that_stops_and_starts_again_has_to_answer_first(run: Run) -> None:
    world = run(World())
    world.look("redis")
    await world.after()
    world.look()
    world.asked()
    await world.after(20)
    assert world.asked()["redis"] == 0
    assert world.look("redis").awaited == {"redis"}
    await world.after()
    assert world.look("redis").awaited == frozenset()


async def test_one_that_is_asked_in_another_way_is_asked_at_once(run: Run) -> None:
    world = run(World())
    world.look("redis", "service")
    await world.after(1)
    world.asked()
    world.parts["redis"] = Component(Answer())
    world.look("redis", "service")
    await world.after()
    assert world.asked() == {"redis": 1, "mongodb": 0, "service": 0}


async def test_a_pass_of_an_instance_that_has_changed_asks_its_stores_again(run: Run) -> None:
    world = run(World())
    world.look("redis", "service")
    await world.after(6)
    world.asked()
    world.look("redis", "service")
    await world.after()
    assert world.asked()["redis"] == 1


async def test_many_instances_are_asked_less_often(run: Run) -> None:
    world = run(World(rate=0.1))
    world.look("redis")
    await world.after()
    world.asked()
    await world.after(8.5)
    assert world.asked()["redis"] == 0
    await world.after(1)
    assert world.asked()["redis"] == 1
    world.parts["redis"].problem = "no"
    await world.after(25)  # once it has failed, at its own interval
    assert world.look("redis").failures == {"redis": "no"}


async def test_one_that_does_not_answer_in_time_fails(run: Run) -> None:
    class Silent(Component):
        async def __call__(self, http: aiohttp.ClientSession) -> Answer:
            await asyncio.Event().wait()
            return self.answer

    world = run(World())
    world.parts["redis"] = Silent(Answer())
    policy = CheckPolicy(interval_s=5.0, timeout_s=0.01, failure_threshold=3)
    world.checks.ask(KEY, "uid", {"redis": world.parts["redis"]}, policy)
    async with asyncio.timeout(30):
        while not world.passes:
            await asyncio.sleep(0.01)
    found = world.checks.ask(KEY, "uid", {"redis": world.parts["redis"]}, policy)
    assert found.failures == {"redis": "did not answer within 0.01 s"}


async def test_nothing_is_asked_of_a_deleted_instance(run: Run) -> None:
    world = run(World())
    world.look("redis", "service")
    await world.after()
    world.checks.forget("uid")
    world.asked()
    await world.after(20)
    assert sum(world.asked().values()) == 0


async def test_an_answer_from_before_a_restart_does_not_count_and_another_one_is_waited_for(
    run: Run,
) -> None:
    world = run(World())
    redis = world.parts["redis"]
    world.look("redis")
    await world.after()
    redis.answers.clear()
    world.now += 5
    world.look("redis")
    await world.until_asking()
    world.look()  # its pod ends, and another one starts, before the answer
    assert world.look("redis").awaited == {"redis"}
    passes = world.passes
    redis.answers.set()
    await world.after()
    assert world.passes == passes + 1
    assert world.look("redis").awaited == frozenset()


async def test_a_pass_hears_of_an_answer_to_a_question_from_before_its_policy_changed(
    run: Run,
) -> None:
    world = run(World())
    redis, strict = world.parts["redis"], CheckPolicy(5.0, 1.0, failure_threshold=1)
    world.look("redis")
    await world.after()
    redis.problem = "no"
    await world.after(5)  # once, which three may be
    redis.problem = ""
    redis.answers.clear()
    world.now += 5
    world.look("redis")
    await world.until_asking()
    assert world.checks.ask(KEY, "uid", {"redis": redis}, strict).failures == {"redis": "no"}
    passes = world.passes
    redis.answers.set()
    await world.after()
    assert world.passes == passes + 1
    assert world.checks.ask(KEY, "uid", {"redis": redis}, strict).failures == {}


async def test_a_process_that_stands_by_asks_nobody_and_goes_on_afterwards(run: Run) -> None:
    world = run(World())
    world.look("redis", "service")
    await world.after()
    world.asked()
    world.may_ask = False
    await world.after(30)
    assert sum(world.asked().values()) == 0
    world.may_ask = True
    await world.after(10)
    assert world.asked()["service"] > 0


async def test_an_old_detail_is_not_given_of_one_that_has_to_answer_first(run: Run) -> None:
    world = run(World())
    world.look("mongodb")
    await world.after()
    assert world.look("mongodb").details == {"mongodb": "prod-mongodb-0"}
    world.look()
    assert world.look("mongodb").details == {"mongodb": ""}


async def test_the_stores_of_a_service_that_is_not_well_keep_their_interval(run: Run) -> None:
    world = run(World(rate=1 / 60))  # at rest, every minute
    world.look("redis", "mongodb", "service")
    await world.after()
    world.parts["service"].answer = Answer(vouched=frozenset({"redis"}), is_well=False)
    await world.after(65)
    world.asked()
    await world.after(30)
    asked = world.asked()
    assert (asked["redis"], asked["mongodb"]) == (0, asked["service"])
    assert asked["service"] >= 5


async def test_what_does_not_run_takes_no_share_of_the_rate(run: Run) -> None:
    world = run(World(rate=1 / 10))
    for number in range(9):
        world.checks.ask(KEY, f"asleep {number}", {}, POLICY)
    world.look("service")
    await world.after()
    world.asked()
    await world.after(40)
    assert world.asked()["service"] >= 3
