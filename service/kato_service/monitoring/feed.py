"""What happens to sessions, for those who follow it (decision 0053).

Nothing waits for a follower: each holds a bounded number of events, and is told how many it missed.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from kato_service.processing.results import LearnResult, ObservationResult, SequenceResult
from kato_service.sessions.state import SessionState

MAX_WAITING = 256
"""Events that wait for one follower."""
CREATED, DELETED, LEARNED = "session.created", "session.destroyed", "pattern.learned"


@dataclass(frozen=True, slots=True)
class Event:
    kind: str
    """One of `CREATED`, `DELETED` and `LEARNED`."""
    processor_id: str
    """The knowledge base, and so the user, that it belongs to."""
    session_id: str
    at: float = field(default_factory=time.time)
    """Seconds since the epoch, by the clock of the process in which it happened."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What only events of this kind have; JSON."""


class Elsewhere(Protocol):
    """The other replicas."""

    def publish(self, event: Event) -> None:
        """Let those who follow there have the event; returns at once."""

    async def run(self) -> None:
        """Exchange events until cancelled."""


class Follower:
    def __init__(self, wants: Callable[[Event], bool]) -> None:
        self.missed = 0
        """Events since the last that `next` returned, which did not fit any more."""
        self._wants = wants
        self._waiting: deque[Event] = deque()
        self._arrived = asyncio.Event()

    def offer(self, event: Event) -> None:
        if not self._wants(event):
            return
        if len(self._waiting) >= MAX_WAITING:
            # What is left would have a gap: the follower starts over from here.
            self.missed += len(self._waiting)
            self._waiting.clear()
        self._waiting.append(event)
        self._arrived.set()

    async def next(self) -> Event:
        """The oldest event that waits."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()


class EventFeed:
    """The events of this process, and those that other replicas let it have."""

    def __init__(self) -> None:
        self.elsewhere: Elsewhere | None = None
        """None: sessions are in this process only."""
        self.joined = asyncio.Event()
        """Set when somebody begins to follow; whoever waits for it clears it."""
        self._followers: set[Follower] = set()

    @property
    def is_followed(self) -> bool:
        """Whether anybody follows it in this process."""
        return bool(self._followers)

    @contextmanager
    def follower(self, wants: Callable[[Event], bool]) -> Iterator[Follower]:
        """One who follows the events that it *wants*, until this ends."""
        follower = Follower(wants)
        self._followers.add(follower)
        self.joined.set()
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    async def run(self) -> None:
        """Exchange events with the other replicas until cancelled; return if there are none."""
        if self.elsewhere is not None:
            await self.elsewhere.run()

    def created(self, state: SessionState) -> None:
        self._happened(Event(CREATED, *_of(state), more={"user_id": state.user_id}))

    def deleted(self, state: SessionState) -> None:
        self._happened(Event(DELETED, *_of(state), more={"user_id": state.user_id}))

    def answered(self, result: object) -> None:
        """Publish what *result*, from the processor, says was learned now."""
        if isinstance(result, ObservationResult) and result.auto_learned_pattern is None:
            return  # by far the most frequent answer
        match result:
            case ObservationResult(repeated=False, auto_learned_pattern=str(name)):
                names: tuple[str, ...] = (name,)
            case LearnResult(repeated=False):
                names = (result.pattern_name,)
            case SequenceResult(repeated=False):
                names = (*result.auto_learned_patterns, result.final_learned_pattern)
            case _:
                return
        if learned := [name for name in names if name]:
            more = {"pattern": learned[-1], "count": len(learned)}
            self._happened(Event(LEARNED, result.processor_id, result.session_id, more=more))

    def learned(self, processor_id: str, names: Sequence[str]) -> None:
        """Publish that lines of a bulk learn were learned, which belong to no session."""
        more = {"pattern": names[-1], "count": len(names)}
        self._happened(Event(LEARNED, processor_id, "", more=more))

    def deliver(self, event: Event) -> None:
        """Let those who follow in this process have an event."""
        for follower in self._followers:
            follower.offer(event)

    def _happened(self, event: Event) -> None:
        self.deliver(event)
        if self.elsewhere is not None:
            self.elsewhere.publish(event)


def _of(state: SessionState) -> tuple[str, str]:
    return state.processor_id, state.session_id
