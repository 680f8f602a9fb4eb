"""How many knowledge bases of an instance may have vectors, and how many of them one caller's.

Anybody may name any number of users, so they are bounded (decision 0044).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from kato_service.domain.shares import Holder, share_of_caller
from kato_service.errors import VectorLimitExceededError
from kato_service.knowledge.vectors.dimensions import Dimensions

RESERVED_S = 60.0
"""Seconds in which a knowledge base with a place must get its first vectors."""
COUNTED_S = 1.0
"""Seconds for which a count holds; what this process adds meanwhile is counted in addition."""
COMPARED_S = 10.0
"""Seconds after which a caller that holds its share is compared with what still exists."""


@dataclass(frozen=True, slots=True)
class _Place:
    holder: Holder | None
    kept_until: float | None
    """When it ends if no vectors come; None once they did."""


class VectorPlaces:
    def __init__(
        self, instance: str, most: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Args:
        instance: The processor id of the instance: others may share its stores.
        most: Knowledge bases with vectors.
        """
        self._instance = instance
        self._most = most
        self._clock = clock
        self._places: dict[str, _Place] = {}
        """Of knowledge bases that got their first vectors in this process."""
        self._waiting: set[str] = set()
        """Those of them without vectors."""
        self._held: dict[Holder, set[str]] = {}
        self._taken = 0
        """Places of all replicas, as last counted, and those this process gave away since then."""
        self._counted_at = float("-inf")
        self._compared_at = float("-inf")

    async def reserve(self, kb: str, holder: Holder | None, known: Dimensions) -> None:
        """Give *kb*, which has no vectors, a place, unless it has one.

        Args:
            holder: Who asks; None: it counts for no caller.

        Raises:
            VectorLimitExceededError: All places are taken, or as many as one caller may hold.
        """
        now = self._clock()
        self._end_waiting(now)
        if kb in self._places:
            return
        await self._require_room(known, now)
        if holder is not None:
            await self._require_share(holder, known, now)
            self._held.setdefault(holder, set()).add(kb)
        if kb not in self._places:
            self._taken += 1
        self._places[kb] = _Place(holder, now + RESERVED_S)
        self._waiting.add(kb)

    def taken(self, kb: str) -> None:
        """*kb* has vectors now."""
        if kb in self._waiting:
            self._waiting.discard(kb)
            self._places[kb] = replace(self._places[kb], kept_until=None)

    def give_back(self, kb: str) -> None:
        """*kb* has no vectors any more."""
        self._counted_at = float("-inf")
        self._waiting.discard(kb)
        place = self._places.pop(kb, None)
        if place is not None and place.holder is not None:
            held = self._held[place.holder]
            held.discard(kb)
            if not held:
                del self._held[place.holder]

    async def _require_room(self, known: Dimensions, now: float) -> None:
        if now - self._counted_at >= COUNTED_S:
            counted = await known.count(self._instance)
            self._taken, self._counted_at = counted + len(self._waiting), now
        if self._taken >= self._most:
            raise VectorLimitExceededError.of_instance(self._most)

    async def _require_share(self, holder: Holder, known: Dimensions, now: float) -> None:
        share = share_of_caller(self._most)
        if len(self._held.get(holder, ())) >= share and now - self._compared_at >= COMPARED_S:
            self._compared_at = now
            existing = await known.knowledge_bases(self._instance)
            for kb in self._held.get(holder, set()) - existing - self._waiting:
                self.give_back(kb)
        if len(self._held.get(holder, ())) >= share:
            raise VectorLimitExceededError.of_caller(holder.noun, share)

    def _end_waiting(self, now: float) -> None:
        for kb in tuple(self._waiting):
            kept_until = self._places[kb].kept_until
            if kept_until is not None and kept_until <= now:
                self.give_back(kb)
