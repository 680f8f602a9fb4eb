"""The simulation of many replicas (docs/design/scaling.md): what must hold whatever it finds."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))

from scale_model import (
    ANY,
    HOTTEST,
    PREDICT,
    SESSION,
    USER,
    VISIT,
    Prices,
    Replica,
    Ring,
    Scenario,
    zipf,
)
from scale_out import Simulation, report

PRICES = Prices(
    requests=(600.0, 300.0, 0.0, 2000.0),
    redis=(60.0, 40.0, 15.0, 70.0),
    sizes=(50.0, 5000.0),
    predictions=(1000.0, 2000.0),
    loads=(3000.0, 30_000.0),
    first_entry=100.0,
    entry=40.0,
    views=4000.0,
    idle=3000.0,
    resident_bytes=1e8,
    small_bytes=40_000.0,
    pattern_bytes=300.0,
)
SMALL = Scenario(replicas=5, routing=ANY, seconds=60.0, users=40)
EACH = pytest.mark.parametrize("routing", [ANY, SESSION, USER])


def done(scenario: Scenario) -> Simulation:
    return Simulation(scenario, PRICES).run()


@EACH
def test_each_request_is_served_by_one_replica_also_while_one_fails(routing: str) -> None:
    found = done(replace(SMALL, routing=routing))
    visits = round(SMALL.requests_per_s * SMALL.replicas * SMALL.seconds / len(VISIT))
    assert found.tally.requests == len(found.costs) == visits * len(VISIT)
    assert sum(one.requests for one in found.replicas) == found.tally.requests
    assert found.tally.predictions == visits * VISIT.count(PREDICT)
    assert len(found.replicas) == SMALL.replicas + 1


@EACH
def test_the_parts_of_the_cost_are_the_cost(routing: str) -> None:
    found = done(replace(SMALL, routing=routing))
    tally = found.tally
    parts = tally.own_us + tally.caught_up_us + tally.loads_us
    assert sum(found.costs) == pytest.approx(parts)
    assert sum(one.us for one in found.replicas) == pytest.approx(parts)


@EACH
def test_the_same_seed_gives_the_same_figures(routing: str) -> None:
    scenario = replace(SMALL, routing=routing)
    assert report(done(scenario)) == report(done(scenario))


def test_with_one_replica_all_routings_are_the_same() -> None:
    alone = replace(SMALL, replicas=1, room=0.3)
    one, two, three = (
        report(done(replace(alone, routing=routing))) | {"routing": ""}
        for routing in (ANY, USER, SESSION)
    )
    assert one["loads / 1000"] != 0
    assert one == two == three


def test_one_replica_never_catches_up_with_others() -> None:
    assert done(replace(SMALL, replicas=1)).tally.foreign_entries == 0


def test_any_replica_loads_as_often_as_chance_says() -> None:
    """With room for everything, it loads each knowledge base once where a request comes by: that
    is N (1 - (1 - 1/N)^k) times for a user with k requests."""
    cold = replace(SMALL, room=1e9, warm=False, changes=False, exponent=0.0, seconds=100.0)
    found = done(cold)
    asked: dict[int, int] = {}
    requests = found.requests
    for user, kind, is_first in zip(requests.user, requests.kind, requests.is_first, strict=True):
        asked[user] = asked.get(user, 0) + (is_first or kind >= PREDICT)
    count = cold.replicas
    expected = sum(count * (1 - (1 - 1 / count) ** times) for times in asked.values())
    assert found.tally.loads == pytest.approx(expected, rel=0.04)


def test_hashing_users_loads_each_knowledge_base_once() -> None:
    cold = replace(
        SMALL, routing=USER, room=1e9, bound=1e9, warm=False, changes=False, seconds=100.0
    )
    found = done(cold)
    assert found.tally.loads == len(set(found.requests.user))
    assert found.tally.foreign_entries == 0


def test_entries_of_other_replicas_are_folded_in_once_by_each() -> None:
    roomy = replace(SMALL, room=1e9, changes=False)
    found = done(roomy)
    behind = sum(
        found.last(user) - seen for one in found.replicas for user, seen in one.kept.items()
    )
    everywhere = sum((roomy.replicas - 1) * found.last(user) for user in range(roomy.population))
    assert found.tally.loads == 0
    assert found.tally.foreign_entries == everywhere - behind > 0


def test_a_failure_moves_the_users_of_that_replica_and_a_new_one_takes_its_part() -> None:
    places = np.random.default_rng(7).random(20_000).tolist()
    ring = Ring(places, bound=1.5)
    ring.change(range(10), 100.0)
    before = ring.homes()
    ring.change(range(1, 10), 100.0)
    after = ring.homes()
    assert {one for one, other in zip(before, after, strict=True) if one != other} == {0}
    ring.change(range(10), 100.0)
    assert ring.homes() == before


def test_a_busy_replica_passes_requests_on_within_the_bound() -> None:
    ring = Ring([0.5], bound=1.5)
    ring.change(range(4), 8.0)
    got = [ring.route(0, now=0.0) for _ in range(40)]
    assert sorted(map(got.count, range(4))) == [0, 10, 15, 15]


def test_the_least_recently_used_knowledge_bases_are_unloaded_and_the_last_one_stays() -> None:
    replica, sizes = Replica(limit=10.0), [4.0, 4.0, 4.0, 99.0]
    for user in (0, 1, 0, 2):
        replica.use(user, 0, sizes[user])
        replica.unload(sizes)
    assert list(replica.kept) == [0, 2]
    replica.use(3, 0, sizes[3])
    replica.unload(sizes)
    assert (list(replica.kept), replica.used) == ([3], 99.0)


def test_no_user_is_beyond_the_bound_of_activity() -> None:
    shares = zipf(10_000, 1.2)
    assert shares.sum() == pytest.approx(1)
    assert shares.max() * 10_000 <= HOTTEST * 1.001


def test_the_measured_prices_can_be_read() -> None:
    prices = Prices.measured()
    assert prices.prediction_us(np.array([50.0]))[0] == prices.predictions[0] > 0
    assert prices.load_us(np.array([50.0]))[0] > 0
