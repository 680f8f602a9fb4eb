"""The sessions behind the conversations of agents."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kato_client import AsyncKato, AsyncSession, KatoError, NotFoundError

T = TypeVar("T")
MOST = 100
"""Conversations that are kept; the one that was used longest ago makes room."""


class Conversations:
    """A session for each name that agents choose, created when it is first used."""

    def __init__(self, kato: AsyncKato, user: str, *, most: int = MOST) -> None:
        self._kato, self._user, self._most = kato, user, most
        self._sessions: OrderedDict[str, AsyncSession] = OrderedDict()
        self._creating = asyncio.Lock()

    async def on(self, name: str, call: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """The result of *call* on the session of a conversation.

        A session that has expired is created again: what it had observed is gone, as it would be
        in any session that nobody used for so long.
        """
        session = await self._session(name)
        try:
            return await call(session)
        except NotFoundError as error:
            if error.code != "SESSION_NOT_FOUND":
                raise
        if self._sessions.get(name) is session:
            del self._sessions[name]
        return await call(await self._session(name))

    async def end(self) -> None:
        """Delete the sessions; those that cannot be deleted end by themselves."""
        while self._sessions:
            await self._delete(self._sessions.popitem()[1])

    async def _session(self, name: str) -> AsyncSession:
        async with self._creating:
            if name not in self._sessions:
                session = self._kato.session(user=self._user)
                await session.create()
                self._sessions[name] = session
            self._sessions.move_to_end(name)
            oldest = None
            if len(self._sessions) > self._most:
                _, oldest = self._sessions.popitem(last=False)
        if oldest is not None:
            await self._delete(oldest)
        return self._sessions[name]

    async def _delete(self, session: AsyncSession) -> None:
        try:
            await session.delete()
        except KatoError:
            return  # it ends with its lifetime
