"""Simulates 1 to 1000 replicas: what each request costs, by how requests find their replica.

``python bench/scale_out.py [COSTS.json]`` prints the tables of docs/design/scaling.md. The file is
the output of ``scale_costs.py``; without it, the costs in that document are used. The simulation is
seeded: the same costs give the same tables.

One replica is simulated in detail. Which users it serves, and how often, follows from the routing:

* ``request``: any request of any user may come here, as with a client that opens connections anew;
* ``conversation``: any conversation may, and then all of its requests, as with one connection each;
* ``user``: a consistent hash of the user decides, and all requests of a user come to one replica.
"""

import json
import sys
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scale_costs import Costs

Row = dict[str, str | int | float]
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
ROUTINGS = ("request", "conversation", "user")
REPLICAS = (1, 2, 3, 5, 10, 30, 100, 300, 1000)
SEED = 20261130
RECORDED = Path(__file__).with_name("scale_costs.json")
"""The costs that docs/design/scaling.md uses, and on what they were measured."""
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Workload:
    """A fleet grows with its users: every replica adds so many, whatever there is already."""

    users_per_replica: int = 2_000
    conversations_per_user_per_hour: float = 60.0
    activity: float = 0.8
    """Exponent of Zipf's law: the user of rank r is r^-activity times as active as the first."""
    observes: int = 8
    predictions: int = 4
    learns: int = 1
    """Requests per conversation, which also creates its session."""
    patterns_median: float = 100.0
    patterns_sigma: float = 1.8
    patterns_most: float = 1e6
    """Patterns per user: lognormal, a few users have very many."""
    memory_bytes: float = 2 * GIB
    """What a replica keeps of knowledge (`KNOWLEDGE_MEMORY_BYTES`)."""
    session_lifetime_s: float = 3600.0

    @property
    def requests(self) -> int:
        return self.observes + self.predictions + self.learns

    @property
    def uses(self) -> int:
        """Requests of a conversation that need knowledge: its first observe begins to load it."""
        return 1 + self.predictions + self.learns


@dataclass(frozen=True, slots=True)
class Fleet:
    """Every user of so many replicas."""

    conversations_per_s: Floats
    patterns: Floats

    @classmethod
    def of(cls, work: Workload, replicas: int) -> "Fleet":
        rng = np.random.default_rng([SEED, replicas])
        count = work.users_per_replica * replicas
        weights = np.arange(1, count + 1, dtype=float) ** -work.activity
        mean = work.conversations_per_user_per_hour / 3600
        drawn = rng.lognormal(np.log(work.patterns_median), work.patterns_sigma, count)
        patterns = np.clip(np.round(drawn), 1, work.patterns_most)
        return cls(weights / weights.mean() * mean, patterns)


@dataclass(slots=True)
class Seen:
    """What one replica did after it was warm."""

    uses: int = 0
    loads: int = 0
    loaded_patterns: float = 0.0
    folded: float = 0.0


class Replica:
    """Keeps the knowledge bases that were used last, and catches up with others' learns."""

    def __init__(self, work: Workload, costs: Costs, fleet: Fleet) -> None:
        self._work, self._costs, self._fleet = work, costs, fleet
        self._held: OrderedDict[int, float] = OrderedDict()
        self.bytes = 0.0
        self.seen = Seen()

    def use(self, user: int, now: float, learns_elsewhere_per_s: float, times: int) -> None:
        seen, costs = self.seen, self._costs
        seen.uses += times
        since = self._held.pop(user, None)
        if since is None:
            patterns = float(self._fleet.patterns[user])
            seen.loads += 1
            seen.loaded_patterns += patterns
            self.bytes += costs.base_bytes + patterns * costs.pattern_bytes
        else:
            seen.folded += learns_elsewhere_per_s * (now - since)
        self._held[user] = now
        while self.bytes > self._work.memory_bytes and len(self._held) > 1:
            gone, _ = self._held.popitem(last=False)
            held = float(self._fleet.patterns[gone])
            self.bytes -= costs.base_bytes + held * costs.pattern_bytes

    def __len__(self) -> int:
        return len(self._held)


def simulated(
    work: Workload, costs: Costs, replicas: int, routing: str, arrivals: int = 150_000
) -> tuple[Replica, float]:
    """A replica after *arrivals*, the first half of which warmed it, and its share of the load."""
    rng = np.random.default_rng([SEED, replicas, ROUTINGS.index(routing)])
    fleet = Fleet.of(work, replicas)
    users = np.arange(len(fleet.patterns))
    share = 1 / replicas
    if routing == "user":
        homes = rng.integers(replicas, size=len(users))
        users, share = users[homes == 0], 1.0
    times = 1 if routing == "request" else work.uses
    rates = fleet.conversations_per_s[users] * share * (work.uses / times)
    elsewhere = fleet.conversations_per_s * work.learns * (0.0 if routing == "user" else 1 - share)
    total = np.cumsum(rates)
    drawn = users[np.searchsorted(total, rng.random(arrivals) * total[-1], side="right")]
    when = np.cumsum(rng.exponential(1 / total[-1], arrivals))
    replica = Replica(work, costs, fleet)
    for at, (user, now) in enumerate(zip(drawn.tolist(), when.tolist(), strict=True)):
        if at == arrivals // 2:
            replica.seen = Seen()
        replica.use(user, now, float(elsewhere[user]), times)
    load = total[-1] * times / work.uses / fleet.conversations_per_s.sum() * replicas
    return replica, float(load)


def row(work: Workload, costs: Costs, replicas: int, routing: str) -> Row:
    """Figures per replica, and what a request costs with everything that it causes."""
    replica, load = simulated(work, costs, replicas, routing)
    seen = replica.seen
    base = (
        work.observes * costs.observe_us
        + work.predictions * costs.predict_us
        + work.learns * costs.learn_us
    ) / work.requests
    loading = seen.loads * costs.load_us + seen.loaded_patterns * costs.load_pattern_us
    per_request = work.uses / work.requests / seen.uses
    cost = base + (loading + seen.folded * costs.fold_us) * per_request
    conversations = work.users_per_replica * work.conversations_per_user_per_hour / 3600
    requests = conversations * work.requests
    return {
        "replicas": replicas,
        "routing": routing,
        "users": work.users_per_replica * replicas,
        "held here": len(replica),
        "GiB": replica.bytes / GIB,
        "loads/s": seen.loads * per_request * requests,
        "MiB/s read by all": seen.loaded_patterns
        * per_request
        * requests
        * replicas
        * costs.view_bytes
        / 2**20,
        "µs/request": cost,
        "of one replica's": cost / base,
        "% of a core": requests * cost / 1e4,
        "load of this one": load,
    }


def routed(work: Workload, replicas: int) -> Row:
    """How evenly a consistent hash spreads users, and how many move when a replica is added."""
    rates = Fleet.of(work, replicas).conversations_per_s
    keys = np.random.default_rng([SEED, replicas, 9]).random(len(rates))
    ring = Ring(replicas)
    homes = ring.homes(keys)
    loads = np.bincount(homes, rates, replicas) / rates.sum() * replicas
    moved = float((homes != Ring(replicas + 1).homes(keys)).mean())
    return {
        "replicas": replicas,
        "busiest / mean": float(loads.max()),
        "away from home with a bound of 1.25, %": 100 * float(excess(loads, 1.25)),
        "the most active user alone / mean": float(rates.max() / rates.sum()) * replicas,
        "users that move when one is added, %": 100 * moved,
        "at least, %": 100 / (replicas + 1),
    }


def excess(loads: Floats, bound: float) -> float:
    """The share of all requests that go on to other replicas if none may exceed *bound*."""
    return float(np.clip(loads - bound, 0, None).sum() / loads.sum())


class Ring:
    """Consistent hashing: a user belongs to the next point of the ring, each replica has many."""

    def __init__(self, replicas: int, points: int = 100) -> None:
        places = sorted(
            (int.from_bytes(blake2b(f"{one}/{point}".encode(), digest_size=6).digest()), one)
            for one in range(replicas)
            for point in range(points)
        )
        self._at = np.array([at / 2**48 for at, _ in places])
        self._owner = np.array([owner for _, owner in places])

    def homes(self, keys: Floats) -> Whole:
        """The replica of each key in 0 … 1."""
        return self._owner[np.searchsorted(self._at, keys) % len(self._at)]


def stores(work: Workload, costs: Costs, replicas: int) -> Row:
    """What all replicas ask of the stores together, whatever the routing."""
    conversations = replicas * work.users_per_replica * work.conversations_per_user_per_hour / 3600
    redis_us = (
        work.observes * costs.redis_observe_us
        + work.predictions * costs.redis_predict_us
        + work.learns * costs.redis_learn_us
    )
    sessions = conversations * work.session_lifetime_s
    return {
        "replicas": replicas,
        "users": work.users_per_replica * replicas,
        "requests/s": round(conversations * work.requests),
        "sessions alive": round(sessions),
        "Redis, cores": conversations * redis_us / 1e6,
        "Redis, GiB": sessions * costs.session_bytes / GIB,
        "learns/s": round(conversations * work.learns),
        "look-ups/s in MongoDB": round(conversations * work.uses),
    }


def show(title: str, rows: list[Row]) -> None:
    print(f"\n{title}\n\n| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|")
    for one in rows:
        print("| " + " | ".join(_text(value) for value in one.values()) + " |")


def _text(value: str | int | float) -> str:
    return (
        f"{value:.3g}"
        if isinstance(value, float) and value < 1000
        else f"{value:.0f}"
        if isinstance(value, float)
        else str(value)
    )


def main(arguments: list[str]) -> None:
    path = Path(arguments[0]) if arguments else RECORDED
    costs = Costs(**json.loads(path.read_text(encoding="utf-8")))
    work = Workload()
    print(costs, work, sep="\n")
    show("Replicas by routing", [row(work, costs, n, how) for n in REPLICAS for how in ROUTINGS])
    show("Routing by user", [routed(work, n) for n in REPLICAS])
    show("Stores", [stores(work, costs, n) for n in REPLICAS])


if __name__ == "__main__":
    main(sys.argv[1:])
