"""Commands of many requests over few connections to a real Redis, whatever becomes of these."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from uuid import uuid4

import pytest
import uvloop
from session_stores import ENOUGH, new

from kato_service.connections.circuit import Circuit
from kato_service.connections.redis_client import RedisClient, RedisOptions
from kato_service.connections.redis_errors import (
    AuthenticationError,
    BusyError,
    NotSentError,
    ReadOnlyError,
    RedisError,
    RefusedError,
    UnansweredError,
)
from kato_service.connections.redis_pool import RedisConnectionPool
from kato_service.connections.redis_server import MAX_UNSENT_BYTES
from kato_service.errors import OutcomeUnknownError, SettingsError, StoreUnavailableError
from kato_service.sessions.redis.calls import RedisScripts
from kato_service.sessions.redis.store import RedisSessionStore
from support import certificates
from support.proxy import FaultyProxy
from support.servers import RunningServer, free_port
from torture.proxy import TortureProxy

LARGE = "x" * 3_000_000
NewClient = Callable[..., RedisClient]
NewProxy = Callable[[int], Awaitable[FaultyProxy]]


@pytest.fixture
async def new_client(own_redis: RunningServer) -> AsyncIterator[NewClient]:
    """``new_client(url, …)``: a client of the module's Redis, or of *url*."""
    clients: list[RedisClient] = []

    def make(url: str = own_redis.url, **options: Any) -> RedisClient:
        clients.append(RedisClient(RedisOptions(url, **options)))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
async def admin(own_redis: RunningServer) -> AsyncIterator[RedisClient]:
    client = RedisClient(RedisOptions(f"{own_redis.url}?client_name=admin", socket_timeout_s=30))
    await client.call("PING")
    yield client
    await client.close()


@asynccontextmanager
async def proxied(port: int) -> AsyncIterator[TortureProxy]:
    proxy = TortureProxy(port)
    await proxy.open()
    yield proxy
    await proxy.close()


def through(proxy: TortureProxy | FaultyProxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


async def connected(admin: RedisClient, name: str) -> list[str]:
    """The lines of CLIENT LIST of the clients with that name."""
    listed = (await admin.call("CLIENT", "LIST")).decode().splitlines()
    return [line for line in listed if f" name={name} " in line]


async def kill(admin: RedisClient, name: str) -> None:
    for line in await connected(admin, name):
        await admin.call("CLIENT", "KILL", "ID", re.findall(r"id=(\d+)", line)[0])


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await holds():
            await asyncio.sleep(0.02)


def named(url: str, name: str) -> str:
    return f"{url}?client_name={name}"


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


@dataclass
class User:
    """A user of Redis, whose passwords change."""

    admin: RedisClient
    own_redis: RunningServer
    name: str = field(default_factory=lambda: uuid4().hex)

    async def permit(self, *rules: str) -> None:
        await self.admin.call("ACL", "SETUSER", self.name, *rules)

    def url(self, password: str) -> str:
        url = self.own_redis.url.replace("redis://", f"redis://{self.name}:{password}@")
        return named(url, self.name)


@pytest.fixture
async def user(admin: RedisClient, own_redis: RunningServer) -> AsyncIterator[User]:
    made = User(admin, own_redis)
    await made.permit("on", ">old", "~*", "+@all")
    yield made
    await admin.call("ACL", "DELUSER", made.name)


async def test_passwords_are_rotated_without_an_outage(
    user: User, admin: RedisClient, new_client: NewClient
) -> None:
    before, after = new_client(user.url("old")), new_client(user.url("new"))
    assert await before.call("PING") == b"PONG"
    await user.permit(">new")
    assert await after.call("PING") == b"PONG"
    await kill(admin, user.name)  # both connect again, each with its own password
    assert await _again(before) == await _again(after) == b"PONG"
    await user.permit("<old")
    assert await before.call("PING") == b"PONG"  # an open connection stays
    await kill(admin, user.name)
    with pytest.raises(AuthenticationError):
        await _again(before)
    assert await _again(after) == b"PONG"


async def _again(client: RedisClient) -> Any:
    """The answer, even if the connection had just broken."""
    try:
        return await client.call("PING")
    except UnansweredError:
        return await client.call("PING")


async def test_a_user_who_may_do_little_is_served(user: User, new_client: NewClient) -> None:
    """Naming a connection, and asking whether there is a cluster, need not be allowed."""
    await user.permit("-@all", "+echo")
    client = new_client(user.url("old"))
    assert await client.call("ECHO", "a") == b"a"
    assert client.clustered is False


async def test_a_check_says_why_redis_cannot_be_reached(tls_redis: Any) -> None:
    pool = RedisConnectionPool(RedisOptions(tls_redis[0].url))
    with pytest.raises(StoreUnavailableError, match="certificate verify failed"):
        await pool.check()
    await pool.close()


async def test_a_password_that_redis_does_not_ask_for_is_reported(
    new_client: NewClient, own_redis: Any
) -> None:
    url = own_redis.url.replace("redis://", "redis://:unneeded@")
    with pytest.raises(AuthenticationError):
        await new_client(url).call("PING")


@pytest.fixture(scope="module")
def tls_redis(tmp_path_factory: pytest.TempPathFactory, own_redis: Any) -> Any:
    """A Redis that speaks TLS alone, and the certificate that is trusted."""
    directory = tmp_path_factory.mktemp("tls")
    certificate, key = certificates.pair(
        directory, "localhost", "-addext", "subjectAltName=DNS:localhost"
    )
    port = free_port()
    command = (
        *(own_redis.command[0], "--port", "0", "--tls-port", str(port), "--save", ""),
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
        *("--tls-ca-cert-file", str(certificate), "--tls-auth-clients", "no"),
        *("--dir", str(directory)),
    )
    url = f"rediss://localhost:{port}"
    server = RunningServer(command, port, url, directory / "log", lambda _port: True)
    server = replace(server, probe=_accepts)
    server.start()
    yield server, certificate
    server.kill9()


def _accepts(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_redis_behind_tls_is_verified(tls_redis: Any, run: Callable[[Any], None]) -> None:
    server, certificate = tls_redis

    async def asked() -> None:
        trusting = RedisClient(RedisOptions(f"{server.url}?ssl_ca_certs={certificate}"))
        assert await trusting.call("SET", "large", LARGE) == b"OK"
        answers = await asyncio.gather(
            *(trusting.call("ECHO", str(n)) for n in range(100)), trusting.call("GET", "large")
        )
        assert [one[:9] for one in answers] == [*(b"%d" % n for n in range(100)), b"x" * 9]
        await trusting.close()
        elsewhere = server.url.replace("localhost", "127.0.0.1")
        for url in (server.url, f"{elsewhere}?ssl_ca_certs={certificate}"):
            strict = RedisClient(RedisOptions(url))
            with pytest.raises(NotSentError, match="certificate verify failed"):
                await strict.call("PING")
            await strict.close()
        for option in ("ssl_cert_reqs=none", f"ssl_ca_certs={certificate}&ssl_check_hostname=no"):
            lax = RedisClient(RedisOptions(f"{elsewhere}?{option}"))
            assert await lax.call("PING") == b"PONG"
            await lax.close()

    run(asked())


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("redis://h/0?foo=bar", id="unknown option"),
        pytest.param("redis://h/0?ssl_cert_reqs=none", id="TLS without rediss"),
        pytest.param("rediss://h/0?ssl_cert_reqs=perhaps", id="unknown value"),
        pytest.param("rediss://h/0?ssl_ca_certs=/no/such/file", id="missing file"),
        pytest.param("redis://h/x", id="no number of a database"),
    ],
)
def test_a_url_with_an_unknown_option_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="REDIS_URL"):
        RedisClient(RedisOptions(url))


class Crowd:
    """Clients that set keys and ask for echoes, and sometimes go away before the answer."""

    clients, rounds = 12, 40

    def __init__(self, client: RedisClient, rng: Random) -> None:
        self.ran: dict[str, bool] = {}
        """By key whether it was set, as far as its client knows."""
        self._client = client
        self._rng = rng
        self._name = uuid4().hex

    async def run(self) -> None:
        await asyncio.gather(*(self._ask(who) for who in range(self.clients)))

    async def _ask(self, who: int) -> None:
        for number in range(self.rounds):
            key = f"{self._name}:{who}:{number}"
            text = key + "y" * self._rng.choice((0, 5, 5, 100_000))
            setting = asyncio.ensure_future(self._client.call("SET", key, text, "GET"))
            echo = asyncio.ensure_future(self._client.call("ECHO", text))
            if self._rng.random() < 0.2:
                await asyncio.sleep(self._rng.random() * 0.01)
                self._rng.choice((setting, echo)).cancel()
            found, echoed = await asyncio.gather(setting, echo, return_exceptions=True)
            failed = (RedisError, asyncio.CancelledError)
            assert found is None or isinstance(found, failed)
            assert echoed == text.encode() or isinstance(echoed, failed)
            if found is None or isinstance(found, NotSentError):
                self.ran[key] = found is None


async def disturb(proxy: TortureProxy, rng: Random) -> None:
    """Cut connections, slow them down, and lose the network for a moment, until cancelled."""
    while True:
        await asyncio.sleep(rng.random() * 0.05)
        what = rng.randrange(4)
        if what == 0:
            proxy.cut()
        elif what == 1:
            proxy.slow_down(rng.random() * 0.02)
        elif what == 2:
            proxy.swallow()
            await asyncio.sleep(rng.choice((0.01, 0.5)))
        await proxy.heal()


@pytest.mark.parametrize("seed", range(3))
async def test_answers_belong_to_their_requests_whatever_happens_to_connections(
    own_redis: Any, new_client: NewClient, admin: RedisClient, seed: int
) -> None:
    """What was not sent did not run either, and what was answered ran."""
    rng = Random(seed)
    async with proxied(own_redis.port) as proxy:
        crowd = Crowd(new_client(through(proxy), pool_size=4, socket_timeout_s=0.3), rng)
        disturbing = asyncio.create_task(disturb(proxy, rng))
        async with asyncio.timeout(120):
            await crowd.run()
        disturbing.cancel()
        await asyncio.wait([disturbing])
        await proxy.heal()
    for key, ran in crowd.ran.items():
        assert bool(await admin.call("EXISTS", key)) is ran
    assert len(crowd.ran) > crowd.clients


async def test_sessions_are_served_while_connections_are_killed(
    own_redis: Any, new_client: NewClient, admin: RedisClient
) -> None:
    name = uuid4().hex
    client = new_client(named(own_redis.url, name))
    store = RedisSessionStore(client, uuid4().hex)
    ids = [(await store.create(new(), ENOUGH)).session_id for _ in range(5)]

    async def observe(session_id: str, turn: int) -> None:
        lock = await store.lock(session_id, "me", rolling_forward=False)
        assert lock is not None
        after = replace(lock.state, stm=(*lock.state.stm, (str(turn),)))
        await store.save(lock, after, None)

    for turn in range(20):
        # One kill for all of them: no command can meet it three times, as often as it is sent.
        await asyncio.gather(kill(admin, name), *(observe(one, turn) for one in ids))
    for session_id in ids:
        found = await store.load(session_id)
        assert found is not None
        assert found.stm == tuple((str(turn),) for turn in range(20))
