"""The labels of the vectors that an answer shows."""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kato_service import json_text
from kato_service.api.intake.calls import Call

MAX_LABELLED = 10_000
"""Different vectors of an answer whose labels are looked up: the first ones it shows."""
SCANNED_BYTES = 2**16
"""Bytes that are scanned at once, before other requests get their turn."""
_SYMBOL = re.compile(rb'"((?:VCTR|VECTOR)\|[0-9a-f]{40})"')
_LONGEST = len('"VECTOR|"') + 40


async def labels_of(call: Call, kb: str, shown: Iterable[Any]) -> Mapping[str, str]:
    """The labels by symbol, of those vectors in parts of an answer that have one.

    Args:
        kb: The knowledge base of the answer.
        shown: The parts, as `json_text` writes them.

    Raises:
        StoreUnavailableError: The vectors cannot be read.
    """
    symbols: dict[str, None] = {}
    for text in _texts(shown):
        await _scan(text, symbols)
    if not symbols:
        return {}
    return await call.service.processor.vectors.labels(
        kb, list(symbols)[:MAX_LABELLED], deadline=call.deadline
    )


def _texts(shown: Iterable[Any]) -> Iterator[bytes]:
    for part in shown:
        if isinstance(part, json_text.Pieces):
            yield from part.texts
        else:
            yield json_text.text(part)


async def _scan(text: bytes, symbols: dict[str, None]) -> None:
    """Add the symbols of vectors in JSON *text* to *symbols*, as long as there is room."""
    # A piece ends where the next one begins plus one symbol, so none is cut.
    for start in range(0, len(text), SCANNED_BYTES):
        if len(symbols) >= MAX_LABELLED:
            return
        piece = text[start : start + SCANNED_BYTES + _LONGEST - 1]
        symbols.update(dict.fromkeys(each.decode() for each in _SYMBOL.findall(piece)))
        await asyncio.sleep(0)
