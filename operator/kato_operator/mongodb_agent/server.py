"""Connections of the agent to MongoDB servers, and what their answers mean."""

from collections.abc import Mapping
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from kato_operator.settings import AgentSettings

Document = Mapping[str, Any]
Client = AsyncMongoClient[Document]

USER_NOT_FOUND = 11
AUTHENTICATION_FAILED = 18
ALREADY_INITIALIZED = 23
UNKNOWN_COMMAND = 59
NOT_IMPLEMENTED = 238
USER_EXISTS = 51003


class Server:
    """The server in the agent's pod, and those of the other members."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings

    def connected(self, *, user: str = "", password: str = "", address: str = "") -> Client:
        """A client that is logged in as *user*; without one, it is not logged in.

        Args:
            address: Host and port of another member; empty: the server in this pod.
        """
        settings = self._settings
        timeout_ms = int(settings.timeout_s * 1000)
        login: dict[str, Any] = {"username": user, "password": password, "authSource": "admin"}
        return AsyncMongoClient(
            address or f"{settings.mongodb_host}:{settings.mongodb_port}",
            directConnection=True,
            serverSelectionTimeoutMS=timeout_ms,
            connectTimeoutMS=timeout_ms,
            socketTimeoutMS=timeout_ms,
            **(login if user else {}),
        )

    async def hello(self, address: str = "") -> Document:
        """What a server says of itself."""
        async with self.connected(address=address) as client:
            answer: Document = await client.admin.command("hello")
            return answer

    async def lets_in(self, user: str, password: str) -> bool:
        """Whether a user exists and has this password."""
        async with self.connected(user=user, password=password) as client:
            try:
                await client.admin.command("ping")
            except OperationFailure as error:
                if error.code != AUTHENTICATION_FAILED:
                    raise
                return False
        return True


def state(hello: Document) -> str:
    """`primary`, `secondary`, or empty."""
    if hello.get("isWritablePrimary", hello.get("ismaster")):
        return "primary"
    return "secondary" if hello.get("secondary") else ""
