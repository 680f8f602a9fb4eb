"""JSON: strict when it is read, compact when it is written, in portions when it is long."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from time import perf_counter
from typing import Any, ClassVar

import orjson

MAX_LEVELS = 254
"""Arrays and objects inside each other that can be written."""
LOOP_SHARE_S = 0.002
"""Seconds of serialising after which other requests get their turn."""
BATCH = 8
"""Small items that one call writes: the call itself costs as much as two of them."""
LONG_BYTES = 2**20
"""Joining so many bytes releases the interpreter lock: in a thread it does not hold up the loop."""
SMALL_S = 0.0005
"""Seconds that a batch may take; after one that took longer, the next has a single item."""


def parsed(raw: bytes | str) -> Any:
    """The value of *raw*.

    Raises:
        orjson.JSONDecodeError: *raw* is not JSON (RFC 8259) in UTF-8. NaN, infinities, numbers
            beyond a double, lone surrogates and nesting deeper than 1024 are refused too.
    """
    return orjson.loads(raw)


class RepeatedNameError(Exception):
    """An object has a name twice, of which programs read one or the other."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of *pairs*, as an `object_pairs_hook`.

    Raises:
        RepeatedNameError: It has a name twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise RepeatedNameError(next(name for name in names if names.count(name) > 1))
    return found


def canonical(value: Any) -> str:
    """JSON text that is equal for equal values: keys sorted, no spaces.

    Raises:
        ValueError: *value* is nested too deeply to be written again.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError as exc:
        raise ValueError("nested too deeply") from exc


class Pieces:
    """JSON text of a value of `LONG_BYTES` or more. No dataclass: orjson would write one as an
    object."""

    __slots__ = ("texts",)

    def __init__(self, texts: tuple[bytes, ...]) -> None:
        self.texts = texts


def text(value: Any) -> bytes:
    """*value* as compact JSON in UTF-8."""
    return orjson.dumps(value, default=_whole)


def embedded(canonical_text: str) -> orjson.Fragment:
    """A value that is JSON text already, to be placed into a larger one as it is."""
    return orjson.Fragment(canonical_text)


def embedded_lists(texts: Mapping[str, Iterable[str]]) -> dict[str, list[orjson.Fragment]]:
    """Lists of values that are JSON text already, as metadata of patterns are kept."""
    return {name: [embedded(text) for text in some] for name, some in texts.items()}


async def array(items: Iterable[Mapping[str, Any]]) -> Pieces | orjson.Fragment:
    """A JSON array, written in portions so that a long one does not hold up the event loop.

    All long arrays together leave the loop as much time for others as they take.
    """
    pieces: list[bytes] = []
    source = iter(items)
    size, began = 1, perf_counter()
    started = began
    with _Writer() as writer:
        while batch := list(islice(source, size)):
            pieces += (b",", orjson.dumps(batch)[1:-1])
            now = perf_counter()
            size = BATCH if now - started < SMALL_S else 1
            if now - began > LOOP_SHARE_S:
                await writer.pause(now - began)
                began = now = perf_counter()
            started = now
    return _closed(pieces)


def array_of_texts(texts: Iterable[bytes]) -> Pieces | orjson.Fragment:
    """A JSON array of what is JSON already: each text is an item, or several with commas."""
    return _closed([piece for text in texts for piece in (b",", text)])


def _closed(pieces: list[bytes]) -> Pieces | orjson.Fragment:
    """The array of *pieces*, the first of which is a comma."""
    if sum(map(len, pieces)) < LONG_BYTES:
        return orjson.Fragment(b"".join((b"[", *pieces[1:], b"]")))
    return Pieces((b"[", *pieces[1:], b"]"))


def members(pairs: Iterable[tuple[str, Any]]) -> Pieces:
    """A JSON object of any size, member by member. Computes: call it from a thread."""
    pieces: list[bytes] = []
    for key, value in pairs:
        pieces += (b",", text({key: value})[1:-1])
    return Pieces((b"{", *pieces[1:], b"}"))


async def long_text(value: Any) -> bytes:
    """As `text`; where it is long, it is put together in a thread, without the interpreter lock."""
    if not _holds_pieces(value):
        return text(value)
    return await asyncio.to_thread(b"".join, list(_parts(value)))


class _Writer:
    """One array that is being written."""

    long_ones: ClassVar[int] = 0

    def __init__(self) -> None:
        self._is_long = False

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        _Writer.long_ones -= self._is_long

    async def pause(self, written_s: float) -> None:
        """After so many seconds on the loop: others write meanwhile, too."""
        if not self._is_long:
            self._is_long = True
            _Writer.long_ones += 1
        await asyncio.sleep(written_s * _Writer.long_ones)


def _parts(value: Any) -> Iterator[bytes]:
    if isinstance(value, Pieces):
        yield from value.texts
    elif _holds_pieces(value):
        for number, (key, member) in enumerate(value.items()):
            yield b"," if number else b"{"
            yield orjson.dumps(key)
            yield b":"
            yield from _parts(member)
        yield b"}"
    else:
        yield text(value)


def _holds_pieces(value: Any) -> bool:
    return isinstance(value, dict) and any(
        isinstance(member, Pieces) or _holds_pieces(member) for member in value.values()
    )


def _whole(value: Any) -> orjson.Fragment:
    if isinstance(value, Pieces):
        return orjson.Fragment(b"".join(value.texts))
    raise TypeError
