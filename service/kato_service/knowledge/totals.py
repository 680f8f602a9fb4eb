"""What the knowledge bases in memory amount to: running sums, which are read in constant time."""

from heapq import heapify, heappop, heappush
from typing import NamedTuple

_SPARE = 64
"""Outdated places that the heap may have in any case before it is rebuilt."""


class Share(NamedTuple):
    """What one knowledge base contributes."""

    size_bytes: int
    patterns: int | None
    """None: it is not loaded."""
    lag: int
    """Entries that its views do not show."""


class Totals:
    """Sums over the last reported share of each knowledge base."""

    def __init__(self) -> None:
        self.loaded = 0
        self.patterns = 0
        self.size_bytes = 0
        self._shares: dict[str, Share] = {}
        self._lags: list[tuple[int, str]] = []
        """A heap of negative lags and ids. A place is outdated if the share has another lag now."""

    def size_of(self, base_id: str) -> int:
        """Its last reported bytes; 0: none were."""
        known = self._shares.get(base_id)
        return 0 if known is None else known.size_bytes

    def report(self, base_id: str, share: Share) -> None:
        """Put *share* in the place of the one before it."""
        known = self._shares.get(base_id)
        if known == share:
            return
        if known is not None:
            self._add(known, -1)
        self._shares[base_id] = share
        self._add(share, +1)
        if share.lag > 0 and (known is None or known.lag != share.lag):
            heappush(self._lags, (-share.lag, base_id))
            self._rebuild_if_outdated()

    def drop(self, base_id: str) -> None:
        known = self._shares.pop(base_id, None)
        if known is not None:
            self._add(known, -1)

    @property
    def largest_lag(self) -> int:
        """The lag of the knowledge base that has the largest one; 0: no view is behind."""
        while self._lags and self._is_outdated(*self._lags[0]):
            heappop(self._lags)
        return -self._lags[0][0] if self._lags else 0

    def _add(self, share: Share, sign: int) -> None:
        self.loaded += sign * (share.patterns is not None)
        self.patterns += sign * (share.patterns or 0)
        self.size_bytes += sign * share.size_bytes

    def _is_outdated(self, negative_lag: int, base_id: str) -> bool:
        known = self._shares.get(base_id)
        return known is None or known.lag != -negative_lag

    def _rebuild_if_outdated(self) -> None:
        """Keep the heap as small as the shares, also while nobody asks for the largest lag."""
        if len(self._lags) > 2 * len(self._shares) + _SPARE:
            self._lags = [(-share.lag, one) for one, share in self._shares.items() if share.lag > 0]
            heapify(self._lags)
