"""Commands of many requests over few connections to a real Redis, whatever becomes of these."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import uvloop
from redis_clients import (
    LARGE,
    NewClient,
    NewProxy,
    connected,
    kill,
    named,
    proxied,
    through,
    until,
)

from kato_service.connections.circuit import Circuit
from kato_service.connections.redis_client import RedisClient, RedisOptions
from kato_service.connections.redis_errors import (
    BusyError,
    NotSentError,
    ReadOnlyError,
    RefusedError,
    UnansweredError,
)
from kato_service.connections.redis_server import MAX_UNSENT_BYTES
from kato_service.errors import OutcomeUnknownError, StoreUnavailableError
from kato_service.sessions.redis.calls import RedisScripts
from support.servers import RunningServer, free_port


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_many_requests_share_one_connection(
    own_redis: RunningServer, run: Callable[[Any], None]
) -> None:
    async def asked() -> None:
        name = uuid4().hex
        client = RedisClient(RedisOptions(named(own_redis.url, name), pool_size=9))
        await client.call("PING")
        answers = await asyncio.gather(*(client.call("ECHO", str(n)) for n in range(500)))
        assert answers == [str(n).encode() for n in range(500)]
        assert await client.calls([("SET", name, "1"), ("GET", name)]) == [b"OK", b"1"]
        assert len(await connected(client, name)) == 1
        usage = client.usage()
        assert (usage.in_use, usage.idle, usage.max) == (0, 1, 9)
        waiting = asyncio.ensure_future(client.call("ECHO", "a"))
        await asyncio.sleep(0)
        assert (client.usage().in_use, client.usage().idle) == (1, 0)
        await waiting
        await client.close()

    run(asked())


async def test_the_database_of_the_url_is_used(new_client: NewClient, own_redis: Any) -> None:
    first, other = new_client(), new_client(own_redis.url.removesuffix("/0") + "/3")
    key = uuid4().hex
    await other.call("SET", key, "in 3")
    assert await first.call("EXISTS", key) == 0
    await first.call("SELECT", 3)
    assert await first.call("GET", key) == b"in 3"


async def test_a_large_answer_holds_up_nobody(new_client: NewClient, own_redis: Any) -> None:
    key = uuid4().hex
    await new_client().call("SET", key, LARGE)
    async with proxied(own_redis.port) as proxy:
        client = new_client(through(proxy), socket_timeout_s=60)
        await client.call("PING")
        proxy.slow_down(0.01)
        for turn in range(2):
            large = asyncio.ensure_future(client.call("GET", key))
            if turn == 0:  # nobody knows yet that it will be large
                await until(lambda: _is_partly_there(client))
            # Two connections may have to be opened first: of the next, large answers are known.
            assert await client.call("ECHO", "small") == b"small"
            assert not large.done()
            assert len(await large) == len(LARGE)
        assert client.usage().idle == 2


async def _is_partly_there(client: RedisClient) -> bool:
    return any(one.is_clogged for one in client._server._connections)


async def test_a_large_command_holds_up_nobody(new_client: NewClient, own_redis: Any) -> None:
    key = uuid4().hex
    async with proxied(own_redis.port) as proxy:
        client = new_client(through(proxy), socket_timeout_s=60)
        await client.call("PING")
        proxy.slow_down(0.01)
        large = asyncio.ensure_future(client.call("SET", key, LARGE))
        assert await client.call("ECHO", "small") == b"small"
        assert not large.done()
        assert await large == b"OK"


@pytest.mark.parametrize("most", [1, 3])
async def test_there_are_never_more_connections_than_the_maximum(
    new_client: NewClient, own_redis: Any, admin: RedisClient, most: int
) -> None:
    name, key = uuid4().hex, uuid4().hex
    client = new_client(named(own_redis.url, name), pool_size=most, socket_timeout_s=30)
    await client.call("SET", key, LARGE)
    seen = 0
    for _ in range(4):
        asked = [asyncio.ensure_future(client.call("GET", key)) for _ in range(8)]
        asked += [asyncio.ensure_future(client.call("ECHO", "small")) for _ in range(8)]
        while not all(one.done() for one in asked):
            seen = max(seen, len(await connected(admin, name)))
        assert {len(one.result()) for one in asked} == {len(LARGE), 5}
        usage = client.usage()
        assert usage.in_use + usage.idle <= usage.max == most
    assert 1 <= seen <= most


async def test_a_redis_with_too_many_clients_serves_large_commands_over_the_connection_there_is(
    new_client: NewClient, admin: RedisClient
) -> None:
    client, key = new_client(), uuid4().hex
    await client.call("PING")
    listed = (await admin.call("CLIENT", "LIST")).splitlines()
    await admin.call("CONFIG", "SET", "maxclients", len(listed))
    try:
        assert await client.call("SET", key, LARGE) == b"OK"
        assert client.usage().idle == 1
    finally:
        await admin.call("CONFIG", "SET", "maxclients", 1000)


async def test_further_connections_are_closed_when_nothing_uses_them(
    new_client: NewClient,
) -> None:
    client = new_client(idle_s=0.1)
    await client.call("PING")
    await client.call("SET", uuid4().hex, LARGE)
    assert client.usage().idle == 2

    async def one_is_left() -> bool:
        await client.call("PING")
        return client.usage().idle == 1

    await until(one_is_left)


async def test_a_killed_connection_leaves_what_was_sent_unknown_and_nothing_else(
    new_client: NewClient, own_redis: Any, admin: RedisClient
) -> None:
    name, key = uuid4().hex, uuid4().hex
    client = new_client(named(own_redis.url, name), socket_timeout_s=30)
    await client.call("SET", key, "kept")
    sent = [asyncio.ensure_future(client.call("BLPOP", f"{key}:{n}", 0)) for n in range(3)]
    await until(lambda: _has(admin, name, "cmd=blpop"))
    await kill(admin, name)
    found = await asyncio.gather(*sent, return_exceptions=True)
    assert [type(one) for one in found] == [UnansweredError] * 3
    assert await client.call("GET", key) == b"kept"


async def _has(admin: RedisClient, name: str, what: str) -> bool:
    return any(what in line for line in await connected(admin, name))


async def test_a_redis_that_is_away_costs_few_attempts_and_leaves_nothing_sent(
    new_client: NewClient,
) -> None:
    accepted = 0

    def count(_reader: Any, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client, loop = new_client(f"redis://127.0.0.1:{port}"), asyncio.get_running_loop()
    began = loop.time()

    async def ask() -> None:
        while loop.time() < began + 1.0:
            with pytest.raises(NotSentError):
                await client.call("PING")

    await asyncio.gather(*(ask() for _ in range(50)))
    server.close()
    assert 3 <= accepted <= 20


async def test_commands_sent_before_a_freeze_are_answered_or_time_out_on_their_own(
    redis_server: RunningServer, new_client: NewClient
) -> None:
    client = new_client(redis_server.url, socket_timeout_s=3.0)
    await client.call("PING")
    redis_server.freeze()
    first = asyncio.ensure_future(client.call("INCR", "counted"))
    await asyncio.sleep(2.0)
    second = asyncio.ensure_future(client.call("INCR", "counted"))
    with pytest.raises(UnansweredError):
        await first
    # The connection is left: the third command goes over another one.
    third = asyncio.ensure_future(client.call("INCR", "counted"))
    await asyncio.sleep(0)
    assert client.usage().in_use == 2
    assert not second.done()
    redis_server.thaw()
    assert {await second, await third} == {2, 3}
    assert await client.call("GET", "counted") == b"3"


async def test_an_answer_of_a_timed_out_command_is_dropped(
    new_client: NewClient, own_redis: Any
) -> None:
    async with proxied(own_redis.port) as proxy:
        client = new_client(through(proxy), socket_timeout_s=2.0)
        await client.call("PING")
        proxy.swallow()
        late = asyncio.ensure_future(client.call("ECHO", "late"))
        await asyncio.sleep(1.5)
        in_time = asyncio.ensure_future(client.call("ECHO", "in time"))
        with pytest.raises(UnansweredError):
            await late
        await proxy.heal()
        assert await in_time == b"in time"
        assert await client.call("ECHO", "after") == b"after"


async def test_what_waits_for_a_redis_that_reads_nothing_is_bounded(
    new_client: NewClient, own_redis: Any
) -> None:
    async with proxied(own_redis.port) as proxy:
        client = new_client(through(proxy), pool_size=2, socket_timeout_s=1.0)
        await client.call("PING")
        await client.call("SET", "a", LARGE)
        proxy.swallow()
        asked = [asyncio.ensure_future(client.call("SET", "a", LARGE)) for _ in range(40)]
        most = 0
        while not all(one.done() for one in asked):
            await asyncio.sleep(0.01)
            most = max(most, client._server._unsent_bytes)
        failed = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(one) for one in failed} == {BusyError, NotSentError, UnansweredError}
        assert MAX_UNSENT_BYTES < most < MAX_UNSENT_BYTES + 2 * len(LARGE)
        assert client._server._unsent_bytes == 0
        await proxy.heal()
        assert await client.call("ECHO", "again") == b"again"


async def test_a_lost_answer_makes_a_command_unknown_and_is_asked_again_apart(
    own_redis: Any, new_client: NewClient, faulty_proxy: NewProxy
) -> None:
    proxy = await faulty_proxy(own_redis.port)
    client = new_client(through(proxy))
    scripts, key = RedisScripts(client, Circuit("redis")), uuid4().hex
    await scripts.call("PING")
    proxy.lose_replies(b"INCR", times=1)
    assert await scripts.call("INCR", key) == 2  # it ran before its answer got lost
    proxy.lose_replies(b"INCR", times=9)
    with pytest.raises(OutcomeUnknownError):
        await scripts.call("INCR", key)


async def test_a_command_that_was_not_sent_has_no_unknown_outcome(new_client: NewClient) -> None:
    scripts = RedisScripts(new_client(f"redis://127.0.0.1:{free_port()}"), Circuit("redis"))
    with pytest.raises(StoreUnavailableError, match="retry later") as caught:
        await scripts.call("INCR", "a")
    assert not isinstance(caught.value, OutcomeUnknownError)


async def test_one_answer_that_redis_cannot_deliver_does_not_fail_others(
    new_client: NewClient, admin: RedisClient
) -> None:
    """Redis closes a connection on which more answers wait than it is allowed to keep."""
    client, key = new_client(), uuid4().hex
    await admin.call("SET", key, "x" * 16_000_000)
    await admin.call("CONFIG", "SET", "client-output-buffer-limit", "normal 8mb 0 0")
    scripts = RedisScripts(client, Circuit("redis"))

    async def ask(number: int) -> list[Any]:
        return [await scripts.call("ECHO", str(number)) for _ in range(40)]

    async def ask_too_much() -> None:
        with pytest.raises(OutcomeUnknownError):
            await scripts.call("GET", key)

    answers, _ = await asyncio.gather(
        asyncio.gather(*(ask(number) for number in range(20))), ask_too_much()
    )
    assert answers == [[str(number).encode()] * 40 for number in range(20)]
    await admin.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
    await admin.call("DEL", key)


async def test_a_busy_redis_refuses_and_serves_again(
    new_client: NewClient, admin: RedisClient
) -> None:
    client = new_client(socket_timeout_s=30)
    await client.call("PING")
    await admin.call("CONFIG", "SET", "busy-reply-threshold", 20)
    endless = asyncio.ensure_future(client.call("EVAL", "while true do end", 0))
    with pytest.raises(RefusedError, match="BUSY"):
        await _ask_until_refused(admin)
    behind = asyncio.ensure_future(client.call("ECHO", "behind"))
    await admin.call("SCRIPT", "KILL")
    with pytest.raises(RefusedError, match="Script killed"):
        await endless
    assert await behind == b"behind"
    await admin.call("CONFIG", "SET", "busy-reply-threshold", 5000)


async def _ask_until_refused(client: RedisClient) -> None:
    while True:
        await client.call("ECHO", "a")


async def test_a_primary_that_became_a_replica_is_left(
    redis_server: RunningServer, own_redis: Any, new_client: NewClient
) -> None:
    """Its name may belong to the new primary by now, so the next connection looks it up again."""
    name = uuid4().hex
    client = new_client(named(redis_server.url, name))
    other = new_client(redis_server.url)
    await client.call("SET", "a", "1")
    await asyncio.sleep(1.0)  # as old as a connection has to be before it is replaced
    (before,) = await connected(other, name)
    await other.call("REPLICAOF", "127.0.0.1", own_redis.port)
    with pytest.raises(ReadOnlyError):
        await client.call("SET", "a", "2")
    await until(lambda: _is_another(client, other, name, before))
    await other.call("REPLICAOF", "NO", "ONE")
    assert await client.call("SET", "a", "3") == b"OK"


async def _is_another(client: RedisClient, other: RedisClient, name: str, before: str) -> bool:
    await client.call("PING")
    found = await connected(other, name)
    return len(found) == 1 and found[0].split()[0] != before.split()[0]
