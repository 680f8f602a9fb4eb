"""The compiled engine's interface under fire, for a while: `fuzz.py [SECONDS [SEED]]`.

Random knowledge and queries against difflib, and calls that make no sense (hostile.py), in turns.
It says the seed of what it found. KATO_TEST_ENGINE names a test build to run on.
"""

import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))
from hostile import Hostile
from test_engines import ALPHABETS, History, compared
from test_engines_fuzzy import WORDS
from test_engines_fuzzy import compared as fuzzily_compared
from test_engines_next import compare_often

import conftest  # noqa: F401  # puts the test build in its place
from kato_service.search.pattern_searcher import PatternSearcher


def main(seconds: float, seed: int) -> None:
    searcher = PatternSearcher("c")
    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end:
        try:
            _round(searcher, seed + rounds)
        except BaseException:
            print(f"seed {seed + rounds}", file=sys.stderr)
            raise
        rounds += 1
    print(f"fuzzed {rounds} rounds from seed {seed}: no difference to difflib, no harm")


def _round(searcher: PatternSearcher, seed: int) -> None:
    if seed % 2:
        Hostile(seed).run()
        return
    rng = random.Random(seed)
    longest = rng.choice((2, 5, 12, 40, 100))
    if rng.random() < 0.3:
        history = History(rng, rng.sample(WORDS, rng.randint(2, 9)), longest)
        fuzzily_compared(searcher, history, learns=rng.randint(1, 80), state=rng.choice((10, 60)))
        return
    history = History(rng, rng.choice(ALPHABETS), longest)
    if rng.random() < 0.3:
        compare_often(searcher, history, learns=rng.randint(1, 80), longest=rng.choice((10, 60)))
        return
    compared(searcher, history, learns=rng.randint(1, 200), state=rng.choice((10, 60, 130, 300)))


if __name__ == "__main__":
    main(
        float(sys.argv[1]) if len(sys.argv) > 1 else 20.0,
        int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 10**9,
    )
