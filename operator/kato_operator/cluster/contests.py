"""A back-off for children that something else changes as often as the operator repairs them."""

from collections.abc import Callable
from dataclasses import dataclass

from kato_operator.backoff import Backoff

Identity = tuple[str, str, str]
"""Kind, namespace and name of a child."""
FREE = 5
"""Applies of one manifest in a row without a delay: a person who edits a child, or deletes it."""
QUIET_S = 900.0
"""Seconds without a repair after which the count starts over."""
DELAYS = Backoff(first_s=4.0, longest_s=300.0)


@dataclass(frozen=True, slots=True)
class Record:
    """The applies of one manifest: how many in a row, the last of them, and the earliest next."""

    digest: str
    count: int
    last_at: float
    next_at: float


class Contests:
    """How often each child needed the same manifest applied to it.

    An apply of another manifest is an edit of the spec, and never waits.

    Args:
        clock: Gives the time in seconds; it must never go back.
    """

    def __init__(self, *, clock: Callable[[], float], delays: Backoff = DELAYS) -> None:
        self._clock = clock
        self._delays = delays
        self._records: dict[Identity, Record] = {}

    def applied(self, child: Identity, digest: str) -> None:
        """Count an apply of the manifest with this digest."""
        now, known = self._clock(), self._current(child, digest)
        count = 1 if known is None else known.count + 1
        delay_s = self._delays.delay_s(count - FREE) if count > FREE else 0.0
        self._records.pop(child, None)  # so that the records stay in the order of their times
        self._records[child] = Record(digest, count, now, now + delay_s)
        self._drop_quiet()

    def is_waiting(self, child: Identity, digest: str) -> bool:
        """Whether the manifest has been applied so often that the next apply must wait."""
        known = self._current(child, digest)
        return known is not None and known.next_at > self._clock()

    def _current(self, child: Identity, digest: str) -> Record | None:
        known = self._records.get(child)
        if known is None or known.digest != digest:
            return None
        return known if self._clock() - known.last_at < QUIET_S else None

    def _drop_quiet(self) -> None:
        while self._records:
            child, oldest = next(iter(self._records.items()))
            if self._clock() - oldest.last_at < QUIET_S:
                return
            del self._records[child]
