"""The pace of a computation in a thread: others hold it up, let it go on and end it."""

import threading
from collections.abc import Iterable, Iterator
from math import inf
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


class Pace:
    """Between a computation, which looks at it every millisecond, and those who let it run.

    Methods for others return at once, and take effect when the computation looks next.
    """

    def __init__(self, budget_s: float = inf) -> None:
        """*budget_s*: seconds that it may compute, those that it is held up not counted."""
        self.signal = bytearray(1)
        """Not 0: the computation has to `obey`. Read by the compiled engine without a lock."""
        self.until = inf
        """When its budget is used up, by the monotonic clock; for whoever computes."""
        self.held_s = 0.0
        """Seconds that it was held up so far."""
        self._budget_s = budget_s
        self._held_since: float | None = None
        self._is_stopped = False
        self._changed = threading.Condition()

    def hold(self) -> None:
        with self._changed:
            self._held_since = monotonic()
            self.signal[0] = 1

    def let_go_on(self) -> None:
        with self._changed:
            if self._held_since is not None:
                self.held_s += monotonic() - self._held_since
                self._held_since = None
            self.signal[0] = self._is_stopped
            self._changed.notify_all()

    def stop(self) -> None:
        """End it: nobody wants to know what it finds."""
        with self._changed:
            self._is_stopped = True
            self.signal[0] = 1
            self._changed.notify_all()

    def begin(self) -> None:
        """The computation begins: its budget counts from now on."""
        self.until = monotonic() + self._budget_s

    def look(self) -> None:
        """For computations in Python: go on if there is time, after a while if held up.

        Raises:
            TimeoutError: It was stopped, or its budget is used up.
        """
        if self.signal[0]:
            self.until += self.obey()
        if monotonic() > self.until:
            raise TimeoutError("matching was not done in time")

    def obey(self) -> float:
        """Wait while held up; gives the seconds that it took.

        Raises:
            TimeoutError: It was stopped.
        """
        began = monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or self._held_since is None)
            if self._is_stopped:
                raise TimeoutError("matching was given up")
        return monotonic() - began


def paced(items: Iterable[T], pace: Pace) -> Iterator[T]:
    """*items*, with a look at the pace before each.

    Raises:
        TimeoutError: It gave no more time.
    """
    for item in items:
        pace.look()
        yield item
