"""Views of patterns as documents, the same for every backend (knowledge.md §1)."""

from collections.abc import Callable, Mapping
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from kato_service.domain.pattern import Pattern
from kato_service.knowledge.model.index import StoredViews
from kato_service.knowledge.model.pattern_views import PatternView, StatisticsView, ViewPage
from kato_service.knowledge.stores.documents import (
    UNDECODABLE,
    Document,
    decoded_affinity,
    decoded_corrections,
    decoded_emotives,
    decoded_events,
    decoded_metadata,
    encoded_affinity,
    encoded_corrections,
    encoded_emotives,
    encoded_metadata,
    unreadable,
)

T = TypeVar("T")
_ROW_BYTES = 64
"""A symbol's correction in BSON, without the symbol."""


def view_id(kb: str, name: str) -> str:
    return f"{kb}:{name}"


def end_of_views(kb: str) -> str:
    """Sorts after the names of all patterns, which are hexadecimal, and before "statistics"."""
    return f"{kb}:g"


def statistics_id(kb: str) -> str:
    return f"{kb}:statistics"


def encoded_view(kb: str, view: PatternView) -> Document:
    pattern = view.pattern
    return {
        "_id": view_id(kb, pattern.name),
        "symbols": list(chain.from_iterable(pattern.events)),
        "sizes": [len(event) for event in pattern.events],
        "frequency": pattern.frequency,
        "learns": pattern.learns,
        "emotives": [encoded_emotives(emotives) for emotives in pattern.emotives],
        "metadata": encoded_metadata(pattern.metadata),
        **encoded_affinity(pattern.affinity),
        "first": pattern.first,
        "revision": pattern.revision,
        "deleted": view.deleted,
    }


def decoded_view(document: Mapping[str, Any]) -> PatternView:
    pattern = Pattern(
        name=_name_of(document),
        events=decoded_events(document["symbols"], document["sizes"]),
        frequency=document["frequency"],
        learns=document["learns"],
        emotives=tuple(map(decoded_emotives, document["emotives"])),
        metadata=decoded_metadata(document["metadata"]),
        affinity=decoded_affinity(document),
        first=document["first"],
        revision=document["revision"],
    )
    return PatternView(pattern, document["deleted"])


def encoded_statistics(kb: str, view: StatisticsView) -> Document:
    return {
        "_id": statistics_id(kb),
        **encoded_corrections(view.corrections),
        "parts": [{"k": source, "v": parts} for source, parts in view.parts.items()],
        "revision": view.revision,
    }


def cut_statistics(document: Document, piece_bytes: int) -> tuple[Document, list[Document]]:
    """The view as a document that refers to pieces, and those pieces, each of about *piece_bytes*.

    For stores whose documents may be smaller than the view. A small view has no pieces.
    """
    rows = document["corrections"]
    if sum(map(_row_size, rows)) <= piece_bytes:
        return document, []
    # Sorted, so that all processes that write this revision write the same pieces.
    pieces: list[list[Document]] = [[]]
    room = piece_bytes
    for row in sorted(rows, key=itemgetter("k")):
        if room < _row_size(row) and pieces[-1]:
            pieces.append([])
            room = piece_bytes
        pieces[-1].append(row)
        room -= _row_size(row)
    revision = document["revision"]
    cut = [
        {"_id": f"{document['_id']}:{revision:015}:{number:06}", "revision": revision}
        | {"corrections": piece}
        for number, piece in enumerate(pieces)
    ]
    return {**document, "corrections": [], "pieces": [each["_id"] for each in cut]}, cut


def _row_size(row: Document) -> int:
    return len(row["k"].encode()) + _ROW_BYTES


def decoded_statistics(document: Mapping[str, Any]) -> StatisticsView:
    """The view in a document.

    Raises:
        StoreUnavailableError: It cannot be decoded.
    """
    try:
        return StatisticsView(
            corrections=decoded_corrections(document),
            parts={pair["k"]: pair["v"] for pair in document["parts"]},
            revision=document["revision"],
        )
    except UNDECODABLE as exc:
        raise unreadable("the statistics of an import") from exc


def page_of(encoded: StoredViews, read: Callable[[bytes], Document], limit: int) -> ViewPage:
    """A page of views in order of their ids; *read* decodes one of them when it is needed.

    Raises:
        StoreUnavailableError: The last one cannot be decoded.
    """
    documents = encoded.documents()
    return ViewPage(
        encoded,
        lambda text: _decoded(lambda: decoded_view(read(text))),
        last=_decoded(lambda: _name_of(read(documents[-1]))) if documents else "",
        more=len(documents) == limit,
    )


def _decoded(read: Callable[[], T]) -> T:
    try:
        return read()
    except UNDECODABLE as exc:
        raise unreadable("a view of a pattern") from exc


def _name_of(document: Mapping[str, Any]) -> str:
    name: str = document["_id"].rpartition(":")[2]
    return name
