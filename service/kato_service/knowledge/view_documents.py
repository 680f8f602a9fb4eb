"""Views of patterns as documents, the same for every backend (knowledge.md §1)."""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

from kato_service.domain.pattern import Pattern
from kato_service.knowledge.documents import (
    Document,
    decoded_corrections,
    decoded_emotives,
    decoded_events,
    decoded_metadata,
    encoded_corrections,
    encoded_emotives,
    encoded_metadata,
)
from kato_service.knowledge.index import StoredViews
from kato_service.knowledge.pattern_views import PatternView, StatisticsView, ViewPage


def view_id(kb: str, name: str) -> str:
    return f"{kb}:{name}"


def end_of_views(kb: str) -> str:
    """Behind the names of all patterns, which are hexadecimal."""
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


def decoded_statistics(document: Mapping[str, Any]) -> StatisticsView:
    return StatisticsView(
        corrections=decoded_corrections(document),
        parts={pair["k"]: pair["v"] for pair in document["parts"]},
        revision=document["revision"],
    )


def page_of(encoded: StoredViews, read: Callable[[bytes], Document], limit: int) -> ViewPage:
    """Views in order of their ids, *read* from their encoding when they are asked for."""
    documents = encoded.documents()
    return ViewPage(
        encoded,
        lambda text: decoded_view(read(text)),
        last=_name_of(read(documents[-1])) if documents else "",
        more=len(documents) == limit,
    )


def _name_of(document: Mapping[str, Any]) -> str:
    name: str = document["_id"].rpartition(":")[2]
    return name
