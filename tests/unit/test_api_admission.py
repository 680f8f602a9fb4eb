"""However many requests arrive at once, the event loop runs everything else between them."""

import asyncio

import pytest

from kato_service.api.intake.admission import STARTED_PER_TURN, Admission
from kato_service.errors import OverloadedError

MANY = 200


def admission(most: int = MANY) -> Admission:
    return Admission(max_requests=most, max_body_bytes=1024)


async def test_a_turn_of_the_loop_starts_a_few_requests_in_order_of_arrival() -> None:
    given, started, per_turn = admission(), list[int](), list[int]()

    async def request(number: int) -> None:
        async with given.request():
            started.append(number)

    requests = [asyncio.create_task(request(number)) for number in range(MANY)]
    while not all(one.done() for one in requests):
        before = len(started)
        await asyncio.sleep(0)
        per_turn.append(len(started) - before)
    assert started == list(range(MANY))
    assert max(per_turn) <= STARTED_PER_TURN
    # No turn passes unused while requests wait.
    assert len(per_turn) <= MANY / STARTED_PER_TURN + 3


async def test_the_turn_of_a_cancelled_request_goes_to_the_next() -> None:
    given, started = admission(), list[int]()

    async def request(number: int) -> None:
        async with given.request():
            started.append(number)

    requests = [asyncio.create_task(request(number)) for number in range(4 * STARTED_PER_TURN)]
    await asyncio.sleep(0)
    for one in requests[STARTED_PER_TURN:-1]:
        one.cancel()
    await asyncio.gather(*requests, return_exceptions=True)
    assert started == [*range(STARTED_PER_TURN), len(requests) - 1]
    async with asyncio.timeout(5):
        await request(99)
    assert started[-1] == 99


async def test_a_waiting_request_holds_a_place_and_gives_it_back() -> None:
    given = admission(most=2 * STARTED_PER_TURN)

    async def request() -> None:
        async with given.request():
            pass

    requests = [asyncio.create_task(request()) for _ in range(2 * STARTED_PER_TURN)]
    await asyncio.sleep(0)  # half of them wait for their turn
    with pytest.raises(OverloadedError, match="retry later"):
        # Those that started have given their places back.
        await asyncio.gather(*(request() for _ in range(STARTED_PER_TURN + 1)))
    await asyncio.gather(*requests)
    await asyncio.gather(*(request() for _ in range(2 * STARTED_PER_TURN)))
