"""MongoDB's users, as the file in the pod asks for them: while passwords change, with two of each.

The operator's user has one password, which the agent replaces: nothing else logs in as it. A user
of the service cannot have two, so there are two users for it: one logs in with the password of
before, the other with the new one, until no pod of the service uses the first any more.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pymongo.errors import OperationFailure

from kato_operator import names
from kato_operator.errors import NotReadyError
from kato_operator.mongodb_agent.server import (
    NOT_IMPLEMENTED,
    USER_EXISTS,
    USER_NOT_FOUND,
    Client,
    Server,
)
from kato_operator.settings import AgentSettings

log = structlog.get_logger()

Role = dict[str, str]
ROOT: Role = {"role": "root", "db": "admin"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the file asks for.

    *operator* holds the password that the operator's user must have, then those that it may still
    have. *service* holds the password of each user of the service; others must not exist.
    """

    operator: tuple[str, ...]
    service: Mapping[str, str]


class Users:
    """Brings the users of one server to what the file asks for."""

    def __init__(self, settings: AgentSettings, server: Server) -> None:
        self._settings = settings
        self._server = server

    def wanted(self) -> Wanted:
        """What the file asks for now.

        Raises:
            NotReadyError: It cannot be read.
        """
        try:
            path = self._settings.credentials / names.MONGODB_USERS
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return Wanted(tuple(found["operator"]), dict(found["service"]))
        except (OSError, ValueError, KeyError) as error:
            what = f"the file {names.MONGODB_USERS} cannot be read: {type(error).__name__}"
            raise NotReadyError("NoCredentials", what) from error

    async def ensure(self, wanted: Wanted, *, is_primary: bool) -> None:
        """Create, change and drop users where they differ; each step may have been done before.

        Raises:
            NotReadyError: Users differ, and this member cannot change them.
        """
        password = await self._operator_password(wanted)
        missing = [
            user
            for user, its in wanted.service.items()
            if not await self._server.lets_in(user, its)
        ]
        if not is_primary:
            if password == wanted.operator[0] and not missing:
                return
            raise NotReadyError("NoUsers", "the users have not been replicated to this member yet")
        await self._set_operator(wanted, password)
        async with self._as_operator(wanted) as client:
            role = {"role": "readWrite", "db": self._settings.database}
            for user in missing:
                await _create(client, user, wanted.service[user], [role])
            for user in names.MONGODB_SERVICE_USERS:
                if user not in wanted.service:
                    await _drop(client, user)

    async def _operator_password(self, wanted: Wanted) -> str:
        """The password that the operator's user has now; empty if it has none of those known."""
        for password in wanted.operator:
            if await self._server.lets_in(names.MONGODB_OPERATOR_USER, password):
                return password
        return ""

    async def _set_operator(self, wanted: Wanted, password: str) -> None:
        """Give the operator's user its password; without one, it should be the first user."""
        user, new = names.MONGODB_OPERATOR_USER, wanted.operator[0]
        if password == new:
            return
        if not password:
            async with self._server.connected() as client:
                await _create(client, user, new, [ROOT])
            return
        async with self._server.connected(user=user, password=password) as client:
            await client.admin.command("updateUser", user, pwd=new)
        log.info("password changed", user=user)

    def _as_operator(self, wanted: Wanted) -> Client:
        return self._server.connected(user=names.MONGODB_OPERATOR_USER, password=wanted.operator[0])


async def _create(client: Client, user: str, password: str, roles: list[Role]) -> None:
    """Create a user, or change its password; with all rights on a server without roles."""
    try:
        await client.admin.command("createUser", user, pwd=password, roles=roles)
    except OperationFailure as error:
        if error.code == NOT_IMPLEMENTED and roles:
            log.info("roles not supported", user=user)
            return await _create(client, user, password, [])
        if error.code != USER_EXISTS:
            raise
        await client.admin.command("updateUser", user, pwd=password)
        log.info("password changed", user=user)
    else:
        log.info("user created", user=user)


async def _drop(client: Client, user: str) -> None:
    try:
        await client.admin.command("dropUser", user)
    except OperationFailure as error:
        if error.code != USER_NOT_FOUND:
            raise
    else:
        log.info("user dropped", user=user)
