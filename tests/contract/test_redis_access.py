"""Passwords, users, TLS and addresses of a real Redis."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import pytest
import uvloop
from redis_clients import LARGE, NewClient, kill, named

from kato_service.connections.redis_client import RedisClient, RedisOptions
from kato_service.connections.redis_errors import (
    AuthenticationError,
    NotSentError,
    UnansweredError,
)
from kato_service.connections.redis_pool import RedisConnectionPool
from kato_service.errors import SettingsError, StoreUnavailableError
from support import certificates
from support.servers import RunningServer, free_port


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
