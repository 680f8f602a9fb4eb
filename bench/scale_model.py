"""What `scale_out.py` simulates: prices of requests, users, visits, and how requests find replicas.

Prices come from `scale_costs.json`; nothing here has a clock or random numbers of its own.
"""

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

COSTS = Path(__file__).resolve().parent / "scale_costs.json"
CREATE, OBSERVE, PREDICT, LEARN = range(4)
ANY, SESSION, USER = "any", "session", "user"
"""What chooses the replica of a request: chance, or a hash of the session or of the user."""
VISIT = (CREATE, *(OBSERVE, OBSERVE, OBSERVE, OBSERVE, OBSERVE, PREDICT) * 4, LEARN)
"""The requests of a visit: a session with 20 events, four predictions, and a learn at the end."""
GAP_S = 3.0
"""Seconds between two requests of a visit."""
HOTTEST = 40.0
"""How much more active than the average the most active user is, at most; sizes have the same
bound. A user beyond what one replica can do is a matter of that user's log, not of routing."""
POINTS = 64
"""Places of a replica on the ring."""
WINDOW_S = 5.0
"""Seconds over which a balancer counts the requests of a replica."""
Numbers = npt.NDArray[Any]


@dataclass(frozen=True)
class Prices:
    """Microseconds of the service's processor, and bytes of its memory."""

    requests: tuple[float, ...]
    """By kind; of a prediction, without matching."""
    redis: tuple[float, ...]
    """Microseconds of Redis' processor, by kind."""
    sizes: tuple[float, ...]
    predictions: tuple[float, ...]
    """For knowledge bases of `sizes` patterns, in all."""
    loads: tuple[float, ...]
    first_entry: float
    """Catching up with an entry of another replica; each further one costs `entry`."""
    entry: float
    views: float
    idle: float
    """Per second, for a replica that nobody asks."""
    resident_bytes: float
    small_bytes: float
    """Of a knowledge base of `small_patterns`."""
    pattern_bytes: float
    small_patterns: int = 50

    @classmethod
    def of(cls, costs: dict[str, Any]) -> "Prices":
        rows, sizes = costs["by_size"], costs["sizes"]
        create, observe = costs["create"], costs["observe"]
        request, redis = observe["service_us"], observe["redis_us"]
        return cls(
            # What a request costs around the knowledge is taken from an observation.
            requests=(create["service_us"], request, 0.0, request + costs["learn_us"]),
            # An observation is two calls, a prediction one, a learn three.
            redis=(create["redis_us"], redis, redis / 2, redis * 1.5),
            sizes=tuple(row["patterns"] for row in rows),
            predictions=tuple(request + row["predict_us"] for row in rows),
            loads=tuple(row["load_us"] for row in rows),
            first_entry=costs["catching_up"]["first_entry_us"],
            entry=costs["catching_up"]["entry_us"],
            views=costs["views_us"],
            idle=costs["idle"]["service_us_per_s"],
            resident_bytes=costs["idle"]["resident_bytes"],
            small_bytes=sizes["base_of_50_bytes"],
            pattern_bytes=sizes["pattern_bytes_in_a_large_base"],
        )

    @classmethod
    def measured(cls) -> "Prices":
        return cls.of(json.loads(COSTS.read_text(encoding="utf-8")))

    def prediction_us(self, patterns: Numbers) -> Numbers:
        return self._priced(patterns, self.predictions)

    def load_us(self, patterns: Numbers) -> Numbers:
        return self._priced(patterns, self.loads)

    def _priced(self, patterns: Numbers, prices: Sequence[float]) -> Numbers:
        """Between and beyond what was measured, a straight line."""
        slope = (prices[-1] - prices[-2]) / (self.sizes[-1] - self.sizes[-2])
        beyond = np.maximum(0, patterns - self.sizes[-1]) * slope
        return np.interp(patterns, self.sizes, prices) + beyond

    def base_bytes(self, patterns: Numbers) -> Numbers:
        """Never less than half of a small one: much of that does not depend on patterns."""
        grown = self.small_bytes + (patterns - self.small_patterns) * self.pattern_bytes
        return np.maximum(grown, self.small_bytes / 2)


@dataclass(frozen=True)
class Scenario:
    replicas: int
    routing: str
    """ANY, SESSION or USER."""
    seconds: float
    seed: int = 1
    users: int = 200
    """For each replica."""
    requests_per_s: float = 20.0
    """For each replica. Few users at few requests: what is reported depends on ratios."""
    mean_patterns: float = 300.0
    room: float = 2.0
    """Memory of a replica for knowledge, in shares of what its part of the users takes."""
    exponent: float = 0.8
    """Of Zipf's law, for activity and for sizes; 0: all users are alike."""
    bound: float = 1.5
    """How much more than the average a replica may get before the next one gets the request."""
    changes: bool = True
    """Whether one replica fails after a third of the time, and a new one comes after two."""
    warm: bool = True
    """Whether replicas begin with what they would have in memory after a long time."""

    @property
    def population(self) -> int:
        return self.users * self.replicas


@dataclass(frozen=True)
class Users:
    activity: Numbers
    """Shares of all visits, float64, shape (users,)."""
    patterns: Numbers
    """Float64, shape (users,)."""

    @classmethod
    def of(cls, scenario: Scenario, rng: np.random.Generator) -> "Users":
        shares = zipf(scenario.population, scenario.exponent)
        sizes = rng.permutation(shares) * scenario.population * scenario.mean_patterns
        return cls(rng.permutation(shares), np.maximum(1, np.rint(sizes)))


def zipf(count: int, exponent: float) -> Numbers:
    """Shares by rank that sum to 1, none more than HOTTEST times the average."""
    shares = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    for _ in range(20):
        shares /= shares.sum()
        shares = np.minimum(shares, HOTTEST / count)
    return shares / shares.sum()


@dataclass(frozen=True)
class Requests:
    """All requests in order of time."""

    at: list[float]
    user: list[int]
    kind: list[int]
    visit: list[int]
    is_first: list[bool]
    """Whether it is the first observation of its session."""

    @classmethod
    def of(cls, scenario: Scenario, users: Users, rng: np.random.Generator) -> "Requests":
        size = len(VISIT)
        count = round(scenario.requests_per_s * scenario.replicas * scenario.seconds / size)
        visitors = rng.choice(len(users.activity), count, p=users.activity)
        # Visits that are under way at the beginning, or at the end, wrap around.
        starts = rng.random(count) * scenario.seconds
        at = (starts[:, None] + np.arange(size) * GAP_S).ravel() % scenario.seconds
        order = np.argsort(at, kind="stable")
        kinds, first = np.tile(VISIT, count), np.tile(np.arange(size) == 1, count)
        return cls(
            at[order].tolist(),
            np.repeat(visitors, size)[order].tolist(),
            kinds[order].tolist(),
            np.repeat(np.arange(count), size)[order].tolist(),
            first[order].tolist(),
        )


class Ring:
    """Consistent hashing with bounded loads.

    A request goes to the first replica after the place of its key that is up and has not had its
    share of the requests within the window.
    """

    def __init__(self, places: Sequence[float], bound: float) -> None:
        """*places*: of keys (users or sessions) on the ring, in [0, 1)."""
        self._places = places
        self._bound = bound
        self._points: list[tuple[float, int]] = []
        self._owners: list[int] = []
        self._first: list[int] = []
        self._window = -1
        self._counts: dict[int, int] = {}
        self._most = 0.0

    def change(self, replicas: Sequence[int], requests_per_s: float) -> None:
        """The replicas that are up from now on, and the requests of all users together."""
        points = [
            (float(point), replica)
            for replica in replicas
            for point in np.random.default_rng([replica, POINTS]).random(POINTS)
        ]
        points.sort()
        self._owners = [replica for _, replica in points]
        at = [point for point, _ in points]
        self._first = [bisect_left(at, place) % len(points) for place in self._places]
        self._most = max(1.0, self._bound * requests_per_s * WINDOW_S / len(replicas))

    def homes(self) -> list[int]:
        """The replica of each key, as long as none is busy."""
        return [self._owners[first] for first in self._first]

    def route(self, key: int, now: float) -> int:
        window = int(now / WINDOW_S)
        if window != self._window:
            self._window, self._counts = window, {}
        index = self._first[key]
        owners, counts = self._owners, self._counts
        for _ in owners:
            replica = owners[index]
            count = counts.get(replica, 0)
            if count < self._most:
                break
            index = index + 1 if index + 1 < len(owners) else 0
        else:  # all of them had their share: everybody is busy alike
            replica = owners[self._first[key]]
            count = counts.get(replica, 0)
        counts[replica] = count + 1
        return replica


@dataclass
class Replica:
    """The knowledge bases that one process has in memory."""

    limit: float
    used: float = 0.0
    kept: dict[int, int] = field(default_factory=dict)
    """By user, the last entry that it has folded in; least recently used first."""
    requests: int = 0
    us: float = 0.0

    def use(self, user: int, last_entry: int, size: float) -> int | None:
        """Use a knowledge base, then unload what is too much.

        Returns:
            Entries of others that had to be folded in; None: it had to be loaded.
        """
        seen = self.kept.pop(user, None)
        self.kept[user] = last_entry
        if seen is None:
            self.used += size
            return None
        return last_entry - seen

    def unload(self, sizes: Sequence[float]) -> None:
        """Unload the least recently used above the limit; the last used one stays."""
        while self.used > self.limit and len(self.kept) > 1:
            user = next(iter(self.kept))
            del self.kept[user]
            self.used -= sizes[user]
