"""Deadlines of requests, on the monotonic clock."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

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


class within:  # noqa: N801 - a context manager, and a class because a generator costs more
    """Cancel what runs inside at *deadline*.

    Raises:
        DeadlineExceededError: It was not done by then; its text is *message*.
    """

    __slots__ = ("_deadline", "_message", "_timeout")

    def __init__(self, deadline: Deadline, message: str) -> None:
        self._deadline = deadline
        self._message = message

    async def __aenter__(self) -> None:
        self._timeout = asyncio.timeout(self._deadline.remaining_s())
        await self._timeout.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as exc:
            raise DeadlineExceededError(self._message) from exc
        if isinstance(error, TimeoutError):
            raise DeadlineExceededError(self._message) from error
