"""JSON of predictions that the compiled engine writes itself, compared with orjson's."""

import math
import random
import struct
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import orjson
import pytest

from kato_service import json_text
from kato_service.api.shapes import rendering
from kato_service.domain.pattern import Event, Pattern, pattern_name
from kato_service.search.matching import Wanted

compiled = pytest.importorskip("kato_service.search.compiled_index")
from kato_service.search import _engine  # noqa: E402

SYMBOLS = (
    *("a", "b", "c", "hello", "", " ", '"', "\\", "/", "\x00", "\x1f", "\x7f", "\b\t\n\f\r"),
    *("é", "\u2028", "𝄞", "a\ud7ff", 'say "hi"\n', "\\u0041", "z" * 300),
)
LIMIT = 200


def _numbers(rng: random.Random) -> Iterator[float]:
    yield from (0.0, -0.0, 1.0, -1.5, 5e-324, 1.7976931348623157e308, math.pi, 0.1 + 0.2)
    yield from (sign * 10.0**power for power in range(-30, 30) for sign in (1, -1))
    yield from (10.0**power * 1.2345678901234567 for power in range(-20, 25))
    yield from (9.9999999999999995e-6, 1e-5, 99999.99999999999, 9999999999999998.0, 1e16 - 2)
    for _ in range(20_000):
        yield round(rng.uniform(-20, 1200), 12)
        yield round(rng.uniform(0, 0.01), 12)
        yield rng.randint(0, 400) / rng.randint(1, 400)
        yield rng.uniform(-2000, 2000)
    for _ in range(20_000):
        (value,) = struct.unpack("d", rng.randbytes(8))
        if math.isfinite(value):
            yield value


def test_numbers_are_spelled_as_orjson_spells_them() -> None:
    for value in _numbers(random.Random(7)):
        assert _engine.number_text(value) == orjson.dumps(value).decode(), value.hex()
    for value in (math.inf, -math.inf, math.nan):
        assert _engine.number_text(value) == "null"


def _taught(rng: random.Random) -> "compiled.CompiledPatternIndex":
    index = compiled.CompiledPatternIndex()
    for first in range(1, 120):
        events = tuple(_event(rng) for _ in range(rng.randint(1, 7)))
        if sum(map(len, events)) < 2:
            continue
        pattern = Pattern(pattern_name(events), events, frequency=rng.randint(0, 9), first=first)
        index.put(pattern, learns=1)
    return index


def _event(rng: random.Random) -> Event:
    return tuple(rng.choice(SYMBOLS) for _ in range(rng.randint(1, 4)))


def _expected(answer: "_engine.Answer", place: int, extras: tuple[bytes, bytes | None]) -> bytes:
    """The same from the row, with the keys of http-api.md in their order."""
    row = answer[place]
    keys = (
        *("name", "frequency", "matches", "past", "present", "missing", "extras", "potential"),
        *("evidence", "similarity", "fragmentation", "snr", "entropy", "hamiltonian"),
        *("grand_hamiltonian", "confluence", "sequence", "future", "confidence"),
        "itfdf_similarity",
    )
    content = {"type": "prototypical", **dict(zip(keys, row[:-1], strict=True))}
    ordered = {key: content.pop(key) for key in ("type", "name", "frequency")}
    emotives, metadata = extras
    ordered |= {"emotives": orjson.Fragment(emotives), **content}
    ordered["pattern_name"] = f"PTRN|{row[0]}"
    if metadata is not None:
        ordered["metadata"] = orjson.Fragment(metadata)
    return orjson.dumps(ordered)


@pytest.mark.parametrize("seed", range(6))
def test_predictions_are_the_bytes_that_orjson_makes_of_their_rows(seed: int) -> None:
    rng = random.Random(seed)
    index = _taught(rng)
    for threshold in (0.0, 0.1, 0.4):
        state = tuple(rng.choice(SYMBOLS) for _ in range(rng.choice((2, 3, 9, 80))))
        answer = index.frozen().engine.best(state, threshold, LIMIT)
        plain = [_expected(answer, place, (b"{}", None)) for place in range(len(answer))]
        assert answer.text(0, len(answer), None) == b",".join(plain)
        parts = [answer.text(place, place + 1, None) for place in range(len(answer))]
        assert parts == plain
        extras = tuple(_extras(rng) for _ in plain)
        given = [each or (b"{}", None) for each in extras]
        expected = [_expected(answer, place, each) for place, each in enumerate(given)]
        assert answer.text(0, len(answer), extras) == b",".join(expected)


def _extras(rng: random.Random) -> tuple[bytes, bytes | None] | None:
    metadata = rng.choice((None, b'{"k":["v"]}'))
    return rng.choice((None, (b'{"joy":0.25}', metadata), (b"{}", metadata)))


def test_what_cannot_be_written_is_refused() -> None:
    answer = _taught(random.Random(1)).frozen().engine.best(("a", "b"), 0.0, LIMIT)
    assert len(answer) > 3
    assert answer.text(3, 3, None) == b""
    for begin, end in ((-1, 2), (2, 1), (0, len(answer) + 1)):
        with pytest.raises(IndexError):
            answer.text(begin, end, None)
    for extras in ((), (None,), [None, None], (None, b"{}"), (None, (b"{}",)), (None, ("", None))):
        with pytest.raises(TypeError):
            answer.text(0, 2, extras)


@pytest.mark.parametrize("with_extras", [False, True])
def test_the_searcher_gives_the_same_bytes_as_text_and_as_predictions(with_extras: bool) -> None:
    rng = random.Random(11)
    index = _taught(rng)
    if with_extras:
        for name in [pattern.name for pattern in index.after(-1)][::3]:
            pattern = index.get(name)
            assert pattern is not None
            emotives = ({"joy": rng.random()},) if rng.random() < 0.7 else ()
            metadata = {"k": ['"v"', "[1,2]"]} if rng.random() < 0.5 else {}
            index.put(replace(pattern, emotives=emotives, metadata=metadata))
    for offset in (0, 1, 70, 10_000):
        state = tuple(rng.choice(SYMBOLS) for _ in range(9))
        ask = partial(index.found, state, threshold=0.0, limit=LIMIT)
        found = ask(Wanted(offset=offset))
        texts = ask(Wanted(offset=offset, as_text=True))
        assert (texts.kept, texts.listed) == (found.kept, len(found.predictions))
        assert texts.predictions == ()
        expected = b",".join(json_text.text(rendering.prediction(one)) for one in found.predictions)
        assert texts.texts is not None
        assert b",".join(texts.texts) == expected


def test_extras_that_change_during_a_search_are_those_of_its_beginning() -> None:
    index = compiled.CompiledPatternIndex()
    events = (("a",), ("b",))
    pattern = Pattern(pattern_name(events), events, emotives=({"joy": 0.25},), first=1)
    index.put(pattern, learns=1)
    frozen = index.frozen()
    index.put(replace(pattern, emotives=()))
    (text,) = frozen.found(("a", "b"), Wanted(as_text=True), threshold=0.0, limit=1).texts
    assert orjson.loads(text)["emotives"] == {"joy": 0.25}
    (text,) = index.found(("a", "b"), Wanted(as_text=True), threshold=0.0, limit=1).texts
    assert orjson.loads(text)["emotives"] == {}
