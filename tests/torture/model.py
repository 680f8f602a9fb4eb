"""A small model of sessions and knowledge bases, written from processor.md.

It uses nothing of the service, because the service is compared with it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha1
from struct import pack
from typing import Any

Event = tuple[str, ...]
Emotives = dict[str, float]
Item = dict[str, Any]
"""An observation as it is sent."""

PERSISTENCE = 3


def name_of(events: Iterable[Event]) -> str:
    text = repr([list(event) for event in events])
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


def symbol_of(vector: Sequence[float]) -> str:
    packed = b"".join(pack("<d", component) for component in vector)
    return "VCTR|" + sha1(packed, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Learned:
    """One learn, with what the session gives to it."""

    events: tuple[Event, ...]
    maps: tuple[Emotives, ...]
    """The emotive maps that were pending."""

    @property
    def name(self) -> str:
        return name_of(self.events)

    @property
    def emotives(self) -> Emotives | None:
        """What the learn appends to the emotives of the pattern; None: nothing."""
        if not self.maps:
            return None
        means = mean(self.maps)
        return {key: value for key, value in means.items() if value != 0}


def mean(maps: Iterable[Emotives]) -> Emotives:
    values: dict[str, list[float]] = {}
    for emotives in maps:
        for key, value in emotives.items():
            values.setdefault(key, []).append(value)
    return {key: sum(given) / len(given) for key, given in values.items()}


@dataclass(frozen=True)
class Session:
    """A session that only one client changes."""

    max_pattern_length: int = 0
    stm_mode: str = "KEEP_LAST"
    stm: tuple[Event, ...] = ()
    pending: tuple[Emotives, ...] = ()
    time: int = 0

    @property
    def symbols(self) -> int:
        return sum(map(len, self.stm))

    def observed(self, item: Item) -> tuple["Session", list[Learned]]:
        event = (*map(symbol_of, item.get("vectors", ())), *sorted(item.get("strings", ())))
        emotives = item.get("emotives")
        after = replace(
            self,
            time=self.time + 1,
            stm=(*self.stm, event) if event else self.stm,
            pending=(*self.pending, emotives) if emotives else self.pending,
        )
        if event and 0 < self.max_pattern_length <= len(after.stm):
            return replace(after.cleared(), stm=after._kept()), [Learned(after.stm, after.pending)]
        return after, []

    def observed_all(
        self, items: Iterable[Item], *, each: bool, end: bool, between: bool
    ) -> tuple["Session", list[Learned]]:
        """A sequence with ``learn_after_each``, ``learn_at_end`` and ``clear_stm_between``."""
        after, learned = self, list[Learned]()
        for number, item in enumerate(items):
            after, more = (after.cleared() if between and number else after).observed(item)
            learned += more
            if each:
                after, more = after.learned()
                learned += more
        if end:
            after, more = after.learned()
            learned += more
        return after, learned

    def learned(self) -> tuple["Session", list[Learned]]:
        if self.symbols < 2:
            return self, []
        return self.cleared(), [Learned(self.stm, self.pending)]

    def cleared(self) -> "Session":
        return replace(self, stm=(), pending=())

    def _kept(self) -> tuple[Event, ...]:
        if self.stm_mode == "CLEAR":
            return ()
        return self.stm[-1:] if self.stm_mode == "KEEP_LAST" else self.stm[1:]


@dataclass(frozen=True)
class Edited:
    frequency: int
    emotives: tuple[Emotives, ...]


class Deleted:
    pass


Operation = Learned | Edited | Deleted


@dataclass
class History:
    """All acknowledged operations on one pattern, in order."""

    events: tuple[Event, ...]
    operations: list[Operation] = field(default_factory=list)
    asked_at: float = 0.0
    """When the learn was sent that created it, or re-created it after a delete."""
    acknowledged_at: float = 0.0

    @property
    def alive(self) -> bool:
        return bool(self.operations) and not isinstance(self.operations[-1], Deleted)

    def state(self) -> tuple[int, list[Emotives]]:
        """Frequency and emotives of the pattern; a learn after a delete starts over."""
        frequency, window = 0, list[Emotives]()
        for operation in self.operations:
            match operation:
                case Learned():
                    frequency += 1
                    if operation.emotives is not None:
                        window = [*window, operation.emotives][-PERSISTENCE:]
                case Edited():
                    frequency, window = operation.frequency, list(operation.emotives)
                case Deleted():
                    frequency, window = 0, []
        return frequency, window


class Knowledge:
    """The patterns of one user, by bare name."""

    def __init__(self) -> None:
        self.histories: dict[str, History] = {}

    def learn(self, learned: Learned, asked_at: float, now: float) -> int:
        """Note an acknowledged learn; the frequency that it must have returned."""
        history = self.histories.setdefault(learned.name, History(learned.events))
        if not history.alive:
            history.asked_at, history.acknowledged_at = asked_at, now
        history.asked_at = min(history.asked_at, asked_at)
        history.acknowledged_at = min(history.acknowledged_at, now)
        history.operations.append(learned)
        return history.state()[0]

    def alive(self) -> dict[str, History]:
        return {name: one for name, one in self.histories.items() if one.alive}

    def replayed(self, order: Sequence[str]) -> Iterator[tuple[str, Operation]]:
        """All operations, in an order after which the patterns are in *order*."""
        gone = [name for name in self.histories if name not in set(order)]
        for name in (*gone, *order):
            for operation in self.histories[name].operations:
                yield name, operation
