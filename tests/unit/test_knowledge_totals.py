"""Running sums over knowledge bases are what a recount would give."""

import random

from kato_service.knowledge.totals import Share, Totals


def test_without_any_share_all_sums_are_zero() -> None:
    totals = Totals()
    totals.drop("unknown")
    assert (totals.loaded, totals.patterns, totals.size_bytes, totals.largest_lag) == (0, 0, 0, 0)
    assert totals.size_of("unknown") == 0


def test_sums_equal_a_recount_after_any_reports_and_drops() -> None:
    rng, totals = random.Random(3), Totals()
    shares: dict[str, Share] = {}
    for _ in range(20_000):
        base_id = f"kb{rng.randrange(40)}"
        if rng.random() < 0.2:
            totals.drop(base_id)
            shares.pop(base_id, None)
        else:
            patterns = rng.choice((None, 0, rng.randrange(1000)))
            share = Share(rng.randrange(10**6), patterns, rng.choice((0, 0, rng.randrange(50))))
            totals.report(base_id, share)
            shares[base_id] = share
        assert totals.loaded == sum(share.patterns is not None for share in shares.values())
        assert totals.patterns == sum(share.patterns or 0 for share in shares.values())
        assert totals.size_bytes == sum(share.size_bytes for share in shares.values())
        if rng.random() < 0.3:
            assert totals.largest_lag == max((one.lag for one in shares.values()), default=0)


def test_lags_that_nobody_asks_for_take_no_room() -> None:
    totals = Totals()
    for lag in range(1, 10_000):
        totals.report("kb", Share(1, 1, lag))
    assert len(totals._lags) < 100
    assert totals.largest_lag == 9999
