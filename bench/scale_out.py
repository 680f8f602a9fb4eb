"""Simulates an instance of 1 to 1000 replicas: what a request costs, and which store ends first.

``python bench/scale_out.py [--room SHARE]`` prints a table and writes JSON to build/bench/. Each
row is a number of replicas with as many users each, and one of three ways to choose a replica for a
request: any one, as a Kubernetes Service does, or the one that consistent hashing of the session or
of the user gives. Prices are those of `scale_costs.json`; docs/design/scaling.md explains them.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scale_model import (
    ANY,
    CREATE,
    LEARN,
    PREDICT,
    SESSION,
    USER,
    VISIT,
    Numbers,
    Prices,
    Replica,
    Requests,
    Ring,
    Scenario,
    Users,
)

OUT = Path(__file__).resolve().parents[1] / "build" / "bench"
COUNTS = (1, 3, 10, 30, 100, 300, 1000)
SECONDS = 12.0
"""Simulated, at 1000 replicas; fewer replicas are simulated for longer."""
LONGEST_S = 1500.0
BUSY = 0.7
"""Share of a processor that requests may take: beyond, they wait for each other."""
VISIT_EVERY_S = 600.0
"""Seconds between two visits of a user, on average: turns requests into users."""
PAGE = 1000
"""Patterns that a load reads at once."""

# Calls to a replica set, as knowledge.md says; the reads of documents that must be confirmed by
# the set (linearizable) cost as much as a write.
TAIL_READS, TAIL_CONFIRMED = 1, 2
LEARN_WRITES, LEARN_TAILS = 1, 2
VIEW_READS, VIEW_CONFIRMED, VIEW_WRITES = 2, 6, 4
LOOK_CONFIRMED = 2
"""Of a replica that applied entries of others, and finds their views written."""
UPKEEP_READS_PER_S, UPKEEP_CONFIRMED_PER_S = 3.2, 10.5
"""Of a replica with 20 knowledge bases or more in memory: upkeep looks at four each second. Of each
kind, 2.5 look for changes of users' configurations, as long as users have new sessions."""

REDIS_US_PER_S = 800_000.0
"""One thread of Redis, a fifth of it kept for what is no request."""
MONGODB_READS_PER_S, MONGODB_WRITES_PER_S = 40_000.0, 10_000.0
"""Estimated, of a replica set on good disks; see docs/design/scaling.md."""


@dataclass
class Tally:
    """What happened, in all."""

    requests: int = 0
    own_us: float = 0.0
    caught_up_us: float = 0.0
    loads_us: float = 0.0
    loads: int = 0
    ahead: int = 0
    """Loads that the first observation of a session began."""
    foreign_entries: int = 0
    looks: int = 0
    pages: int = 0
    learns: int = 0
    predictions: int = 0
    moved: tuple[float, ...] = ()
    """Shares of the users, or sessions, whose replica changed, for each change."""


class Simulation:
    def __init__(self, scenario: Scenario, prices: Prices) -> None:
        rng = np.random.default_rng(scenario.seed)
        self.scenario, self.prices, self.tally = scenario, prices, Tally()
        self.users = Users.of(scenario, rng)
        self.requests = Requests.of(scenario, self.users, rng)
        keys = max(self.requests.visit) + 1 if scenario.routing == SESSION else scenario.population
        places = np.random.default_rng([scenario.seed, keys]).random(keys).tolist()
        self._chance = rng.random(len(self.requests.at)).tolist()
        self._rng = rng
        self._activity = np.cumsum(self.users.activity)
        self._sizes: list[float] = prices.base_bytes(self.users.patterns).tolist()
        self._predict: list[float] = prices.prediction_us(self.users.patterns).tolist()
        self._load: list[float] = prices.load_us(self.users.patterns).tolist()
        self._pages: list[int] = (self.users.patterns // PAGE + 1).astype(int).tolist()
        self._last: list[int] = [0] * scenario.population
        self.limit = scenario.room * sum(self._sizes) / scenario.replicas
        self.replicas = [Replica(self.limit) for _ in range(scenario.replicas)]
        self.up = list(range(scenario.replicas))
        self._ring = Ring(places, scenario.bound)
        self._ring.change(self.up, scenario.requests_per_s * scenario.replicas)
        self.costs: list[float] = []
        """Microseconds of each request, with catching up and loading."""

    def run(self) -> "Simulation":
        if self.scenario.warm:
            self._warm()
        changes = self._changes()
        requests = self.requests
        keys = requests.visit if self.scenario.routing == SESSION else requests.user
        each = (requests.at, requests.user, requests.kind, requests.is_first, keys, self._chance)
        for at, user, kind, is_first, key, chance in zip(*each, strict=True):
            if changes and at >= changes[0][0]:
                self._change(changes.pop(0)[1])
            number = self._chosen(key, kind, at, chance)
            self._serve(self.replicas[number], user, kind, is_first=is_first)
        return self

    def _chosen(self, key: int, kind: int, at: float, chance: float) -> int:
        # Before a session is created, there is no id that could be hashed.
        unknown = kind == CREATE and self.scenario.routing == SESSION
        if unknown or self.scenario.routing == ANY:
            return self.up[int(chance * len(self.up))]
        return self._ring.route(key, at)

    def _serve(self, replica: Replica, user: int, kind: int, *, is_first: bool) -> None:
        tally = self.tally
        own = self._predict[user] if kind == PREDICT else self.prices.requests[kind]
        extra = 0.0
        if kind in {PREDICT, LEARN}:
            extra = self._knowledge(replica, user, learns=kind == LEARN)
        elif is_first and user not in replica.kept and replica.used * 2 <= replica.limit:
            tally.ahead += 1
            extra = self._knowledge(replica, user, learns=False)
        if kind == LEARN:
            own += self.prices.views
            tally.learns += 1
        tally.predictions += kind == PREDICT
        tally.requests += 1
        tally.own_us += own
        replica.requests += 1
        replica.us += own + extra
        self.costs.append(own + extra)

    def _knowledge(self, replica: Replica, user: int, *, learns: bool) -> float:
        """Microseconds for having the knowledge base in memory as it is now."""
        tally, prices = self.tally, self.prices
        foreign = replica.use(user, self._last[user], self._sizes[user])
        if learns:
            self._last[user] += 1
            replica.kept[user] = self._last[user]
        if foreign is None:
            tally.loads += 1
            tally.pages += self._pages[user]
            tally.loads_us += self._load[user]
            replica.unload(self._sizes)
            return self._load[user]
        if not foreign:
            return 0.0
        tally.foreign_entries += foreign
        tally.looks += 1
        cost = prices.first_entry + (foreign - 1) * prices.entry
        tally.caught_up_us += cost
        return cost

    def _changes(self) -> list[tuple[float, bool]]:
        """When a replica fails (False), and when one comes (True)."""
        if not self.scenario.changes or self.scenario.replicas == 1:
            return []
        third = self.scenario.seconds / 3
        return [(third, False), (2 * third, True)]

    def last(self, user: int) -> int:
        """The last entry of a user's log; learns before the simulation do not count."""
        return self._last[user]

    def busiest(self) -> float:
        """Requests of the replica that had most, as a multiple of its part of those in all."""
        third = self.scenario.seconds / 3
        up_s = [self.scenario.seconds] * self.scenario.replicas
        if self._changes():
            up_s = [third, *up_s[1:], third]
        rates = [one.requests / up for one, up in zip(self.replicas, up_s, strict=True)]
        return max(rates) * sum(up_s) / self.tally.requests

    def _change(self, comes: bool) -> None:
        """A replica fails, or comes: its memory is empty, and others have other users."""
        if self.scenario.routing == ANY:
            self._replace(comes)
            return
        before = self._ring.homes()
        self._replace(comes)
        self._ring.change(self.up, self.scenario.requests_per_s * self.scenario.replicas)
        pairs = zip(before, self._ring.homes(), strict=True)
        moved = sum(one != other for one, other in pairs)
        self.tally.moved += (moved / len(before),)

    def _replace(self, comes: bool) -> None:
        if comes:
            self.up.append(len(self.replicas))
            self.replicas.append(Replica(self.limit))
        else:
            self.up.pop(0)

    def _warm(self) -> None:
        """Put into each replica what it would have used last, after a long time."""
        everybody = np.arange(self.scenario.population)
        homes = np.array(self._ring.homes()) if self.scenario.routing == USER else None
        for number, replica in enumerate(self.replicas):
            mine = everybody if homes is None else everybody[homes == number]
            for user in reversed(self._last_used(mine)):
                replica.use(user, 0, self._sizes[user])
            replica.unload(self._sizes)

    def _last_used(self, mine: Numbers) -> list[int]:
        """Users by their last request, the latest first, as far as there is room for them.

        Whose request was the last follows their activity, and so does the one before.
        """
        if not len(mine):
            return []
        is_all = len(mine) == len(self._activity)
        shares = self._activity if is_all else np.cumsum(self.users.activity[mine])
        drawn = self._rng.random(min(20 * len(mine), 5000)) * shares[-1]
        order = dict.fromkeys(mine[np.searchsorted(shares, drawn, side="right")].tolist())
        if sum(self._sizes[user] for user in order) < self.limit:
            rest = self._rng.exponential(size=len(mine)) / self.users.activity[mine]
            order.update(dict.fromkeys(mine[np.argsort(rest)].tolist()))
        found, used = [], 0.0
        for user in order:
            used += self._sizes[user]
            if used > self.limit:
                break
            found.append(user)
        return found


def report(done: Simulation) -> dict[str, float | int | str]:
    tally, scenario = done.tally, done.scenario
    count = tally.requests
    costs = np.array(done.costs)
    per_request = float(costs.mean())
    each = max(0.0, BUSY * 1e6 - done.prices.idle) / per_request
    ends = store_ends(done)
    first = min(ends, key=lambda name: ends[name])
    users = each / len(VISIT) * VISIT_EVERY_S
    kept = max(one.used for one in done.replicas) / scenario.users
    return {
        "replicas": scenario.replicas,
        "routing": scenario.routing,
        "own µs": round(tally.own_us / count),
        "catching up µs": round(tally.caught_up_us / count, 1),
        "loads µs": round(tally.loads_us / count),
        "µs / request": round(per_request),
        "p50": round(float(np.median(costs))),
        "p99": round(float(np.quantile(costs, 0.99))),
        "loads / 1000": round(1000 * tally.loads / count, 1),
        "requests/s each": round(each),
        "learns/s each": round(each / len(VISIT), 1),
        "users each": round(users),
        "MB each": round((done.prices.resident_bytes + kept * users) / 1e6),
        "busiest": round(done.busiest(), 2),
        "moved %": " ".join(f"{100 * moved:.1f}" for moved in tally.moved) or "-",
        **{f"{name} ends at/s": round(at) for name, at in ends.items()},
        "first": first,
        "busy replicas it feeds": round(ends[first] / each, 1),
    }


def store_ends(done: Simulation) -> dict[str, float]:
    """Requests per second of the whole instance at which each store has no more to give."""
    tally, scenario, prices = done.tally, done.scenario, done.prices
    redis_us = sum(prices.redis[kind] for kind in VISIT) / len(VISIT)
    tails = tally.predictions + LEARN_TAILS * tally.learns + tally.loads
    # A load reads the head and the statistics, then pages of views, then the log.
    reads = (
        TAIL_READS * tails + VIEW_READS * tally.learns + tally.loads + tally.pages
    ) / tally.requests
    confirmed = (
        TAIL_CONFIRMED * tails
        + VIEW_CONFIRMED * tally.learns
        + LOOK_CONFIRMED * tally.looks
        + tally.loads
    ) / tally.requests
    writes = (LEARN_WRITES + VIEW_WRITES) * tally.learns / tally.requests
    replicas = scenario.replicas
    return {
        "Redis": REDIS_US_PER_S / redis_us,
        "MongoDB's reads": max(0.0, MONGODB_READS_PER_S - UPKEEP_READS_PER_S * replicas) / reads,
        "MongoDB's writes": max(0.0, MONGODB_WRITES_PER_S - UPKEEP_CONFIRMED_PER_S * replicas)
        / (confirmed + writes),
    }


def rows(
    prices: Prices, counts: Sequence[int] = COUNTS, room: float = 2.0
) -> list[dict[str, object]]:
    found = []
    for replicas in counts:
        seconds = min(LONGEST_S, max(SECONDS, SECONDS * 200 / replicas))
        for routing in (ANY, SESSION, USER):
            scenario = Scenario(replicas, routing, seconds, room=room)
            found.append(dict(report(Simulation(scenario, prices).run())))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--room", type=float, default=2.0)
    room = parser.parse_args().room
    began = time.process_time()
    found = rows(Prices.measured(), room=room)
    print(" | ".join(found[0]))
    for row in found:
        print(" | ".join(str(value) for value in row.values()))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "scale_out.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(f"{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
