"""JSON is strict when it is read, compact when it is written."""

import asyncio
import json

import orjson
import pytest

from kato_service import json_text


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b"[-Infinity]", id="infinity"),
        pytest.param(b"1e999", id="beyond a double"),
        pytest.param(b'"\\udc00"', id="lone surrogate"),
        pytest.param(b'"\xed\xa0\x80"', id="encoded surrogate"),
        pytest.param(b"[" * 5000, id="deep"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"1 2", id="two values"),
        pytest.param(b"{'a':1}", id="single quotes"),
    ],
)
def test_only_strict_json_is_parsed(raw: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        json_text.parsed(raw)


def test_equal_values_have_the_same_canonical_text() -> None:
    assert json_text.canonical({"b": [1, "ä"], "a": None}) == '{"a":null,"b":[1,"ä"]}'


def test_a_value_that_could_not_be_written_again_is_refused() -> None:
    deep = json_text.parsed(b"[" * 600 + b"]" * 600)
    with pytest.raises(ValueError, match="nested too deeply"):
        json_text.canonical(deep)


@pytest.mark.parametrize(
    ("count", "size"), [(0, 1), (1, 1), (3, 1), (30, json_text.LONG_BYTES // 20)]
)
async def test_an_array_written_in_portions_is_the_same_array(count: int, size: int) -> None:
    items = [{"n": n, "text": "x" * size} for n in range(count)]
    content = {"items": await json_text.array(items), "embedded": json_text.embedded("[1]")}
    assert json.loads(json_text.text(content)) == {"items": items, "embedded": [1]}
    assert await json_text.long_text({"in": content}) == json_text.text({"in": content})


async def test_writing_a_long_array_lets_other_tasks_run() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    await json_text.array({"symbols": ["x" * 100] * 2000} for _ in range(500))
    other.cancel()
    assert turns > 1
