"""How many knowledge bases of an instance may have vectors, and how many of them one caller's.

A collection costs Qdrant memory, threads and files whatever it holds, in local mode an open file of
this process. Anybody may name any number of users, so they are bounded (decision 0044).
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import inf

from kato_service.domain.shares import Holder, share_of_caller
from kato_service.errors import VectorLimitExceededError

RESERVED_S = 60.0
"""Seconds in which a knowledge base with a place must get its collection."""


@dataclass(frozen=True, slots=True)
class _Place:
    holder: Holder | None
    kept_until: float
    """When it ends if there is no collection; -inf once there was one."""


class VectorPlaces:
    def __init__(
        self, instance: str, most: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Args:
        instance: The processor id of the instance: others may share its Qdrant.
        most: Knowledge bases with vectors.
        """
        self._own = re.compile(re.escape(instance) + "(~.*)?")
        self._most = most
        self._clock = clock
        self._places: dict[str, _Place] = {}
        """Of knowledge bases that got their first vectors in this process."""

    def reserve(self, kb: str, holder: Holder | None, existing: Iterable[str]) -> None:
        """Give *kb* a place, unless it has one.

        Args:
            holder: Who asks; None: it counts for no caller.
            existing: The knowledge bases that have collections; of any instance.

        Raises:
            VectorLimitExceededError: All places are taken, or as many as one caller may hold.
        """
        own = {one for one in existing if self._own.fullmatch(one)}
        self._compare_with(own)
        if kb in own or kb in self._places:
            return
        if len(own | self._places.keys()) >= self._most:
            raise VectorLimitExceededError.of_instance(self._most)
        of_caller = sum(place.holder == holder for place in self._places.values())
        if holder is not None and of_caller >= share_of_caller(self._most):
            raise VectorLimitExceededError.of_caller(holder.noun, share_of_caller(self._most))
        self._places[kb] = _Place(holder, self._clock() + RESERVED_S)

    def _compare_with(self, existing: set[str]) -> None:
        """Give places back whose collections were dropped, or never made."""
        now = self._clock()
        for kb, place in tuple(self._places.items()):
            if kb in existing:
                self._places[kb] = replace(place, kept_until=-inf)
            elif place.kept_until <= now:
                del self._places[kb]
