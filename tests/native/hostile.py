"""Calls that the compiled engine must survive although no caller should make them, for fuzz.py.

Any method of its objects may be called with anything, and allocations fail at random. Whatever is
refused is refused by an exception of those below; the index is sound after every call.
"""

import math
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

import conftest  # noqa: F401  # puts the test build in its place
from kato_service.domain.pattern import Event, pattern_name
from kato_service.search import _engine

REFUSALS = (
    TypeError,
    ValueError,
    OverflowError,
    IndexError,
    MemoryError,
    RuntimeError,
    TimeoutError,
)
SYMBOLS = ("", "a", "b", "é", "\ud800", "𝄞", "a" * 70_000)
NUMBERS = (0, 1, 2, 7, 300, -1, 2**30, 2**31, 2**32 - 1, 2**32, 2**63, 2**64, True, 10**30)
SCALARS = (None, 0.0, 0.1, 1.0, -1.0, math.inf, -math.inf, math.nan, "", "a" * 40, "A" * 40, b"ab")
CALLS = 60


class Odd:
    """Gives away what numbers are made of, and fails on the way."""

    def __index__(self) -> int:
        raise ZeroDivisionError

    def __float__(self) -> float:
        raise ZeroDivisionError

    def __hash__(self) -> int:
        raise ZeroDivisionError


class Hostile:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.index = _engine.Index()
        self.names: list[str] = []
        self.objects: list[object] = [self.index, _engine.round12, *_fresh()]

    def run(self) -> None:
        for _ in range(CALLS):
            self._learn()
            self._call()
            self._require_sound()

    def _learn(self) -> None:
        events = self._events()
        name = pattern_name(events) if self._encodable(events) else "0" * 40
        numbers = [self.rng.randint(0, 9) for _ in range(5)]
        with suppress(*REFUSALS):
            self._unreliably(lambda: self.index.put(name, events, *numbers))
            self.names.append(name)

    def _call(self) -> None:
        target = self.rng.choice(self.objects)
        method = self.rng.choice([name for name in dir(target) if _is_ours(name)])
        arguments = [self._anything() for _ in range(self.rng.randint(0, 8))]
        with suppress(*REFUSALS, ZeroDivisionError):
            made = self._unreliably(lambda: getattr(target, method)(*arguments))
            if type(made).__module__ == _engine.Index.__module__:
                self.objects = [*[*self.objects, made][-8:], self.index, *_fresh()]

    def _unreliably(self, action: Callable[[], object]) -> object:
        """Sometimes with an allocation that fails."""
        if self.rng.random() < 0.3:
            _engine.fail_allocations_after(self.rng.randrange(30))
        try:
            return action()
        finally:
            _engine.fail_allocations_after(-1)

    def _require_sound(self) -> None:
        names = self.index.after(0, 10_000)
        assert len(set(names)) == len(names) <= len(self.index)
        for name in names:
            assert self.index.get(name) is not None
        if len(self.index) > 0:
            found = list(self.index.frozen().best(("a", "b"), 0.0, 10_000))
            assert len(found) == len(self.index)

    def _anything(self, depth: int = 0) -> object:
        what = self.rng.randrange(9 if depth < 3 else 5)
        if what == 0 and self.names:
            return self.rng.choice(self.names)
        if what == 1:
            return self.rng.choice(SCALARS)
        if what == 2:
            return self.rng.choice(SYMBOLS)
        if what == 3:
            return Odd() if self.rng.random() < 0.1 else self.rng.choice(self.objects)
        if what < 6:
            return self.rng.choice(NUMBERS)
        if what == 6:
            return self._events()
        made = [self._anything(depth + 1) for _ in range(self.rng.randrange(5))]
        return made if what == 7 else tuple(made)

    def _events(self) -> tuple[Event, ...]:
        sizes = [self.rng.choice((1, 1, 2, 5)) for _ in range(self.rng.randint(1, 6))]
        return tuple(tuple(self.rng.choices(SYMBOLS, k=size)) for size in sizes)

    def _encodable(self, events: Sequence[Event]) -> bool:
        return all("\ud800" not in symbol for event in events for symbol in event)


def _fresh() -> tuple[object, ...]:
    return _engine.Loader(1, 2), _engine.Restorer()


def _is_ours(name: str) -> bool:
    """Methods that do something: the engine's own, and those behind len() and []."""
    return not name.startswith("_") or name in ("__len__", "__getitem__", "__call__", "__iter__")
