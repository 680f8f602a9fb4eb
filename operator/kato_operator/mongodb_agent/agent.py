"""The agent: prepares one server until the service can use it, then follows its users."""

import asyncio
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

import structlog
from aiohttp import web
from pymongo.errors import OperationFailure, PyMongoError

from kato_operator import names
from kato_operator.errors import NotReadyError, stable_message
from kato_operator.mongodb_agent.server import (
    ALREADY_INITIALIZED,
    UNKNOWN_COMMAND,
    Document,
    Server,
    state,
)
from kato_operator.mongodb_agent.users import Users, Wanted
from kato_operator.settings import AgentSettings

log = structlog.get_logger()

RETRY_S = 1.0
"""Seconds between two attempts to prepare the server, and between two looks at the users' file."""

NOT_ADDED = (
    "this member has not been added to the replica set; more than one member is not supported yet"
)
NO_REPLICA_SETS = (
    "this server has no replica sets, so a second one would have knowledge of its own;"
    " set mongodb.managed.members to 1"
)
NO_STATE = "the server is neither primary nor secondary"


@dataclass(frozen=True, slots=True)
class Readiness:
    """The body of `/ready`: whether clients can use the server, and if not, why.

    *rotation* is why changed passwords are not in effect yet; the server can be used meanwhile.
    """

    ready: bool
    state: str = ""
    set: str = ""
    reason: str = ""
    message: str = ""
    rotation: str = ""


class MongoDBAgent:
    """Prepares one server until the service can use it, and reports its readiness."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._server = Server(settings)
        self._users = Users(settings, self._server)
        self._done: Wanted | None = None
        self._rotation = ""
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
            wanted = self._users.wanted()
            await self._users.ensure(wanted, is_primary=state(hello) == "primary")
            set_id = await self._set_id(wanted)
            if not set_id and self._settings.ordinal != 0:
                raise NotReadyError("NoReplicaSets", NO_REPLICA_SETS)
            readiness = Readiness(ready=True, state=state(hello), set=set_id)
        except NotReadyError as error:
            self._note(_not_ready(error.reason, error.message))
            raise
        except PyMongoError as error:
            failed = _failed(error)
            self._note(failed)
            raise NotReadyError(failed.reason, failed.message) from error
        self._prepared, self._done = readiness, wanted
        self._note(readiness)

    async def follow(self) -> None:
        """Keep the users as their file asks for, which changes with the passwords."""
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                await self._rotate()
            except NotReadyError as error:
                self._refuse(error.message)
            except PyMongoError as error:
                self._refuse(_failed(error).message)

    async def _rotate(self) -> None:
        wanted = self._users.wanted()
        if wanted != self._done:
            hello = await self._server.hello()
            await self._users.ensure(wanted, is_primary=state(hello) == "primary")
            self._done = wanted
            log.info("users changed", users=sorted(wanted.service))
        self._rotation = ""

    def _refuse(self, message: str) -> None:
        if message != self._rotation:
            log.warning("users not changed", cause=message)
        self._rotation = message

    async def readiness(self) -> Readiness:
        """The readiness of the server now."""
        if self._prepared is None:
            return self._last
        try:
            now = state(await self._server.hello())
        except PyMongoError as error:
            return _failed(error)
        if not now:
            return _not_ready("NoState", NO_STATE)
        return replace(self._prepared, state=now, rotation=self._rotation)

    def _note(self, readiness: Readiness) -> None:
        if readiness.reason != self._last.reason:
            log.info("readiness changed", **asdict(readiness))
        self._last = readiness

    async def _hello_of_member(self) -> Document:
        hello = await self._server.hello()
        if "setName" not in hello:
            await self._initiate()
            hello = await self._server.hello()
        if not state(hello):
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
        async with self._server.connected() as server:
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
                hello = await self._server.hello(self._settings.address(ordinal))
                if "setName" in hello:
                    raise NotReadyError("PeerHasSet", f"member {ordinal} already belongs to a set")

    async def _set_id(self, wanted: Wanted) -> str:
        """The id of the replica set; empty on a server without replica sets."""
        user, password = names.MONGODB_OPERATOR_USER, wanted.operator[0]
        async with self._server.connected(user=user, password=password) as server:
            try:
                answer = await server.admin.command("replSetGetConfig")
            except OperationFailure as error:
                if error.code != UNKNOWN_COMMAND:
                    raise
                return ""
        return str(answer["config"]["settings"]["replicaSetId"])


async def run(settings: AgentSettings) -> None:
    """Prepare the server, and serve `/ready` and `/live` until cancelled."""
    agent = MongoDBAgent(settings)
    runner = web.AppRunner(_application(agent), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=settings.port).start()
        log.info("agent started", pod=settings.pod, addresses=runner.addresses)
        await agent.prepare()
        await agent.follow()
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


def _failed(error: PyMongoError) -> Readiness:
    reason = "Refused" if isinstance(error, OperationFailure) else "NotAnswering"
    return _not_ready(reason, stable_message(error))


def _not_ready(reason: str, message: str) -> Readiness:
    return Readiness(ready=False, reason=reason, message=message)


def _data_lost(replica_set: str) -> str:
    what = f"the data of replica set {replica_set} is missing"
    fix = f"restore the volume, or remove the annotation {names.MONGODB_SET_ANNOTATION} from the"
    return f"{what}; {fix} keyfile Secret and delete this pod to start over with an empty MongoDB"
