"""Requests of this process on one session, one after another in order of arrival.

So only one of them asks the store for the session's lock at a time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kato_service.domain.deadline import Deadline, within
from kato_service.errors import OverloadedError


@dataclass(slots=True)
class _Queue:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class SessionQueues:
    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def turn(self, session_id: str, deadline: Deadline) -> AsyncIterator[None]:
        """Wait for the others, be alone inside.

        Raises:
            DeadlineExceededError: They took too long.
            OverloadedError: There are too many of them.
        """
        queue = self._queues.setdefault(session_id, _Queue())
        if queue.users > self._max_waiting:
            raise OverloadedError(
                "session", f"{self._max_waiting} requests wait for this session: repeat later"
            )
        queue.users += 1
        try:
            if queue.users > 1:
                async with within(deadline, "the session was busy all the time"):
                    await queue.lock.acquire()
            else:
                await queue.lock.acquire()
            try:
                yield
            finally:
                queue.lock.release()
        finally:
            queue.users -= 1
            if not queue.users:
                del self._queues[session_id]
