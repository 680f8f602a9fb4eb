"""Views of patterns that are taken as their store encodes them."""

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import replace

import bson
import orjson
import pytest
from samples import Document, counted, document, patterns

from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.index import PatternIndex, StoredViews
from kato_service.search.pattern_searcher import PatternSearcher

CHECKPOINT = 10**9


def as_json(documents: Iterable[Document]) -> StoredViews:
    return StoredViews(tuple(map(orjson.dumps, documents)), is_bson=False)


def as_bson(documents: Iterable[Document]) -> StoredViews:
    encoded = list(map(bson.encode, documents))
    return StoredViews((b"".join(encoded[:7]), b"".join(encoded[7:])), is_bson=True)


@pytest.fixture(params=[as_json, as_bson])
def encoded(request: pytest.FixtureRequest) -> Callable[[Iterable[Document]], StoredViews]:
    return request.param  # type: ignore[no-any-return]


def decoded(text: bytes, *, is_bson: bool) -> Document:
    return bson.decode(text) if is_bson else orjson.loads(text)  # type: ignore[no-any-return]


@pytest.fixture
def index() -> PatternIndex:
    pytest.importorskip("kato_service.search._engine")
    return PatternSearcher("c").new_index()


Encoded = Callable[[Iterable[Document]], StoredViews]


def test_patterns_are_taken_exactly(index: PatternIndex, encoded: Encoded) -> None:
    every = list(patterns(200))
    shuffled = random.Random(1).sample(every, len(every))
    loader = index.loader()
    views = encoded(map(document, shuffled))
    sifted = loader.sift(views, cleared=0, checkpoint=CHECKPOINT)
    ids = {decoded(text, is_bson=views.is_bson)["_id"] for text in sifted.with_extras}
    extra = [one for one in every if one.emotives or one.metadata or one.affinity]
    assert ids == {f"kb:{pattern.name}" for pattern in extra}
    loader.add_extras(extra)
    loader.finish()
    expected = PlainPatterns()
    for pattern in every:
        expected.put(pattern, learns=pattern.learns)
    assert sifted.left == ()
    assert sifted.newest == max(pattern.revision for pattern in every)
    assert not sifted.has_garbage
    assert list(index.after(-1)) == every
    assert counted(index.statistics) == counted(expected.statistics)


def test_documents_that_the_engine_cannot_take_are_left(
    index: PatternIndex, encoded: Encoded
) -> None:
    every = list(patterns(9))
    documents = [
        document(every[0], deleted=True),
        document(every[1], first=101),
        document(every[2], revision=20),
        document(every[3], revision=21),
        document(every[4], frequency=2**40),
        document(every[5], extra=None),
        document(every[6], _id="kb:statistics"),
        document(every[7], sizes=[1, 0]),
    ]
    views = encoded(documents)
    loader = index.loader()
    sifted = loader.sift(views, cleared=20, checkpoint=100)
    left = [decoded(text, is_bson=views.is_bson) for text in sifted.left]
    assert left == [documents[number] for number in (0, 1, 4, 5, 6, 7)]
    assert sifted.has_garbage
    assert sifted.newest == 21
    loader.finish()
    assert [pattern.name for pattern in index.after(-1)] == [every[3].name]


def test_an_index_in_python_leaves_all_documents(encoded: Encoded) -> None:
    documents = list(map(document, patterns(20)))
    views = encoded(documents)
    sifted = PlainPatterns().loader().sift(views, cleared=0, checkpoint=CHECKPOINT)
    assert [decoded(text, is_bson=views.is_bson) for text in sifted.left] == documents


@pytest.mark.parametrize(
    "symbol", ["", '"', "\\", "\x00\x1f\n\t\r\b\f/", "é中𝄞", "]", "[", "\\u00"]
)
def test_symbols_are_unescaped(index: PatternIndex, encoded: Encoded, symbol: str) -> None:
    (pattern,) = patterns(1)
    pattern = replace(pattern, events=((symbol, "a"), (symbol + symbol,)), emotives=(), metadata={})
    loader = index.loader()
    sifted = loader.sift(encoded([document(pattern)]), cleared=0, checkpoint=CHECKPOINT)
    assert sifted.left == ()
    loader.finish()
    assert list(index.after(-1)) == [pattern]


def test_json_that_others_wrote_is_left(index: PatternIndex) -> None:
    (pattern,) = patterns(1)
    text = json.dumps(document(replace(pattern, events=(("é",),)))).encode()
    spaced = orjson.dumps(document(pattern), option=orjson.OPT_INDENT_2)
    views = StoredViews((text.replace(b" ", b""), spaced), is_bson=False)
    assert index.loader().sift(views, cleared=0, checkpoint=CHECKPOINT).left == views.texts


def test_damaged_documents_are_refused_or_left_to_the_caller(
    index: PatternIndex, encoded: Encoded
) -> None:
    rng = random.Random(3)
    views = encoded(map(document, patterns(3)))
    text = b"".join(views.texts) if views.is_bson else views.texts[0]
    for _ in range(3000):
        damaged = bytearray(text)
        for _ in range(rng.choice((1, 1, 2, 9))):
            damaged[rng.randrange(len(damaged))] = rng.choice((0, 1, 2, 34, 92, 255))
        cut = bytes(damaged[: rng.choice((len(damaged), rng.randrange(len(damaged))))])
        loader = index.loader()
        try:
            loader.sift(StoredViews((cut,), views.is_bson), cleared=0, checkpoint=CHECKPOINT)
            loader.finish()
        except ValueError:
            continue
        index.clear()
