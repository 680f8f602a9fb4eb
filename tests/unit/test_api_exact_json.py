"""Bodies are read fast or exactly, and it makes no difference to what they are taken for."""

import json
from collections.abc import Callable
from itertools import count
from time import perf_counter
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_service import json_text
from kato_service.api.intake import exact_json, json_bodies
from kato_service.errors import InvalidInputError

EXACT = [
    b'{"a":[1,-2.5,1e3,true,null,"\xc3\xa4"],"b":{}}',
    b"[18446744073709551615,-9223372036854775808,999999999999999999]",
    b'["\\ud83d\\ude00","\\u00e4","\\u0000","\\\\ud800"]',
    b'{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}',
    b'{"":{"":":"},":":":","\\":":"\\u003a"}',
    b"[-0,0,-0.0,1e-400,1.7976931348623157e308]",
    b'["12345678901234567890123",0.12345678901234567890123,1.0e-00000000000000000000001]',
    b'["[[[","]]]","{"]',
    b' \t\r\n{ "a" : 1 , "b" : [ ] } \n',
    b"[" * 254 + b"]" * 254,
    b"7",
    b'"x"',
]
REFUSED = [
    pytest.param(b"[NaN]", ("body", 0), id="NaN"),
    pytest.param(b"[-Infinity]", ("body", 0), id="infinity"),
    pytest.param(b"[1e999]", ("body", 0), id="real beyond a double"),
    pytest.param(b"[" + b"9" * 5000 + b"]", ("body", 0), id="integer beyond a double"),
    pytest.param(b"[18446744073709551616]", ("body", 0), id="integer of 65 bits"),
    pytest.param(b"[-9223372036854775809]", ("body", 0), id="negative integer of 65 bits"),
    pytest.param(b"18446744073709551616", ("body",), id="integer alone"),
    pytest.param(b'{"a":1,"a":1}', ("body", "a"), id="repeated name"),
    pytest.param(
        b'{"a":{"b":1,"\\u0062":1}}', ("body", "a", "b"), id="repeated in another spelling"
    ),
    pytest.param(b'[[],{"a" :1,"b":":","a" :2}]', ("body", 1, "a"), id="repeated with spaces"),
    pytest.param(b'["\\ud800"]', ("body", 0), id="lone surrogate"),
    pytest.param(b'{"a":{"\\udc00":1}}', ("body", "a"), id="lone surrogate in a name"),
    pytest.param(b'["\xed\xa0\x80"]', ("body",), id="encoded surrogate"),
    pytest.param(b'["\x01"]', ("body",), id="control character"),
    pytest.param(b"[" * 100_000, ("body",), id="deep"),
    pytest.param(b"[" * 255 + b"]" * 255, ("body",), id="a level too deep"),
    pytest.param(b'{"a":' * 254 + b"{}" + b"}" * 254, ("body",), id="an object too deep"),
    pytest.param(b"[1] 2", ("body",), id="two values"),
    pytest.param(b"\xef\xbb\xbf[]", ("body",), id="byte order mark"),
    pytest.param(b"\xff", ("body",), id="not UTF-8"),
    pytest.param(b"[01]", ("body",), id="leading zero"),
    pytest.param(b"[1,]", ("body",), id="trailing comma"),
    pytest.param(b"{'a':1}", ("body",), id="single quotes"),
    pytest.param(b" ", ("body",), id="nothing"),
]
SIZES = {
    "tiny": b"",
    "vectorised": b" " * json_bodies.VECTORISED_BYTES,
    "doubted in a thread": b" " * json_bodies.DOUBT_AT_ONCE_BYTES,
    "large": b" " * json_bodies.AT_ONCE_BYTES,
}


async def read(raw: bytes) -> Any:
    return await json_bodies.read(raw, lambda value: value)


def same(one: Any, other: Any) -> bool:
    """Equal, with the same types and signs."""
    return repr(one) == repr(other)


@pytest.mark.parametrize("raw", EXACT)
@pytest.mark.parametrize("padding", SIZES.values(), ids=SIZES)
async def test_every_reading_of_a_body_returns_the_same_value(raw: bytes, padding: bytes) -> None:
    expected = orjson.loads(raw)
    assert same(await read(raw + padding), expected)
    assert same(exact_json.parsed(raw), expected)


@pytest.mark.parametrize(("raw", "place"), REFUSED)
@pytest.mark.parametrize("padding", SIZES.values(), ids=SIZES)
async def test_every_reading_refuses_the_same_bodies_at_the_same_place(
    raw: bytes, place: tuple[Any, ...], padding: bytes
) -> None:
    with pytest.raises(InvalidInputError) as alone:
        exact_json.parsed(raw)
    with pytest.raises(InvalidInputError) as padded:
        await read(raw + padding)
    assert alone.value.findings[0].place == padded.value.findings[0].place == place
    assert alone.value.findings == padded.value.findings


def test_all_problems_are_counted_in_the_order_of_the_body() -> None:
    raw = b'{"a":[NaN,{"b":1e999}],"c":{"d":1,"d":2},"e":"\\ud800"}'
    with pytest.raises(InvalidInputError) as caught:
        exact_json.parsed(raw)
    places = [finding.place[1:] for finding in caught.value.findings]
    assert places == [("a", 0), ("a", 1, "b"), ("c", "d"), ("e",)]
    assert caught.value.message.endswith("(and 3 more problems)")


def test_more_problems_than_an_answer_lists_are_counted() -> None:
    with pytest.raises(InvalidInputError, match="and 29999 more problems"):
        exact_json.parsed(b"[" + b"NaN," * 29_999 + b"NaN]")


def _text(value: Any, spaces: str, keys: Callable[[], str] | None = None) -> str:
    """JSON in which every object may have names from *keys* in addition."""
    if isinstance(value, dict):
        items = [(name, _text(member, spaces, keys)) for name, member in value.items()]
        if keys is not None:
            items.append((keys(), "1"))
        return "{" + ",".join(f"{json.dumps(n)}{spaces}:{spaces}{m}" for n, m in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(spaces + _text(member, spaces, keys) for member in value) + "]"
    return json.dumps(value, ensure_ascii=len(spaces) > 0)


NAMES = st.sampled_from(["a", "b", ":", '":', "ä", "\\", "", "c:d"])
NUMBERS = st.one_of(
    st.integers(-(2**66), 2**66),
    st.integers(10**17, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, NAMES, st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=15,
)


@settings(max_examples=400)
@given(value=VALUES, spaces=st.sampled_from(["", " ", "\n\t"]), repeated=st.booleans())
async def test_the_fast_reading_misses_nothing(value: Any, spaces: str, repeated: bool) -> None:
    fresh = count()
    name = "a" if repeated else None
    keys = (lambda: name or f"new {next(fresh)}") if isinstance(value, dict | list) else None
    raw = _text(value, spaces, keys).encode()
    expected = _outcome(lambda: exact_json.parsed(raw))
    for padding in (b"", b" " * json_bodies.VECTORISED_BYTES):
        try:
            found = repr(await read(raw + padding))
        except InvalidInputError as error:
            found = str(error.findings)
        assert found == expected


def _outcome(parsed: Callable[[], Any]) -> str:
    try:
        return repr(parsed())
    except InvalidInputError as error:
        return str(error.findings)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"strings": ["hello", "user:42"]}, id="strings"),
        pytest.param({"vectors": [[0.00012345678901234567] * 768]}, id="small components"),
        pytest.param({"emotives": {"joy": 0.5}, "metadata": {"n": 3}}, id="all fields"),
        pytest.param({"observations": [{"strings": [f"s{i}"]} for i in range(500)]}, id="sequence"),
    ],
)
async def test_ordinary_bodies_are_not_read_twice(
    body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_json, "parsed", None)
    assert await read(json.dumps(body).encode()) == body


def test_what_is_read_can_be_written() -> None:
    deepest = exact_json.parsed(b"[" * json_text.MAX_LEVELS + b"]" * json_text.MAX_LEVELS)
    assert json_text.canonical(deepest).count("[") == json_text.MAX_LEVELS


def test_texts_that_never_end_are_refused_in_linear_time() -> None:
    hostile = b"[" * (exact_json.MAX_CONTAINERS + 1) + b'\\"' * 2_000_000
    began = perf_counter()
    with pytest.raises(InvalidInputError):
        exact_json.parsed(hostile)
    assert perf_counter() - began < 10
