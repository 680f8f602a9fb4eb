"""Deadlines of requests, on the monotonic clock."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kato_service.errors import DeadlineExceededError


@dataclass(frozen=True, slots=True)
class Deadline:
    at: float
    """Seconds of *clock*."""
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> "Deadline":
        return cls(clock() + seconds, clock)

    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - self.clock())

    @property
    def passed(self) -> bool:
        return self.clock() >= self.at


@asynccontextmanager
async def within(deadline: Deadline, message: str) -> AsyncIterator[None]:
    """Cancel what runs inside at *deadline*.

    Raises:
        DeadlineExceededError: It was not done by then; its text is *message*.
    """
    try:
        async with asyncio.timeout(deadline.remaining_s()):
            yield
    except TimeoutError as exc:
        raise DeadlineExceededError(message) from exc
