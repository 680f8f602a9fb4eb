"""However many requests come at once, the event loop goes on with everything else in between."""

import asyncio

import pytest

from kato_service.api.intake.admission import BEGUN_PER_TURN, Admission
from kato_service.errors import OverloadedError

MANY = 200


def admission(most: int = MANY) -> Admission:
    return Admission(max_requests=most, max_body_bytes=1024)


async def test_a_turn_of_the_loop_begins_a_few_in_the_order_of_their_coming() -> None:
    given, begun, per_turn = admission(), list[int](), list[int]()

    async def request(number: int) -> None:
        async with given.request():
            begun.append(number)

    requests = [asyncio.create_task(request(number)) for number in range(MANY)]
    while not all(one.done() for one in requests):
        before = len(begun)
        await asyncio.sleep(0)
        per_turn.append(len(begun) - before)
    assert begun == list(range(MANY))
    assert max(per_turn) <= BEGUN_PER_TURN
    # None of them waits for a turn that nobody uses.
    assert len(per_turn) <= MANY / BEGUN_PER_TURN + 3


async def test_the_turn_of_a_request_that_was_given_up_goes_to_the_next() -> None:
    given, begun = admission(), list[int]()

    async def request(number: int) -> None:
        async with given.request():
            begun.append(number)

    requests = [asyncio.create_task(request(number)) for number in range(4 * BEGUN_PER_TURN)]
    await asyncio.sleep(0)
    for one in requests[BEGUN_PER_TURN:-1]:
        one.cancel()
    await asyncio.gather(*requests, return_exceptions=True)
    assert begun == [*range(BEGUN_PER_TURN), len(requests) - 1]
    async with asyncio.timeout(5):
        await request(99)
    assert begun[-1] == 99


async def test_who_waits_for_his_turn_has_a_place_and_gives_it_back() -> None:
    given = admission(most=2 * BEGUN_PER_TURN)

    async def request() -> None:
        async with given.request():
            pass

    requests = [asyncio.create_task(request()) for _ in range(2 * BEGUN_PER_TURN)]
    await asyncio.sleep(0)  # half of them wait
    with pytest.raises(OverloadedError, match="repeat later"):
        # The places of those that began are free again.
        await asyncio.gather(*(request() for _ in range(BEGUN_PER_TURN + 1)))
    await asyncio.gather(*requests)
    await asyncio.gather(*(request() for _ in range(2 * BEGUN_PER_TURN)))
