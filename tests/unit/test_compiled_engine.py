"""What only the compiled engine promises: threads, frozen copies, and safety without memory."""

import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count

import orjson
import pytest
from samples import document, patterns

from kato_service.domain import prediction_metrics as metrics
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import Pattern, flatten, pattern_name
from kato_service.domain.prediction import Prediction
from kato_service.domain.statistics import Corrections
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.model.entries import Clear, Delete, Learn, Update
from kato_service.knowledge.model.index import StoredViews
from kato_service.search.matching import Found, Wanted
from kato_service.search.pattern_searcher import PatternSearcher

compiled = pytest.importorskip("kato_service.search.compiled_index")
_engine = compiled._engine
faults = pytest.mark.skipif(
    "KATO_TEST_ENGINE" not in os.environ, reason="needs a test build (test_engine_builds.py)"
)
THREADS = 8
ROUNDS = int(os.environ.get("KATO_STRESS_ROUNDS", "300"))
"""Rounds of every thread."""
STATE = tuple("abcabd")


def pattern(rng: random.Random, first: int, size: int = 12) -> Pattern:
    """A pattern that no other equals, by a symbol with *first* in it."""
    events = ((f"n{first}", *rng.choices("abcdef", k=2)), tuple(rng.choices("abcdef", k=size)))
    return Pattern(pattern_name(events), events, first=first, revision=first)


BURIED = replace(pattern(random.Random(9), 0), affinity={"joy": 2.0})


def best(index: "compiled.CompiledPatternIndex", limit: int = 10_000) -> tuple[Prediction, ...]:
    return index.best(STATE, threshold=0.0, limit=limit)  # type: ignore[no-any-return]


def everything(index: "compiled.CompiledPatternIndex") -> Found:
    wanted = Wanted(later=True, futures=True, rank_by="tfidf_score")
    return index.found(STATE, wanted, threshold=0.0, limit=20)  # type: ignore[no-any-return]


def fuzzy(index: "compiled.CompiledPatternIndex") -> Found:
    wanted = Wanted(later=True, fuzzy_threshold=0.5)
    state = ("n1x", "xab", *STATE, "zy")
    return index.found(state, wanted, threshold=0.0, limit=20)  # type: ignore[no-any-return]


def weighed(index: "compiled.CompiledPatternIndex") -> Found:
    wanted = Wanted(later=True, affinity_emotive="joy")
    index.bury(replace(BURIED, revision=len(index)))  # so that the column is made again
    return index.found(STATE, wanted, threshold=0.0, limit=20)  # type: ignore[no-any-return]


def next_and_why(index: "compiled.CompiledPatternIndex") -> tuple[Found, Found]:
    first = index.found(STATE, Wanted(next=True, explain=True), threshold=0.0, limit=3)
    return first, index.found(STATE, Wanted(explain=True), threshold=0.4, limit=20)


def assert_sound(predictions: tuple[Prediction, ...]) -> None:
    """Assert what is true of every answer, whatever was learned meanwhile."""
    potentials = [prediction.potential for prediction in predictions]
    assert potentials == sorted(potentials, reverse=True)
    assert len({prediction.name for prediction in predictions}) == len(predictions)
    for one in predictions:
        assert pattern_name(one.sequence) == one.name
        assert one.past + one.present + one.future == one.sequence
        assert Counter(one.matches) + Counter(one.extras) == Counter(STATE)
        size = len(flatten(one.sequence))
        assert one.similarity == 2.0 * len(one.matches) / (size + len(STATE))


def test_threads_query_learn_and_delete_at_the_same_time() -> None:
    index = compiled.CompiledPatternIndex()
    revisions, in_order, failures = count(1), threading.Lock(), []
    expected: dict[str, Pattern] = {}

    def work(seed: int) -> None:
        rng = random.Random(seed)
        mine: list[Pattern] = []
        try:
            for _ in range(ROUNDS):
                what = rng.random()
                if what < 0.2:
                    assert_sound(best(index, limit=50))
                elif what < 0.7 or not mine:
                    with in_order:
                        mine.append(pattern(rng, next(revisions)))
                        index.put(mine[-1], learns=1)
                elif what < 0.85:
                    place = rng.randrange(len(mine))
                    mine[place] = replace(mine[place], frequency=mine[place].frequency + 1)
                    index.put(mine[place], learns=1)
                else:
                    index.remove(mine.pop(rng.randrange(len(mine))).name)
            expected.update({one.name: one for one in mine})
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {one.name: one for one in index.after(-1)} == expected
    assert {one.name: one.frequency for one in best(index)} == {
        name: one.frequency for name, one in expected.items()
    }


def test_a_frozen_copy_stays_what_it_was() -> None:
    rng, index = random.Random(1), compiled.CompiledPatternIndex()
    patterns = [pattern(rng, first) for first in range(1, 60)]
    for one in patterns:
        index.put(one, learns=1)
    frozen = index.engine.frozen()
    before = list(frozen.best(STATE, 0.0, 100))
    index.put(replace(patterns[0], frequency=99), learns=50)
    for one in patterns[1:50]:
        index.remove(one.name)
    index.put(pattern(rng, 99), learns=1)
    assert list(frozen.best(STATE, 0.0, 100)) == before
    index.clear()
    index.put(pattern(rng, 100), learns=1)
    assert list(frozen.best(STATE, 0.0, 100)) == before
    assert len(best(index)) == 1


def test_a_search_sees_the_knowledge_as_of_its_start() -> None:
    searcher = PatternSearcher("c")
    fold = Fold(searcher.new_index())
    learns = [
        Learn("", pattern_name(events), events, {"joy": 0.5}, 5, {"k": ("1",)})
        for events in ((("a", "b", f"n{number}"),) for number in range(9))
    ]
    for revision, entry in enumerate(learns, start=1):
        fold.apply(revision, entry)
    search = searcher.search(fold.reading(), (STATE,), Genes())
    before = searcher.run(search)
    later = [
        learns[0]._replace(emotives={"joy": 9.0}, metadata={"k": ("2",)}),
        Update("", learns[1].name, frequency=70, emotives=()),
        Delete("", learns[2].name),
        Learn("", pattern_name((("a", "b"),)), (("a", "b"),), None, 5),
    ]
    for revision, entry in enumerate([*later, Clear(""), *learns], start=10):
        fold.apply(revision, entry)
        assert searcher.run(search) == before
    assert not search.needs_reading


def test_the_memory_of_removed_patterns_is_given_back() -> None:
    index = compiled.CompiledPatternIndex()
    rng = random.Random(2)
    for first in range(1, 6000):
        one = pattern(rng, first)
        index.put(one)
        if first != 7:
            index.remove(one.name)
    assert [one.first for one in index.after(-1)] == [7]
    assert index.memory_bytes() < 600_000  # mostly symbols, which stay


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param(("ab", (("a",),), 1, 1, 1, 1, 1), ValueError, id="not a name"),
        pytest.param(("Z" * 40, (("a",),), 1, 1, 1, 1, 1), ValueError, id="not digits"),
        pytest.param(("a" * 40, (), 1, 1, 1, 1, 1), TypeError, id="no events"),
        pytest.param(("a" * 40, ((),), 1, 1, 1, 1, 1), TypeError, id="empty event"),
        pytest.param(("a" * 40, [["a"]], 1, 1, 1, 1, 1), TypeError, id="lists"),
        pytest.param(("a" * 40, ((b"a",),), 1, 1, 1, 1, 1), TypeError, id="bytes"),
        pytest.param(("a" * 40, (("a",),), 2**32, 1, 1, 1, 1), OverflowError, id="too often"),
    ],
)
def test_what_is_not_a_pattern_is_refused(arguments: tuple[object, ...], error: type) -> None:
    index = _engine.Index()
    with pytest.raises(error):
        index.put(*arguments)
    assert len(index) == 0


def test_values_are_rounded_as_python_rounds_them() -> None:
    rng = random.Random(3)
    values = [rng.uniform(-9, 9) for _ in range(20_000)]
    values += [round(value, 12) + 5e-13 for value in values]
    values += [2.0**-power for power in range(1, 1075)] + [0.0, -0.0, 8191.99999, 1e5, 1e300]
    values += [number / 2**13 for number in range(-9000, 9000)]
    for value in values:
        given, expected = _engine.round12(value), metrics.round12(value)
        assert (given, str(given)) == (expected, str(expected)), value


def _with_failing_allocations(action: Callable[[], object], unharmed: Callable[[], None]) -> int:
    """Do *action* while the first, then the second … allocation fails, until it succeeds; gives how
    often it failed."""
    for allowed in range(10_000):
        _engine.fail_allocations_after(allowed)
        try:
            action()
        except MemoryError:
            pass
        else:
            return allowed
        finally:
            _engine.fail_allocations_after(-1)
        unharmed()
    raise AssertionError("it never succeeded")


@faults
def test_an_index_out_of_memory_is_unchanged_and_can_be_used() -> None:
    rng, index = random.Random(4), compiled.CompiledPatternIndex()
    expected: dict[str, Pattern] = {}

    def unharmed() -> None:
        assert {one.name: one for one in index.after(-1)} == expected
        assert {one.name for one in best(index)} == set(expected)

    failed = 0
    for first in range(1, 200):
        held = index.engine.frozen()
        one = pattern(rng, first, size=rng.randint(1, 40))
        learn = partial(index.learn, one.name, one.events, first)
        put = partial(index.put, one, learns=1)
        failed += _with_failing_allocations(learn if first % 2 else put, unharmed)
        expected[one.name] = one
        again = replace(rng.choice(list(expected.values())), frequency=first)
        failed += _with_failing_allocations(lambda again=again: index.put(again), unharmed)
        expected[again.name] = again
        if rng.random() < 0.7:
            gone = rng.choice(list(expected))
            held = index.engine.frozen()
            failed += _with_failing_allocations(lambda gone=gone: index.remove(gone), unharmed)
            del expected[gone]
        if first % 20 == 0:
            failed += _with_failing_allocations(lambda: best(index), unharmed)
            failed += _with_failing_allocations(lambda: everything(index), unharmed)
            failed += _with_failing_allocations(lambda: fuzzy(index), unharmed)
            failed += _with_failing_allocations(lambda: next_and_why(index), unharmed)
            failed += _with_failing_allocations(lambda: weighed(index), unharmed)
            long = STATE * 20
            failed += _with_failing_allocations(
                lambda long=long: index.best(long, threshold=0.1, limit=5),
                unharmed,
            )
        unharmed()
        del held
    failed += _with_failing_allocations(index.clear, unharmed)
    assert len(index) == 0
    assert failed > 1000


@faults
def test_corrections_that_run_out_of_memory_change_nothing() -> None:
    index = compiled.CompiledPatternIndex()
    index.put(pattern(random.Random(5), 1), learns=1)
    before = index.engine.totals()
    held = index.engine.frozen()
    corrections = Corrections({f"s{number}": (number, 1) for number in range(2000)}, 1, 2, 3)

    def unharmed() -> None:
        assert index.engine.totals() == before
        assert index.statistics.pattern_member_frequency["s7"] == 0

    assert _with_failing_allocations(lambda: index.correct(corrections), unharmed) > 5
    assert index.statistics.pattern_member_frequency["s7"] == 7
    assert _with_failing_allocations(lambda: dict(index.statistics.symbol_frequency), list) >= 1
    del held


@faults
def test_a_load_that_runs_out_of_memory_leaves_the_index_empty() -> None:
    rng, index = random.Random(6), compiled.CompiledPatternIndex()
    every = [pattern(rng, first, size=rng.randint(1, 60)) for first in range(1, 150)]
    mixed = rng.sample(every, len(every))

    def load() -> None:
        loader = index.loader()
        loader.add(mixed[10:])
        loader.count(mixed[:10])
        loader.finish()

    def unharmed() -> None:
        assert len(index) == 0
        assert index.engine.totals() == (0, 0, 0, 0)

    assert _with_failing_allocations(load, unharmed) > 50
    assert list(index.after(-1)) == sorted(mixed[10:], key=lambda one: one.first)


@faults
def test_stored_views_that_run_out_of_memory_leave_the_index_empty() -> None:
    index = compiled.CompiledPatternIndex()
    every = list(patterns(150))
    views = StoredViews(tuple(orjson.dumps(document(one)) for one in every), is_bson=False)

    def load() -> None:
        loader = index.loader()
        loader.sift(views, cleared=0, checkpoint=10**9)
        loader.finish()

    assert _with_failing_allocations(load, lambda: None) > 50
    assert [one.name for one in index.after(-1)] == [one.name for one in every]


@faults
def test_writing_and_restoring_an_index_out_of_memory_does_no_harm() -> None:
    index, again = compiled.CompiledPatternIndex(), compiled.CompiledPatternIndex()
    for one in patterns(100):
        index.put(one, learns=1)

    def copy() -> None:
        again.restore(index.pieces())

    assert _with_failing_allocations(copy, lambda: None) > 50
    assert list(again.after(-1)) == list(index.after(-1)) == list(patterns(100))


def test_a_loader_that_failed_or_finished_accepts_nothing_more() -> None:
    for bad in (("x", (("a",),), 1), ("a" * 40, (), 1), ("a" * 40, (("\ud800",),), 1)):
        loader = _engine.Loader(1, 2)
        with pytest.raises((ValueError, TypeError)):
            loader.put(*bad, 1, 1, 1)
        with pytest.raises(RuntimeError):
            loader.put("a" * 40, (("a",),), 1, 1, 1, 1)
    loader = _engine.Loader(1, 2)
    loader.finish()
    with pytest.raises(RuntimeError):
        loader.finish()
