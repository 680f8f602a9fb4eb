"""Selecting patterns of the compiled engine: symbols by their postings, the rest one by one."""

from collections.abc import Mapping
from typing import Protocol

from kato_service.domain.pattern import Pattern
from kato_service.knowledge.model.index import LOOKED_AT, Selected
from kato_service.knowledge.model.pattern_filter import PatternFilter
from kato_service.search import _engine
from kato_service.search.pattern_extras import NONE, Extras

NAMES = 256
"""Names that the engine lists at once."""


class Indexed(Protocol):
    """The index, as far as selecting needs it."""

    engine: "_engine.Index"

    def get(self, name: str) -> Pattern | None: ...


def selected(
    index: Indexed,
    extras: Mapping[str, Extras],
    wanted: PatternFilter,
    limit: int,
    *,
    newest_first: bool,
) -> Selected:
    """See `PatternIndex.select`.

    Args:
        extras: By name, what patterns have in addition; most have none.
    """
    names, reached = _names(index.engine, wanted, newest_first=newest_first)
    found: list[Pattern] = []
    for name in names:
        # Without the metadata that is wanted, a pattern is not even made.
        if wanted.metadata and not wanted.fits_metadata(extras.get(name, NONE).metadata or {}):
            continue
        pattern = index.get(name)
        if pattern is not None and wanted.fits(pattern):
            found.append(pattern)
            if len(found) == limit:
                return Selected(tuple(found), pattern.first)
    return Selected(tuple(found), reached or None)


def _names(
    engine: "_engine.Index", wanted: PatternFilter, *, newest_first: bool
) -> tuple[tuple[str, ...], int]:
    first, changed = wanted.first, wanted.changed
    return engine.wanted(
        wanted.required,
        newest_first,
        first.after,
        first.before,
        changed.after,
        changed.before,
        wanted.least,
        wanted.most,
        NAMES,
        LOOKED_AT,
    )
