#!/usr/bin/env python3
"""Chat memory: what somebody said once is recalled when it matters again.

A statement is a sequence, each word an event, with its number in the conversation as metadata. A
question is the beginning of a statement whose end is asked for, in whatever words. KATO recalls the
most similar statements; of equally similar ones, the newest counts.

USE IT to give an assistant what a person said in earlier conversations, literally and with its
source, also with words in between or typos; each user's memory is apart, and can be erased.

DO NOT USE IT for other words of the same meaning ("works as" and "earns a living with"): KATO
compares symbols, not meanings. For that, send embeddings as vectors, or use a vector database.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from ngrams import Ngrams, steps
from program import new_user, options, progress, say, show

from kato_client import AnswerError, Observation, Prediction, User

NAMES = [
    "Amelie", "Boris", "Carmen", "Dimitri", "Elena", "Farid", "Greta", "Hassan", "Ingrid", "Jonas",
    "Katja", "Leonard", "Miriam", "Nadia", "Oliver", "Priya", "Quentin", "Rosalie", "Stefan",
    "Tamara", "Ulrich", "Valerie", "Wendelin", "Yasmin",
]  # fmt: skip
FACTS = {
    "lives in": ["Lisbon", "Oslo", "Vienna", "Dublin", "Prague", "Riga", "Porto", "Ghent", "Basel"],
    "works as a": ["baker", "teacher", "surgeon", "pilot", "carpenter", "lawyer", "gardener"],
    "plays the": ["piano", "violin", "trumpet", "cello", "drums", "flute", "guitar", "harp"],
    "is allergic to": ["peanuts", "pollen", "milk", "cats", "wasps", "eggs", "dust", "penicillin"],
}
OTHER_WORDS = {
    "lives in": "has a flat in",
    "works as a": "earns money as",
    "plays the": "is good at the",
    "is allergic to": "cannot stand",
}
ASIDES = ["who I met", "you know", "of course", "as always", "these days", "I think"]
AT_ONCE = 100
Words = list[str]


@dataclass(frozen=True, slots=True)
class Question:
    """The beginning of a statement, and the word that completes it."""

    words: Words
    answer: str


def statements(rng: random.Random) -> list[Words]:
    """What was said, oldest first: every name with every kind of fact, a quarter of them twice,
    because they changed."""
    facts = [(name, fact) for name in NAMES for fact in FACTS]
    rng.shuffle(facts)
    facts += facts[: len(facts) // 4]
    return [[name, *fact.split(), rng.choice(FACTS[fact])] for name, fact in facts]


def questions(said: Sequence[Words], rng: random.Random) -> dict[str, list[Question]]:
    """Questions by kind. The right answer is always what was said last."""
    newest = {tuple(words[:-1]): words[-1] for words in said}
    counts = Counter(tuple(words[:-1]) for words in said)
    kinds = dict[str, list[Question]]()
    for beginning, answer in newest.items():
        asked = [*beginning]
        if counts[beginning] > 1:
            kinds.setdefault("changed", []).append(Question(asked, answer))
            continue
        aside = [asked[0], *rng.choice(ASIDES).split(), *asked[1:]]
        typo = [_mistyped(asked[0], rng), *asked[1:]]
        other = [asked[0], *OTHER_WORDS[" ".join(asked[1:])].split()]
        kinds.setdefault("same words", []).append(Question(asked, answer))
        kinds.setdefault("words between", []).append(Question(aside, answer))
        kinds.setdefault("a typo", []).append(Question(typo, answer))
        kinds.setdefault("other words", []).append(Question(other, answer))
    return kinds


def _mistyped(word: str, rng: random.Random) -> str:
    place = rng.randrange(1, len(word) - 1)
    return word[:place] + word[place] + word[place:]


def remembered(said: Sequence[Words]) -> list[list[str | Observation]]:
    """Statements as KATO learns them. The last word carries when it was said."""
    return [
        [*words[:-1], Observation(words[-1], metadata={"said": number})]
        for number, words in enumerate(said)
    ]


def _rank(recalled: Prediction) -> tuple[float, int]:
    """The more similar one, and of equally similar ones the one that was said last, is the best."""
    said = recalled.metadata or {}
    return recalled.similarity, max(said["said"])


def answers(user: User, asked: Sequence[Question]) -> list[str]:
    """The last word of the best statement for each question; empty where nothing is similar."""
    found = list[str]()
    for first in range(0, len(asked), AT_ONCE):
        part = [question.words for question in asked[first : first + AT_ONCE]]
        genes = {"fuzzy_token_threshold": 0.8, "rank_sort_algo": "similarity"}
        for recalled in user.predict_batch(part, genes=genes, recall_threshold=0.4, limit=10):
            if isinstance(recalled, AnswerError):
                raise recalled
            best = max(recalled, key=_rank, default=None)
            found.append(best.sequence[-1][0] if best else "")
    say(f"asked {len(asked)} questions")
    return found


def accuracy(found: Sequence[str], asked: Sequence[Question]) -> float:
    right = (word == question.answer for word, question in zip(found, asked, strict=True))
    return sum(right) / len(asked)


def main() -> None:
    parser = options(__doc__, "recipe-chat-memory")
    parser.add_argument("--order", type=int, default=4, help="words of an n-gram's past")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    said = statements(rng)
    kinds = questions(said, rng)
    ngrams = Ngrams(arguments.order, chain.from_iterable(map(steps, said)))
    common = Counter(words[-1] for words in said).most_common(1)[0][0]
    names = ["KATO", f"n-grams, {arguments.order} words", "the most frequent answer"]
    rows: list[dict[str, str | float]] = [{"chat memory, accuracy for": name} for name in names]
    with new_user(arguments) as user:
        user.learn(remembered(said), progress=progress)
        for kind, asked in kinds.items():
            by_model = [
                answers(user, asked),
                [ngrams.next(question.words) for question in asked],
                [common] * len(asked),
            ]
            for row, found in zip(rows, by_model, strict=True):
                row[kind] = accuracy(found, asked)
    show(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
