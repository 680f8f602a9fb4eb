"""When components are asked: outside of passes, often while something is wrong, seldom at rest.

A pass says what there is to ask and reads what was found. Only a changed finding causes a pass.
"""

import asyncio
import heapq
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

import structlog

from kato_operator import names
from kato_operator.backoff import MAX_DOUBLINGS
from kato_operator.manifests import Key
from kato_operator.stores.checks import Answer, Probe, answered
from kato_operator.stores.connections import LONGEST_S, Connections, Sessions

log = structlog.get_logger()

NEVER = float("inf")
GRAIN_S = 0.2
"""Seconds that a check at rest may be late, so that several share a wake-up."""
MOST_AT_ONCE = 100
"""Components that are asked at the same time."""


@dataclass(frozen=True, slots=True)
class CheckPolicy:
    """How often to ask, how long to wait, and how many failures in a row make a component fail."""

    interval_s: float
    timeout_s: float
    failure_threshold: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of the components of an instance.

    *failures* are the components that fail, each with the reason. *details* are what they answered.
    *awaited* are those that have not answered since they were first asked.
    """

    failures: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    awaited: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class Asked:
    """A component that is asked from time to time, and the result of the last time.

    *failures* counts the failed checks in a row. *message* is why the last one failed, empty if it
    did not. *was_up* tells whether it has ever answered. *due* and *asked_at* are on the clock of
    `DeepChecks`, as is *queued*, the time of its entry in the queue. *told* is what the last pass
    has seen, or will see. *round* changes when an answer that is on its way no longer counts.
    """

    key: Key
    uid: str
    name: str
    probe: Probe
    policy: CheckPolicy
    due: float = NEVER
    queued: float = NEVER
    asked_at: float = -NEVER
    failures: int = 0
    message: str = ""
    detail: str = ""
    was_up: bool = False
    is_awaited: bool = True
    is_in_progress: bool = False
    round: int = 0
    told: tuple[str, str, bool] | None = None

    @property
    def failure(self) -> str:
        """Why it counts as failed, empty if it does not.

        One that has answered before may fail a few times in a row, below the threshold; one that
        never has fails at once.
        """
        threshold = self.policy.failure_threshold if self.was_up else 1
        return self.message if self.failures >= threshold else ""

    @property
    def finding(self) -> tuple[str, str, bool]:
        """What passes see of it."""
        return self.failure, self.detail, self.is_awaited

    def answered(self, message: str, answer: Answer, now: float) -> None:
        """Note the result of a check; *message* is empty if it did not fail."""
        self.asked_at, self.message, self.detail = now, message, answer.detail
        self.failures = self.failures + 1 if message else 0
        self.was_up = self.was_up or not message
        self.is_awaited = False


class DeepChecks:
    """Asks the components of all instances, while `run` runs.

    The service reports on the stores that it uses. As long as it calls a store healthy that has
    answered the operator itself, the store is not asked.

    Args:
        clock: Gives the time in seconds; it must never go back.
        changed: Gets the key of an instance whenever a finding about it changes.
        rate: How many instances are asked per second while they are well.
        may_ask: Whether this process looks after instances now; one that stands by asks nobody.
        jitter: Gives numbers from 0 to 1.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        changed: Callable[[Key], None],
        rate: float,
        may_ask: Callable[[], bool] = lambda: True,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._changed = changed
        self._rate = rate
        self._may_ask = may_ask
        self._jitter = jitter
        self._asked: dict[str, dict[str, Asked]] = {}
        self._before: dict[str, dict[str, Asked]] = {}
        self._queue: list[tuple[float, int, Asked]] = []
        self._numbers = count()
        self._sooner = asyncio.Event()

    def ask(self, key: Key, uid: str, probes: Mapping[str, Probe], policy: CheckPolicy) -> Findings:
        """Ask exactly these components of an instance from now on; what is known of them so far.

        A component that was not asked before, or not in this way, is asked at once. So is one whose
        last own answer is older than the interval, because a pass means that something has changed.
        """
        known = self._asked.setdefault(uid, {})
        for name in known.keys() - probes.keys():
            self._before.setdefault(uid, {})[name] = known.pop(name)
        for name, probe in probes.items():
            self._expect(known, Asked(key, uid, name, probe, policy))
        if not known:  # nothing of it runs: it takes no share of the rate
            del self._asked[uid]
        for item in known.values():
            item.told = item.finding
        return Findings(
            {name: item.failure for name, item in known.items() if item.failure},
            {name: item.detail for name, item in known.items()},
            frozenset(name for name, item in known.items() if item.is_awaited),
        )

    def forget(self, uid: str) -> None:
        """Stop asking the components of an instance that is deleted."""
        self._asked.pop(uid, None)
        self._before.pop(uid, None)

    async def run(self) -> None:
        """Ask whatever is due, until cancelled."""
        places = asyncio.Semaphore(MOST_AT_ONCE)
        async with Connections() as connections, asyncio.TaskGroup() as group:
            group.create_task(connections.renew())
            while True:
                item = await self._next()
                await places.acquire()
                asking = group.create_task(self._check(item, connections.now))
                asking.add_done_callback(lambda _: places.release())

    def _expect(self, known: dict[str, Asked], new: Asked) -> None:
        item = known.get(new.name)
        if item is None:
            item = known[new.name] = self._before.get(new.uid, {}).pop(new.name, new)
            item.is_awaited, item.detail = True, ""
            item.round += 1
        is_same = item.probe == new.probe
        item.round += not is_same
        item.key, item.probe, item.policy = new.key, new.probe, new.policy
        next_s = item.asked_at + new.policy.interval_s - self._clock()
        if item.is_awaited or not is_same:
            self._plan(item, 0.0)
        elif self._clock() + next_s < item.due:
            self._plan(item, max(0.0, next_s))

    def _plan(self, item: Asked, delay_s: float) -> None:
        """Ask a component after a delay; one that is being asked gets its time afterwards."""
        if item.is_in_progress:
            return
        item.due = self._clock() + delay_s
        if item.due < item.queued:
            self._enqueue(item)
            if self._queue[0][2] is item:
                self._sooner.set()

    def _enqueue(self, item: Asked) -> None:
        item.queued = item.due
        heapq.heappush(self._queue, (item.due, next(self._numbers), item))

    async def _next(self) -> Asked:
        """Wait until a component is due.

        One whose check was put off keeps its entry in the queue until then; one whose check was
        brought forward has another.
        """
        while True:
            self._sooner.clear()
            wait_s = self._queue[0][0] - self._clock() if self._queue else None
            if wait_s is None or wait_s > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s and max(wait_s, GRAIN_S)):
                        await self._sooner.wait()
                continue
            queued, _, item = heapq.heappop(self._queue)
            if queued != item.queued:
                continue
            item.queued = NEVER
            if not self._is_asked(item):
                continue
            if item.due <= self._clock():
                item.due, item.is_in_progress = NEVER, True
                return item
            self._enqueue(item)

    async def _check(self, item: Asked, sessions: Sessions) -> None:
        if not self._may_ask():
            item.is_in_progress = False
            self._plan(item, item.policy.interval_s)
            return
        before = item.round
        http = sessions.keeping if item.was_up and not item.failures else sessions.closing
        message, answer = await answered(item.probe, http, min(item.policy.timeout_s, LONGEST_S))
        item.is_in_progress = False
        if not self._is_asked(item):
            return
        if item.round != before:
            self._plan(item, 0.0)
            return
        item.answered(message, answer, self._clock())
        is_well = answer.is_well and not message
        self._plan(item, self._at_rest_s(item) if is_well else self._in_doubt_s(item))
        if item.name == names.SERVICE:
            self._vouch(item, answer.vouched, is_well=is_well)
        if item.finding != item.told:
            item.told = item.finding
            self._changed(item.key)

    def _vouch(self, service: Asked, healthy: frozenset[str], *, is_well: bool) -> None:
        """Put off the checks of stores that the service calls healthy.

        If it is not well itself, ask the others now, and after each of its answers.
        """
        late_s = service.policy.interval_s + service.policy.timeout_s
        for item in self._asked[service.uid].values():
            is_due = item.is_awaited or item.due <= self._clock()
            if item is service or is_due or item.failures:
                continue
            if item.name in healthy:  # until the answer after this one is late
                self._plan(item, self._longest_rest_s(service) + late_s)
            elif not is_well:
                self._plan(item, 0.0)

    def _in_doubt_s(self, item: Asked) -> float:
        """Seconds until one that is not well is asked again: at first sooner, if it only starts."""
        starting_s = 2.0 ** min(item.failures - 1, MAX_DOUBLINGS)
        return item.policy.interval_s if item.was_up else min(item.policy.interval_s, starting_s)

    def _at_rest_s(self, item: Asked) -> float:
        """Seconds until a component that is well is asked again, which differ at random."""
        jitter = self._jitter() / 5
        return max(item.policy.interval_s * (1 - jitter), self._share_s * (0.9 + jitter))

    def _longest_rest_s(self, item: Asked) -> float:
        return max(item.policy.interval_s, self._share_s * 1.1)

    @property
    def _share_s(self) -> float:
        """Seconds in which every instance is asked once at the rate."""
        return len(self._asked) / self._rate

    def _is_asked(self, item: Asked) -> bool:
        return self._asked.get(item.uid, {}).get(item.name) is item
