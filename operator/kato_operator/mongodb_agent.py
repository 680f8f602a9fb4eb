"""The agent next to every MongoDB server: initiates the set, creates users, reports readiness.

It runs in the server's pod and connects over localhost, the only place from which MongoDB allows
the first user to be created; so the operator needs no access to the pod.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import structlog
from aiohttp import web
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from kato_operator import names
from kato_operator.errors import NotReadyError, stable_message
from kato_operator.settings import AgentSettings

log = structlog.get_logger()

Document = Mapping[str, Any]
Server = AsyncMongoClient[Document]
Role = dict[str, str]

RETRY_S = 1.0
"""Seconds between two attempts to prepare the server."""

NOT_ADDED = (
    "this member has not been added to the replica set; more than one member is not supported yet"
)
NO_REPLICA_SETS = (
    "this server has no replica sets, so a second one would have knowledge of its own;"
    " set mongodb.managed.members to 1"
)
NO_STATE = "the server is neither primary nor secondary"

AUTHENTICATION_FAILED = 18
ALREADY_INITIALIZED = 23
UNKNOWN_COMMAND = 59
NOT_IMPLEMENTED = 238
USER_EXISTS = 51003


@dataclass(frozen=True, slots=True)
class Readiness:
    """The body of `/ready`: whether clients can use the server, and if not, why."""

    ready: bool
    state: str = ""
    set: str = ""
    reason: str = ""
    message: str = ""


class MongoDBAgent:
    """Prepares one server until the service can use it, and reports its readiness."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._prepared: Readiness | None = None
        self._last = Readiness(ready=False, reason="Starting", message="the agent is starting")

    async def prepare(self) -> None:
        """Retry until the set is initiated and the users exist."""
        while self._prepared is None:
            with suppress(NotReadyError):
                await self.step()
            if self._prepared is None:
                await asyncio.sleep(RETRY_S)

    async def step(self) -> None:
        """Make one attempt; each of its steps may have been done before.

        Raises:
            NotReadyError: The server cannot be used yet.
        """
        try:
            hello = await self._hello_of_member()
            await self._create_users(hello)
            set_id = await self._set_id()
            if not set_id and self._settings.ordinal != 0:
                raise NotReadyError("NoReplicaSets", NO_REPLICA_SETS)
            readiness = Readiness(ready=True, state=_state(hello), set=set_id)
        except NotReadyError as error:
            self._note(_not_ready(error.reason, error.message))
            raise
        except PyMongoError as error:
            failed = _failed(error)
            self._note(failed)
            raise NotReadyError(failed.reason, failed.message) from error
        self._prepared = readiness
        self._note(readiness)

    async def readiness(self) -> Readiness:
        """The readiness of the server now."""
        if self._prepared is None:
            return self._last
        try:
            state = _state(await self._hello())
        except PyMongoError as error:
            return _failed(error)
        if not state:
            return _not_ready("NoState", NO_STATE)
        return replace(self._prepared, state=state)

    def _note(self, readiness: Readiness) -> None:
        if readiness.reason != self._last.reason:
            log.info("readiness changed", **asdict(readiness))
        self._last = readiness

    async def _hello_of_member(self) -> Document:
        hello = await self._hello()
        if "setName" not in hello:
            await self._initiate()
            hello = await self._hello()
        if not _state(hello):
            raise NotReadyError("Electing", NO_STATE)
        return hello

    async def _initiate(self) -> None:
        """Initiate a set with this member, if the instance has never had one.

        Raises:
            NotReadyError: This server must join an existing set, or data was lost.
        """
        if self._settings.ordinal != 0:
            raise NotReadyError("NotAdded", NOT_ADDED)
        if self._settings.recorded_set:
            raise NotReadyError("DataLost", _data_lost(self._settings.recorded_set))
        await self._refuse_second_set()
        member = {"_id": 0, "host": self._settings.address(0)}
        wanted = {"_id": self._settings.set_name, "members": [member]}
        async with self._connected() as server:
            try:
                await server.admin.command("replSetInitiate", wanted)
            except OperationFailure as error:
                if error.code not in (ALREADY_INITIALIZED, UNKNOWN_COMMAND):
                    raise
        log.info("replica set initiated", set_name=self._settings.set_name)

    async def _refuse_second_set(self) -> None:
        """Ask the other members: two sets of one instance would split its knowledge."""
        for ordinal in range(1, self._settings.members):
            with suppress(PyMongoError):
                hello = await self._hello(self._settings.address(ordinal))
                if "setName" in hello:
                    raise NotReadyError("PeerHasSet", f"member {ordinal} already belongs to a set")

    async def _create_users(self, hello: Document) -> None:
        """Create the two users, unless they work already."""
        if await self._can_log_in(names.MONGODB_SERVICE_USER) and await self._can_log_in(
            names.MONGODB_OPERATOR_USER
        ):
            return
        if _state(hello) != "primary":
            raise NotReadyError("NoUsers", "the users have not been replicated to this member yet")
        if not await self._can_log_in(names.MONGODB_OPERATOR_USER):
            await self._create_user(
                "", names.MONGODB_OPERATOR_USER, {"role": "root", "db": "admin"}
            )
        role = {"role": "readWrite", "db": self._settings.database}
        await self._create_user(names.MONGODB_OPERATOR_USER, names.MONGODB_SERVICE_USER, role)

    async def _can_log_in(self, user: str) -> bool:
        async with self._connected(user=user) as server:
            try:
                await server.admin.command("ping")
            except OperationFailure as error:
                if error.code != AUTHENTICATION_FAILED:
                    raise
                return False
        return True

    async def _create_user(self, as_user: str, user: str, role: Role) -> None:
        async with self._connected(user=as_user) as server:
            try:
                await self._create_with(server, user, [role])
            except OperationFailure as error:
                if error.code != USER_EXISTS:
                    raise
                await server.admin.command("updateUser", user, pwd=self._password(user))
        log.info("user created", user=user)

    async def _create_with(self, server: Server, user: str, roles: list[Role]) -> None:
        """Create a user, with all rights on a server that does not support roles."""
        try:
            await server.admin.command("createUser", user, pwd=self._password(user), roles=roles)
        except OperationFailure as error:
            if error.code != NOT_IMPLEMENTED or not roles:
                raise
            log.info("roles not supported", user=user)
            await self._create_with(server, user, [])

    async def _set_id(self) -> str:
        """The id of the replica set; empty on a server without replica sets."""
        async with self._connected(user=names.MONGODB_OPERATOR_USER) as server:
            try:
                answer = await server.admin.command("replSetGetConfig")
            except OperationFailure as error:
                if error.code != UNKNOWN_COMMAND:
                    raise
                return ""
        return str(answer["config"]["settings"]["replicaSetId"])

    async def _hello(self, address: str = "") -> Document:
        async with self._connected(address=address) as server:
            answer: Document = await server.admin.command("hello")
            return answer

    def _connected(self, *, user: str = "", address: str = "") -> Server:
        timeout_ms = int(self._settings.timeout_s * 1000)
        settings = self._settings
        login: dict[str, Any] = {
            "username": user,
            "password": self._password(user),
            "authSource": "admin",
        }
        return AsyncMongoClient(
            address or f"{settings.mongodb_host}:{settings.mongodb_port}",
            directConnection=True,
            serverSelectionTimeoutMS=timeout_ms,
            connectTimeoutMS=timeout_ms,
            socketTimeoutMS=timeout_ms,
            **(login if user else {}),
        )

    def _password(self, user: str) -> str:
        name = (
            "mongodb-operator-password"
            if user == names.MONGODB_OPERATOR_USER
            else "mongodb-service-password"
        )
        return (self._settings.credentials / name).read_text().strip()


async def run(settings: AgentSettings) -> None:
    """Prepare the server, and serve `/ready` and `/live` until cancelled."""
    agent = MongoDBAgent(settings)
    runner = web.AppRunner(_application(agent), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=settings.port).start()
        log.info("agent started", pod=settings.pod, addresses=runner.addresses)
        await agent.prepare()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _application(agent: MongoDBAgent) -> web.Application:
    async def ready(_: web.Request) -> web.Response:
        readiness = await agent.readiness()
        return web.json_response(asdict(readiness), status=200 if readiness.ready else 503)

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"live": True})

    application = web.Application()
    application.add_routes([web.get("/ready", ready), web.get("/live", live)])
    return application


def _state(hello: Document) -> str:
    if hello.get("isWritablePrimary", hello.get("ismaster")):
        return "primary"
    return "secondary" if hello.get("secondary") else ""


def _failed(error: PyMongoError) -> Readiness:
    reason = "Refused" if isinstance(error, OperationFailure) else "NotAnswering"
    return _not_ready(reason, stable_message(error))


def _not_ready(reason: str, message: str) -> Readiness:
    return Readiness(ready=False, reason=reason, message=message)


def _data_lost(replica_set: str) -> str:
    what = f"the data of replica set {replica_set} is missing"
    fix = f"restore the volume, or remove the annotation {names.MONGODB_SET_ANNOTATION} from the"
    return f"{what}; {fix} keyfile Secret and delete this pod to start over with an empty MongoDB"
