"""Which callers share a look-up, and which get the next one."""

import asyncio

import pytest

from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.replica.single_flight import SingleFlight


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_callers_that_ask_during_a_look_up_share_the_next_one() -> None:
    started: list[int] = []
    go = asyncio.Event()

    async def look_up() -> None:
        started.append(len(started))
        await go.wait()

    lookup = SingleFlight(look_up)
    first = [asyncio.create_task(lookup.ask()) for _ in range(3)]
    await settled()
    later = [asyncio.create_task(lookup.ask()) for _ in range(3)]
    await settled()
    assert started == [0]
    go.set()
    await asyncio.gather(*first, *later)
    assert started == [0, 1]


async def test_a_failed_look_up_fails_for_all_its_callers_and_for_no_later_ones() -> None:
    outcomes: list[Exception | None] = [StoreUnavailableError("away"), None]

    async def look_up() -> None:
        await asyncio.sleep(0)
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    lookup = SingleFlight(look_up)
    answers = await asyncio.gather(lookup.ask(), lookup.ask(), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailableError] * 2
    await lookup.ask()


async def test_a_cancelled_caller_leaves_the_look_up_to_the_others() -> None:
    go = asyncio.Event()
    lookup = SingleFlight(lambda: asyncio.wait_for(_waited(go), 5))
    one, other = asyncio.create_task(lookup.ask()), asyncio.create_task(lookup.ask())
    await settled()
    one.cancel()
    await settled()
    go.set()
    await other
    with pytest.raises(asyncio.CancelledError):
        await one


async def _waited(event: asyncio.Event) -> None:
    await event.wait()
