"""Views and entries to fill knowledge bases with, and folds of them."""

from collections.abc import Callable
from uuid import uuid4

from kato_service.domain.deadline import Deadline
from kato_service.domain.pattern import Pattern, pattern_name
from kato_service.domain.statistics import Corrections
from kato_service.knowledge.fold.fold import Fold
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits
from kato_service.knowledge.model.entries import (
    Clear,
    Delete,
    Entry,
    Import,
    Learn,
    Statistics,
    Update,
)
from kato_service.knowledge.model.index import PatternIndex
from kato_service.knowledge.model.log import Head, KnowledgeLog
from kato_service.knowledge.model.pattern_views import PatternView
from kato_service.knowledge.replica.loading import FoldLoader
from kato_service.knowledge.replica.pending_entries import PendingEntries
from kato_service.knowledge.super_knowledge_base import SuperKnowledgeBase

NASTY = ("", ".", "$", "a.b", "$set", "ключ", "🙂", "a\x00b", "\n", "'", "k" * 300)


def soon() -> Deadline:
    return Deadline.after(20)


def token() -> str:
    return uuid4().hex


def learn(*events: str, **more: object) -> Learn:
    symbols = tuple(tuple(event) for event in events)
    defaults: dict[str, object] = {"emotives": None, "persistence": 5, "metadata": {}}
    return Learn(token(), pattern_name(symbols), symbols, **{**defaults, **more})  # type: ignore[arg-type]  # a test's shorthand


def view(event: str, revision: int, *, deleted: bool = False, **more: object) -> PatternView:
    events = ((event,),)
    pattern = Pattern(pattern_name(events), events, first=1, revision=revision, **more)  # type: ignore[arg-type]  # a test's shorthand
    return PatternView(pattern, deleted=deleted)


def in_order(*views: PatternView) -> tuple[PatternView, ...]:
    return tuple(sorted(views, key=lambda view: view.pattern.name))


async def stored(log: KnowledgeLog, kb: str = "kato") -> tuple[PatternView, ...]:
    return (await log.views.page(kb, "", limit=99)).views


async def added(kb: SuperKnowledgeBase, *entries: Entry) -> None:
    await kb.append(entries, since=0)


async def fold_of(
    log: KnowledgeLog,
    kb: str = "kato",
    *,
    limits: KnowledgeLimits = DEFAULT_LIMITS,
    new_index: Callable[[], PatternIndex] = PlainPatterns,
) -> Fold:
    """The fold that a newly started process loads."""
    return await FoldLoader(kb, log, new_index, limits).load(PendingEntries())


def replayed(*entries: Entry) -> Fold:
    fold = Fold(PlainPatterns())
    for revision, entry in enumerate(entries, start=1):
        fold.apply(revision, entry)
    return fold


def facts(fold: Fold) -> dict[str, object]:
    """The whole fold as values, the order of patterns included."""
    return {
        "patterns": list(fold.patterns.items()),
        "tombstones": fold.tombstones,
        "statistics": fold.statistics,
        "corrections": fold.corrections,
        "imports": fold.imports.parts,
        "revision": fold.revision,
        "cleared": fold.cleared,
        "token": fold.token,
    }


async def drop_what_views_show(log: KnowledgeLog, *entries: Entry) -> None:
    """Trim the log up to the entry of the checkpoint, so that the earlier ones cannot be used."""
    head = await log.head("kato")
    assert head is not None
    assert head.checkpoint > 1
    shown = enumerate(entries[: head.checkpoint - 1], start=1)
    await log.raise_head("kato", Head(head.incarnation, trimmed=head.checkpoint - 1))
    await log.delete("kato", {revision: entry.token for revision, entry in shown})


def lively() -> tuple[Entry, ...]:
    """Every kind of entry, and a pattern that was deleted and learned again."""
    a = learn("a", "x", emotives={"joy": 1.0}, metadata={"k": ("1",)})
    b, c = learn("b", "x"), learn("c", "y", "y")
    return (
        *(learn("old"), Clear(token(), source="new kato")),
        *(a, b, c, learn("b", "x", emotives={"joy": 0.5}, metadata={"k": ("1", "2")})),
        *(Delete(token(), a.name), Update(token(), c.name, frequency=7, emotives=({"x": 1.0},))),
        *(learn("a", "x", emotives={"joy": 2.0}), Delete(token(), b.name), learn("d")),
        Import(token(), "old kato", 0, c.name, c.events, 4, 3),
        Statistics(token(), "old kato", 1, Corrections({"x": (-1, 2), "z": (1, 1)}, 1, 2, 3)),
        Import(token(), "old kato", 1, c.name, c.events, 4, 3),
    )
