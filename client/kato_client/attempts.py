"""When a request is sent again, and when that is given up."""

import random
import time
from collections.abc import Callable

from kato_client.errors import AnswerError, ConnectionFailedError, KatoError
from kato_client.requests import Request

CONNECT_S = 5.0
SILENCE_S = 300.0
"""Of an answer that comes in pieces, seconds until the next one: a whole file may be checked."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


class Attempts:
    """The attempts of one call, within one limit of time.

    A call that moves on from attempt to attempt says how far it `reached`, and has the limit anew
    whenever an attempt that came further than all before it fails.
    """

    def __init__(
        self,
        limit_s: float,
        *,
        attempt_s: float,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Start now.

        Args:
            limit_s: Seconds for all attempts.
            attempt_s: Seconds that one of them may wait for the next piece of its answer.
        """
        self._clock, self._jitter = clock, jitter
        self._limit_s, self._attempt_s = limit_s, attempt_s
        self._end = clock() + limit_s
        self._failed = 0
        self._furthest: tuple[int, ...] = ()
        self._came_further = False
        """Whether this attempt came further than all before it."""
        self._may_be_done = False
        """Whether an attempt may have been applied although no answer said so."""

    @property
    def left_s(self) -> float:
        """Seconds that the next attempt may take; never 0, which would mean no limit to some."""
        return min(self._attempt_s, max(0.001, self._end - self._clock()))

    @property
    def is_over(self) -> bool:
        return self._clock() >= self._end

    def reached(self, *place: int) -> None:
        """This attempt has come to *place*; later ones are greater, compared number by number."""
        if place > self._furthest:
            self._furthest, self._came_further = place, True

    def was_done(self, request: Request) -> bool:
        """Whether an earlier attempt was applied if *request* finds nothing: it was deleted."""
        return request.method == "DELETE" and self._may_be_done

    def pause_s(self, error: KatoError) -> float | None:
        """Seconds to wait before the next attempt; None: give up, and raise *error*."""
        if self._came_further:
            self._end, self._failed = self._clock() + self._limit_s, 0
            self._came_further = False
        self._failed += 1
        if not isinstance(error, AnswerError | ConnectionFailedError) or not error.retryable:
            return None
        self._may_be_done |= isinstance(error, ConnectionFailedError) or error.status >= 500
        asked_s = (error.retry_after_s or 0.0) if isinstance(error, AnswerError) else 0.0
        ceiling_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failed, 10))
        # Clients that failed together must not come back together, so the pause is random; what
        # the instance asked for is its least.
        pause_s = asked_s + self._jitter(0.0, ceiling_s)
        if self._clock() + pause_s >= self._end:
            error.add_note(f"gave up after attempt {self._failed}, within {self._limit_s:g} s")
            return None
        return pause_s
