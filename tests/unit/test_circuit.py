"""The circuit of a store: what opens it, what closes it, and what its monitor reports."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from kato_service.connections.circuit import Circuit
from kato_service.connections.monitor import CheckPlan, StoreMonitor
from kato_service.connections.store_pool import PoolUsage
from kato_service.errors import StoreRefusedError, StoreUnavailableError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit("redis", opens_after=3, clock=clock)


def unanswered(exc: Exception) -> bool:
    return isinstance(exc, ConnectionError)


def call(circuit: Circuit, error: Exception | None = None) -> None:
    with circuit.guarding(unanswered):
        if error is not None:
            raise error


def fail(circuit: Circuit, clock: Clock, times: int = 1) -> None:
    for _ in range(times):
        clock.now += 1
        with pytest.raises(ConnectionError):
            call(circuit, ConnectionError())


def test_failures_in_a_row_open_the_circuit_and_calls_are_refused_unsent(
    circuit: Circuit, clock: Clock
) -> None:
    fail(circuit, clock, 2)
    assert not circuit.is_open
    with capture_logs() as logs:
        fail(circuit, clock)
    assert [(line["event"], line["store"]) for line in logs] == [("circuit opened", "redis")]
    sent = False
    with pytest.raises(StoreUnavailableError, match="retry later"), circuit.guarding(unanswered):
        sent = True
    assert not sent


def test_an_answer_in_between_starts_the_count_over(circuit: Circuit, clock: Clock) -> None:
    for _ in range(5):
        fail(circuit, clock, 2)
        call(circuit)
    assert not circuit.is_open


def test_a_refusal_by_the_store_is_not_a_failure(circuit: Circuit) -> None:
    for _ in range(5):
        with pytest.raises(ValueError, match="full"):
            call(circuit, ValueError("full"))
    assert (circuit.is_open, circuit.errors) == (False, 0)


def test_calls_that_fail_together_count_as_one_failure(circuit: Circuit, clock: Clock) -> None:
    clock.now = 1.0
    for _ in range(50):
        circuit.failed(began=0.5)
    assert (circuit.failures, circuit.errors) == (1, 50)


def test_a_probe_closes_the_circuit_and_a_late_answer_does_not(
    circuit: Circuit, clock: Clock
) -> None:
    with capture_logs() as logs:
        with circuit.guarding(unanswered):  # sent before the circuit opened, answered after
            fail(circuit, clock, 3)
        assert circuit.is_open
        circuit.probed()
    call(circuit)
    assert [line["event"] for line in logs] == ["circuit opened", "circuit closed"]


def test_a_circuit_without_a_limit_never_opens(clock: Clock) -> None:
    circuit = Circuit("redis", clock=clock)
    fail(circuit, clock, 100)
    assert not circuit.is_open


class SwitchedStore:
    """A store that answers, fails or refuses as the test says; `asked` counts its probes."""

    name = "redis"
    backend = "redis"

    def __init__(self) -> None:
        self.answers = True
        self.refuses = False
        self.asked = 0

    async def open(self) -> None: ...

    async def check(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if not self.answers:
            raise StoreUnavailableError("no answer")
        if self.refuses:
            raise StoreRefusedError("its disk is full")

    def usage(self) -> PoolUsage:
        return PoolUsage()

    async def close(self) -> None: ...


@asynccontextmanager
async def monitored(store: SwitchedStore, circuit: Circuit) -> AsyncIterator[StoreMonitor]:
    monitor = StoreMonitor(store, circuit, CheckPlan(interval_s=60, failures=3))
    running = asyncio.create_task(monitor.run())
    yield monitor
    running.cancel()


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not look():
            await asyncio.sleep(0.005)


async def test_a_failed_call_makes_the_monitor_probe_at_once() -> None:
    store, circuit = SwitchedStore(), Circuit("redis", opens_after=3)
    async with monitored(store, circuit) as monitor:
        await until(lambda: monitor.usable)
        store.answers = False
        with pytest.raises(ConnectionError):
            call(circuit, ConnectionError())
        await until(lambda: circuit.is_open)
        assert monitor.health().status == "unhealthy"
        store.answers = True
        await until(lambda: not circuit.is_open)
        assert (monitor.usable, monitor.health().status) == (True, "healthy")


async def test_a_single_failed_call_costs_one_probe() -> None:
    store, circuit = SwitchedStore(), Circuit("redis", opens_after=3)
    async with monitored(store, circuit) as monitor:
        await until(lambda: monitor.usable)
        with pytest.raises(ConnectionError):
            call(circuit, ConnectionError())
        assert monitor.health().status == "degraded"
        await until(lambda: circuit.failures == 0)
        assert (store.asked, circuit.is_open) == (2, False)


async def test_a_store_that_refuses_is_degraded_and_still_usable() -> None:
    store, circuit = SwitchedStore(), Circuit("redis", opens_after=1)
    monitor = StoreMonitor(store, circuit, CheckPlan())
    assert await monitor.check()
    store.refuses = True
    assert await monitor.check()
    assert (monitor.usable, monitor.health().status) == (True, "degraded")
    store.refuses = False
    assert await monitor.check()
    assert monitor.health().status == "healthy"


async def test_a_store_that_was_never_set_up_is_not_usable() -> None:
    store, circuit = SwitchedStore(), Circuit("redis", opens_after=3)
    store.answers = False
    async with monitored(store, circuit) as monitor:
        await until(lambda: circuit.is_open)
        assert not monitor.usable
        store.answers = True
        await until(lambda: monitor.usable)
