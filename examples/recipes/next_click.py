#!/usr/bin/env python3
"""Next click: which page does a visitor open next? Learned from the clicks of others.

Each page is an event. KATO learns every run of four clicks, and is asked what comes after the last
three: first for what followed exactly these, and only if nobody ever clicked them, for what
followed similar ones.

USE IT to preload pages or to suggest a next step where each new visit has to count at once, where
there are few visits to learn from, and where you want to see which ones a guess comes from.

DO NOT USE IT for nothing but the accuracy where data are plenty: as soon as every run of clicks has
been seen, a table of counts says the same, and is smaller and faster.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from ngrams import Ngrams, steps
from program import new_user, options, progress, say, show

from kato_client import AnswerError, User

SHELVES = ["shoes", "shirts", "hats", "bags"]
ASIDES = ["sizes", "reviews", "help", "news", "imprint"]
SIMILARITIES = [0.8, 0.5, 0.3]
"""Asked for one after the other. Three clicks that begin a run of four: 2 · 3 / (3 + 4) = 0.86."""
AT_ONCE = 100
Visit = list[str]
Question = tuple[Sequence[str], str]
"""The clicks so far, and the next one."""


def visits(count: int, seed: int) -> list[Visit]:
    """Visits of an invented shop, whose visitors have a goal and look aside now and then."""
    rng = random.Random(seed)
    return [[*_with_asides(_goal(rng), rng)] for _ in range(count)]


def _goal(rng: random.Random) -> Visit:
    shelf = rng.choice(SHELVES)
    item = f"{shelf}/{rng.randint(1, 3)}"
    match rng.choice(["buy", "buy", "voucher", "return", "look"]):
        case "buy":
            return ["home", shelf, item, "cart", "address", "payment", "thanks"]
        case "voucher":
            return ["newsletter", shelf, item, "cart", "voucher", "payment", "thanks"]
        case "return":
            return ["home", "account", "orders", item, "return", "label"]
        case _:
            return ["home", shelf, item, shelf, f"{shelf}/{rng.randint(1, 3)}"]


def _with_asides(pages: Visit, rng: random.Random) -> Iterator[str]:
    for place, page in enumerate(pages):
        while place > 1 and rng.random() < 1 / 3:
            yield rng.choice(ASIDES)
        yield page


def questions(visits: Sequence[Visit]) -> list[Question]:
    """Every click of *visits* from the third on: KATO compares two symbols or more.

    Asides come at random, and nobody can foretell them: they are in the visits, but not asked for.
    """
    every = chain.from_iterable(map(steps, visits))
    return [(past, page) for past, page in every if len(past) > 1 and page not in ASIDES]


def runs(visits: Sequence[Visit], order: int) -> Iterator[Visit]:
    """Every click with up to *order* clicks before it, which is what KATO learns."""
    return ([*past[-order:], page] for visit in visits for past, page in steps(visit) if past)


def guesses(
    user: User, asked: Sequence[Question], order: int, *, tell: Callable[[str], None] = say
) -> list[str]:
    """The page that KATO expects for each question; empty where it expects none."""
    found = [""] * len(asked)
    for similarity in SIMILARITIES:
        open_ones = [number for number, page in enumerate(found) if not page]
        for first in range(0, len(open_ones), AT_ONCE):
            part = open_ones[first : first + AT_ONCE]
            pasts = [asked[number][0][-order:] for number in part]
            answers = user.next_batch(pasts, recall_threshold=similarity, limit=1, fields="symbols")
            for number, answer in zip(part, answers, strict=True):
                if isinstance(answer, AnswerError):
                    raise answer
                found[number] = answer.symbols[0].symbol if answer.symbols else ""
        tell(f"asked {len(open_ones)} questions for runs of a similarity of {similarity}")
    return found


def accuracy(found: Sequence[str], asked: Sequence[Question]) -> float:
    """The share of questions whose next page was found."""
    return sum(page == wanted for page, (_, wanted) in zip(found, asked, strict=True)) / len(asked)


def main() -> None:
    parser = options(__doc__, "recipe-next-click")
    parser.add_argument(
        "--visits",
        type=int,
        nargs="+",
        default=[20, 1000],
        metavar="N",
        help="how many visits it has seen when it is asked (default: 20, then 1000)",
    )
    parser.add_argument("--order", type=int, default=3, help="clicks to look at (%(default)s)")
    arguments = parser.parse_args()
    made = visits(max(arguments.visits) + 60, arguments.seed)
    train, asked = made[60:], questions(made[:60])
    names = ["KATO", f"n-grams, {arguments.order} clicks", "the most frequent page"]
    rows: list[dict[str, str | float]] = [{"next click, accuracy after": name} for name in names]
    with new_user(arguments) as user:
        seen = 0
        for count in sorted(arguments.visits):
            user.learn(runs(train[seen:count], arguments.order), progress=progress)
            seen = count
            ngrams = Ngrams(arguments.order, chain.from_iterable(map(steps, train[:count])))
            pages = Counter(page for _, page in questions(train[:count]))
            by_model = [
                guesses(user, asked, arguments.order),
                [ngrams.next(past) for past, _ in asked],
                [pages.most_common(1)[0][0]] * len(asked),
            ]
            for row, found in zip(rows, by_model, strict=True):
                row[f"{count} visits"] = accuracy(found, asked)
    show(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
