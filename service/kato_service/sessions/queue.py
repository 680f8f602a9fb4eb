"""The queue in front of each session's lock, for the requests of this process.

They take turns in order of arrival, so that only one of them at a time asks the store for the lock.
"""

import asyncio
from collections import deque
from contextlib import suppress

from kato_service.domain.deadline import Deadline, within
from kato_service.errors import OverloadedError

BUSY = "other requests kept the session locked until the deadline; retry later"


class SessionQueues:
    def __init__(self, max_waiting: int) -> None:
        """*max_waiting*: requests that may wait for one session."""
        self._max_waiting = max_waiting
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        """By session those that wait; an empty one if a request runs and none waits."""

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
        waiting = self._queues.get(session_id)
        if waiting is None:
            self._queues[session_id] = deque()
            return
        if len(waiting) >= self._max_waiting:
            raise OverloadedError(
                "session",
                f"{self._max_waiting} requests already wait for this session; retry later",
            )
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            async with within(deadline, BUSY):
                await turn
        except BaseException:
            if turn.cancelled():
                with suppress(ValueError):  # `give_back` may have passed it over
                    waiting.remove(turn)
            else:  # its turn came in the moment in which it gave up
                self.give_back(session_id)
            raise

    def give_back(self, session_id: str) -> None:
        """Let the next request have its turn."""
        waiting = self._queues[session_id]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._queues[session_id]
