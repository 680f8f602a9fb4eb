"""The parts of redis-py that the service builds on: its connections, without its clients."""

import inspect
from typing import Any

import pytest
from private_parts import names_of
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.crc import key_slot
from redis.exceptions import AskError, MovedError
from redis.maint_notifications import MaintNotificationsConfig

from kato_service.connections.redis_client import RedisClient

CLIENT = "kato_service/connections/redis_client.py"
CONNECTION = "kato_service/connections/redis_server.py"
CLUSTER = "kato_service/connections/redis_cluster.py"
OWN = {"_options", "_pool", "_room", "_in_use", "_server", "_cluster", "_looking", "clustered"}
"""Attributes that our client adds to redis-py's."""


def pool() -> ConnectionPool:
    return ConnectionPool(**parse_url("redis://user:secret@host:7000/3"))


@pytest.mark.parametrize(
    ("base", "name", "arguments", "named", "user"),
    [
        (AbstractConnection, "connect", (), {}, CONNECTION),
        (AbstractConnection, "disconnect", (), {"nowait": True}, CONNECTION),
        (AbstractConnection, "pack_command", ("GET", "key"), {}, CONNECTION),
        (AbstractConnection, "send_packed_command", ([b""],), {"check_health": False}, CONNECTION),
        (AbstractConnection, "read_response", (), {}, CONNECTION),
        (ConnectionPool, "make_connection", (), {}, CONNECTION),
        (ConnectionPool, "aclose", (), {}, CLIENT),
        (Redis, "aclose", (), {}, CLIENT),
    ],
)
def test_a_method_that_we_call_accepts_our_arguments(
    base: type[Any], name: str, arguments: tuple[Any, ...], named: dict[str, Any], user: str
) -> None:
    method = getattr(base, name, None)
    assert method is not None, f"{base.__name__}.{name} is gone: {user} builds on it"
    try:
        inspect.signature(method).bind(None, *arguments, **named)
    except TypeError as error:
        pytest.fail(f"{base.__name__}.{name}: {error}: {user} calls it so")


def test_no_method_of_our_client_hides_one_of_redis_by_accident() -> None:
    hidden = {name for name in names_of(RedisClient) if hasattr(Redis, name)}
    assert hidden == {"close"}, f"redis has methods of these names: {CLIENT}"


def test_redis_has_none_of_the_attributes_that_our_client_adds() -> None:
    assert not OWN & vars(Redis(connection_pool=pool())).keys(), f"redis uses them: {CLIENT}"


def test_a_pool_makes_connections_that_are_not_connected_yet() -> None:
    made = pool().make_connection()
    assert isinstance(made, AbstractConnection), f"{CONNECTION} builds on it"
    assert made.is_connected is False, f"is_connected changed: {CONNECTION} builds on it"


def test_a_pool_exposes_the_arguments_of_its_connections() -> None:
    made = pool()
    connection = made.connection_class(**made.connection_kwargs)
    assert isinstance(connection, Connection), f"{CLIENT} makes one to check the URL"


def test_urls_are_parsed_into_arguments_of_connections() -> None:
    expected = {"host": "host", "port": 7000, "db": 3, "username": "user", "password": "secret"}
    assert parse_url("redis://user:secret@host:7000/3") == expected, f"{CLIENT} builds on it"


def test_commands_are_packed_into_bytes() -> None:
    pieces = pool().make_connection().pack_command("GET", "key")
    assert b"".join(pieces) == b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", f"{CONNECTION} builds on it"


def test_maintenance_notifications_can_be_switched_off() -> None:
    taken = inspect.signature(AbstractConnection.__init__).parameters
    assert "maint_notifications_config" in taken, (
        f"connections know no notices: {CLIENT} switches them off"
    )
    quiet = ConnectionPool(maint_notifications_config=MaintNotificationsConfig(enabled=False))
    assert isinstance(quiet.make_connection(), Connection), f"{CLIENT} builds on it"


@pytest.mark.parametrize("kind", [MovedError, AskError])
def test_a_redirection_names_its_target(kind: type[Any]) -> None:
    error = kind("3999 127.0.0.1:6381")
    assert (error.host, error.port) == ("127.0.0.1", 6381), f"{CLUSTER} builds on it"


def test_the_slot_of_a_key_follows_its_hash_tag() -> None:
    assert key_slot(b"{user}.a") == key_slot(b"user") == 5474, f"{CLUSTER} builds on it"
