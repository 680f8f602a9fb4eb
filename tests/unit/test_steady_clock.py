"""What lasts is measured by a clock that nobody sets."""

from typing import Any

import pytest

from kato_service.errors import SessionNotFoundError
from kato_service.sessions.memory import MemorySessionStore
from kato_service.sessions.steady_clock import SteadyClock
from kato_service.sessions.store import Limits, NewSession

TTL_S = 60


class Clocks:
    """A steady clock and a wall clock that move only when told."""

    def __init__(self) -> None:
        self.steady, self.wall = 5_000.0, 1_700_000_000.0
        self.store = MemorySessionStore(SteadyClock(lambda: self.steady, lambda: self.wall))

    def pass_time(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds

    async def create(self, **fields: Any) -> Any:
        given = {"session_id": "s", "incarnation": "i", "user_id": None, "processor_id": "kb",
                 "ttl_s": TTL_S, "metadata": {}, "overrides": {}} | fields  # fmt: skip
        return await self.store.create(NewSession(**given), Limits(9, None))


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.mark.parametrize("step_s", [1e9, -1e9, 3600.0, -3600.0, 2.0, -2.0])
async def test_setting_the_wall_clock_ends_no_session_and_prolongs_none(
    clocks: Clocks, step_s: float
) -> None:
    await clocks.create()
    clocks.pass_time(TTL_S / 2)
    clocks.wall += step_s
    assert await clocks.store.exists("s")
    clocks.pass_time(TTL_S / 2 - 0.5)
    assert await clocks.store.load("s") is not None
    clocks.pass_time(0.5)
    assert await clocks.store.load("s") is None
    assert await clocks.store.count() == 0


@pytest.mark.parametrize("step_s", [1e9, -1e9])
async def test_extending_counts_from_now_by_the_steady_clock(clocks: Clocks, step_s: float) -> None:
    await clocks.create()
    clocks.wall += step_s
    extended = await clocks.store.extend("s", 10)
    assert extended is not None
    assert extended.expires_at == pytest.approx(clocks.wall + 10)
    clocks.pass_time(9.5)
    clocks.wall -= step_s
    assert await clocks.store.exists("s")
    clocks.pass_time(0.5)
    assert not await clocks.store.exists("s")


async def test_the_expiry_is_shown_by_the_wall_clock_as_it_is_set_now(clocks: Clocks) -> None:
    created = await clocks.create()
    assert created.expires_at == clocks.wall + TTL_S
    clocks.wall += 3600
    shown = await clocks.store.load("s")
    assert shown is not None
    assert shown.expires_at == pytest.approx(clocks.wall + TTL_S)
    lock = await clocks.store.lock("s", "me", rolling_forward=False)
    assert lock is not None
    assert lock.locked_at == pytest.approx(clocks.wall)
    assert lock.state.expires_at == pytest.approx(clocks.wall + TTL_S)


async def test_drift_and_slewing_leave_an_expiry_exactly_as_it_was_shown(clocks: Clocks) -> None:
    created = await clocks.create()
    for drift_s in (0.0004, -0.3, 0.9):
        clocks.pass_time(1.0)
        clocks.wall += drift_s / 3
        shown = await clocks.store.load("s")
        assert shown is not None
        assert shown.expires_at == created.expires_at


@pytest.mark.parametrize("step_s", [1e9, -1e9])
async def test_locks_and_pending_changes_age_by_the_steady_clock(
    clocks: Clocks, step_s: float
) -> None:
    await clocks.create()
    assert await clocks.store.lock("s", "one", rolling_forward=False) is not None
    clocks.wall += step_s
    assert await clocks.store.lock("s", "two", rolling_forward=False) is None
    clocks.pass_time(2.0)
    assert await clocks.store.lock("s", "two", rolling_forward=False) is not None
    clocks.pass_time(TTL_S)
    clocks.wall -= step_s
    with pytest.raises(SessionNotFoundError):
        await clocks.store.lock("s", "three", rolling_forward=False)
