"""Requests of this process on one session, one after another in order of arrival.

So only one of them asks the store for the session's lock at a time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kato_service.domain.deadline import Deadline, within


@dataclass(slots=True)
class _Queue:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class SessionQueues:
    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def turn(self, session_id: str, deadline: Deadline) -> AsyncIterator[None]:
        """Wait for the others, be alone inside.

        Raises:
            DeadlineExceededError: They took too long.
        """
        queue = self._queues.setdefault(session_id, _Queue())
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
