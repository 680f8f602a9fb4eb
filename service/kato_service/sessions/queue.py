"""The queue in front of each session's lock, for the requests of this process.

They take turns in order of arrival, so that only one of them at a time asks the store for the lock.
"""

import asyncio
from dataclasses import dataclass, field

from kato_service.domain.deadline import Deadline, within
from kato_service.errors import OverloadedError

BUSY = "other requests kept the session locked until the deadline; retry later"


@dataclass(slots=True)
class _Queue:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    """Requests that wait, and the one whose turn it is."""


class SessionQueues:
    def __init__(self, max_waiting: int) -> None:
        """*max_waiting*: requests that may wait for one session."""
        self._max_waiting = max_waiting
        self._queues: dict[str, _Queue] = {}

    def is_waited_for(self, session_id: str) -> bool:
        """Whether a request of the session runs or waits."""
        return session_id in self._queues

    async def take(self, session_id: str, deadline: Deadline) -> None:
        """Wait for the requests before this one; no other one of the session runs until
        `give_back`.

        Raises:
            DeadlineExceededError: They took too long.
            OverloadedError: Too many of them wait.
        """
        queue = self._queues.get(session_id)
        if queue is None:
            queue = self._queues[session_id] = _Queue()
        if queue.users > self._max_waiting:
            raise OverloadedError(
                "session",
                f"{self._max_waiting} requests already wait for this session; retry later",
            )
        queue.users += 1
        try:
            if queue.users > 1:
                async with within(deadline, BUSY):
                    await queue.lock.acquire()
            else:
                await queue.lock.acquire()  # free: a timer would cost more than it saves
        except BaseException:
            self._left(session_id, queue)
            raise

    def give_back(self, session_id: str) -> None:
        """Let the next request have its turn."""
        queue = self._queues[session_id]
        queue.lock.release()
        self._left(session_id, queue)

    def _left(self, session_id: str, queue: _Queue) -> None:
        queue.users -= 1
        if not queue.users:
            del self._queues[session_id]
