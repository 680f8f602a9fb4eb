"""However many requests arrive at once, the event loop runs everything else between them."""

import asyncio
from contextlib import AsyncExitStack, ExitStack
from uuid import uuid4

import pytest

from kato_service.api.intake.admission import MAX_SUBSCRIPTIONS, STARTED_PER_TURN, Admission
from kato_service.domain.shares import Holder
from kato_service.errors import OverloadedError

MANY = 200


def address(name: str) -> Holder:
    return Holder("address", name)


ONE = address("one")


def admission(most: int = MANY) -> Admission:
    return Admission(max_requests=most, max_body_bytes=1024)


async def test_a_turn_of_the_loop_starts_a_few_requests_in_order_of_arrival() -> None:
    given, started, per_turn = admission(), list[int](), list[int]()

    async def request(number: int) -> None:
        async with given.request(address(uuid4().hex)):
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
        async with given.request(address(uuid4().hex)):
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
        async with given.request(address(uuid4().hex)):
            pass

    requests = [asyncio.create_task(request()) for _ in range(2 * STARTED_PER_TURN)]
    await asyncio.sleep(0)  # half of them wait for their turn
    with pytest.raises(OverloadedError, match="retry later"):
        # Those that started have given their places back.
        await asyncio.gather(*(request() for _ in range(STARTED_PER_TURN + 1)))
    await asyncio.gather(*requests)
    await asyncio.gather(*(request() for _ in range(2 * STARTED_PER_TURN)))


async def test_one_caller_leaves_a_tenth_of_the_places_to_others() -> None:
    given = admission(most=20)
    async with AsyncExitStack() as held:
        for _ in range(18):
            await held.enter_async_context(given.request(ONE))
        with pytest.raises(OverloadedError, match=r"^18 requests of this client address are"):
            await held.enter_async_context(given.request(ONE))
        for _ in range(2):
            await held.enter_async_context(given.request(address("other")))
        with pytest.raises(OverloadedError, match=r"^20 requests are in progress"):
            await held.enter_async_context(given.request(address("third")))
    async with given.request(ONE):
        pass


def test_one_caller_leaves_the_bytes_of_one_body_to_others() -> None:
    given = admission()
    with ExitStack() as held:
        for _ in range(7):
            held.enter_context(given.body(ONE)).received(1024)
        with pytest.raises(OverloadedError, match="bodies of this client address in progress"):
            held.enter_context(given.body(ONE)).received(1)
        held.enter_context(given.body(address("other"))).received(1024)
        with pytest.raises(OverloadedError, match=r"^the bodies in progress"):
            held.enter_context(given.body(address("third"))).received(1)
    with given.body(ONE) as body:
        body.received(1024)


def test_one_caller_leaves_a_tenth_of_the_sockets_to_others() -> None:
    given = Admission(max_requests=1, max_body_bytes=1, max_sockets=10)
    with ExitStack() as held:
        for _ in range(9):
            held.enter_context(given.socket(ONE))
        with pytest.raises(OverloadedError, match=r"^9 WebSockets of this client address"):
            held.enter_context(given.socket(ONE))
        held.enter_context(given.socket(address("other")))
        with pytest.raises(OverloadedError, match=r"^10 WebSockets are open"):
            held.enter_context(given.socket(address("third")))
    with given.socket(ONE):
        pass


def test_one_caller_leaves_a_tenth_of_the_subscriptions_to_others() -> None:
    given = Admission(max_requests=1, max_body_bytes=1)
    of_caller = MAX_SUBSCRIPTIONS * 9 // 10
    with ExitStack() as held:
        for _ in range(of_caller):
            held.enter_context(given.subscription(ONE))
        with pytest.raises(OverloadedError, match=r"^900 subscriptions of this client address"):
            held.enter_context(given.subscription(ONE))
        for _ in range(MAX_SUBSCRIPTIONS - of_caller):
            held.enter_context(given.subscription(address("other")))
        with pytest.raises(OverloadedError, match=r"^1000 subscriptions are open"):
            held.enter_context(given.subscription(address("third")))
    with given.subscription(ONE):
        pass


async def test_a_request_counts_for_its_key_once_that_is_known() -> None:
    given, key = admission(most=20), Holder("key", "shop")
    async with AsyncExitStack() as held:
        for _ in range(18):
            place = await held.enter_async_context(given.request(ONE))
            place.count_for(key)
        place = await held.enter_async_context(given.request(ONE))
        with pytest.raises(OverloadedError, match=r"^18 requests of this API key are"):
            place.count_for(key)
        place.count_for(Holder("key", "other"))
    async with AsyncExitStack() as held:
        for _ in range(18):  # all were given back, whoever they counted for
            place = await held.enter_async_context(given.request(ONE))
        place.count_for(key)
        place = await held.enter_async_context(given.request(ONE))


def test_no_two_holders_have_one_text() -> None:
    holders = [Holder("address", "a"), Holder("key", "a"), Holder("token", "a"), address("key a")]
    assert len({str(holder) for holder in holders}) == len(holders)
