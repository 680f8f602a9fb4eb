"""Log entries as documents, the same for every backend (knowledge.md §1).

Names that users choose are values, never field names, and there is no array inside an array, so
that any server that speaks MongoDB's protocol can store them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, assert_never

from kato_service.domain.pattern import NO_AFFINITY, Emotives, Event, Metadata
from kato_service.domain.statistics import Corrections
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.model.entries import (
    Clear,
    Delete,
    Entry,
    Import,
    Learn,
    Statistics,
    Update,
)
from kato_service.knowledge.model.log import Figures, Head, Tail

Document = dict[str, Any]
UNDECODABLE = (AttributeError, KeyError, RuntimeError, TypeError, ValueError)
"""What decoding raises for a document that this version would not have written."""
LEARNING = ("learn", "import")
"""Kinds of entries that learn."""
_HEAD = ":head"
_LEASE = ":views"


def document_id(kb: str, revision: int) -> str:
    return f"{kb}:{revision:012}"


def head_id(kb: str) -> str:
    """Sorts after every revision, so one read in order of ``_id`` ends with the head."""
    return kb + _HEAD


def lease_id(kb: str) -> str:
    """Sorts after the head, so no read of entries meets it."""
    return kb + _LEASE


def kb_of(identifier: str) -> str:
    """The knowledge base that a document of the log belongs to."""
    return identifier.rpartition(":")[0]


def after_kb(kb: str) -> str:
    """Sorts after all documents of *kb*, and before those of other knowledge bases after it."""
    return f"{kb};"


def bounds_of_users(instance: str) -> tuple[str, str]:
    """What sorts before and after all documents of the knowledge bases of the instance's users."""
    return f"{instance}~", f"{instance}~g"


def revision_of(identifier: str) -> int:
    return int(identifier.rpartition(":")[2])


def unreadable(what: str) -> StoreUnavailableError:
    """The error for *what* could not be decoded, whether one document or what holds it."""
    return StoreUnavailableError(
        f"{what} cannot be read: restore a backup of the knowledge, or run the version that wrote"
        " it"
    )


def old_run(after: int, documents: Iterable[Mapping[str, Any]], until: datetime) -> int:
    """The last revision of the unbroken run after *after* that went in at *until* or earlier."""
    last = after
    for document in documents:
        at = document["at"]
        went_in = moment(at)
        if revision_of(document["_id"]) != last + 1 or went_in > until:
            break
        last += 1
    return last


def moment(stored: Any) -> datetime:
    """A time as a store returns it: text in SQLite, perhaps without its zone in MongoDB."""
    if isinstance(stored, str):
        return datetime.fromisoformat(stored)
    found: datetime = stored.replace(tzinfo=UTC)
    return found


def encoded(kb: str, revision: int, entry: Entry, at: datetime) -> Document:
    if isinstance(entry, Learn):
        return _encoded_learn(kb, revision, entry, at)
    kind = type(entry).__name__.lower()
    opening = {"_id": document_id(kb, revision), "kind": kind, "token": entry.token, "at": at}
    return {**opening, **_content(entry)}


def _encoded_learn(kb: str, revision: int, entry: Learn, at: datetime) -> Document:
    """In one step: by far the most entries are learns."""
    return {
        "_id": document_id(kb, revision),
        "kind": "learn",
        "token": entry.token,
        "at": at,
        "name": entry.name,
        "symbols": list(chain.from_iterable(entry.events)),
        "sizes": list(map(len, entry.events)),
        "emotives": None if entry.emotives is None else encoded_emotives(entry.emotives),
        "persistence": entry.persistence,
        "metadata": encoded_metadata(entry.metadata) if entry.metadata else [],
    }


def decoded(document: Mapping[str, Any]) -> Entry:
    """The entry in a document.

    Raises:
        KeyError: This version does not know the kind, or a field is missing.
    """
    return _DECODERS[document["kind"]](document)


def encoded_head(kb: str, head: Head) -> Document:
    return {
        "_id": head_id(kb),
        "incarnation": head.incarnation,
        "checkpoint": head.checkpoint,
        "cleared": head.cleared,
        "trimmed": head.trimmed,
        **({"erased": head.erased} if head.erased else {}),
        **({"user": head.user} if head.user is not None else {}),
        **({"figures": encoded_figures(head.figures)} if head.figures else {}),
    }


def encoded_figures(figures: Figures) -> Document:
    return {
        "revision": figures.revision,
        "at": figures.at,
        "patterns": figures.patterns,
        "symbols": figures.symbols,
        "learns": figures.learns,
        "learned_at": figures.learned_at,
    }


def decoded_head(document: Mapping[str, Any]) -> Head:
    """The head in a document.

    Raises:
        StoreUnavailableError: It cannot be decoded.
    """
    try:
        return Head(
            incarnation=document["incarnation"],
            checkpoint=document["checkpoint"],
            cleared=document["cleared"],
            trimmed=document["trimmed"],
            erased=document.get("erased", 0),
            user=document.get("user"),
            figures=_decoded_figures(document.get("figures")),
        )
    except KeyError as exc:
        raise unreadable("the head of the log") from exc


def _decoded_figures(document: Mapping[str, Any] | None) -> Figures | None:
    if document is None:
        return None
    learned_at = document["learned_at"]
    return Figures(
        revision=document["revision"],
        at=moment(document["at"]),
        patterns=document["patterns"],
        symbols=document["symbols"],
        learns=document["learns"],
        learned_at=None if learned_at is None else moment(learned_at),
    )


def tail_of(documents: Sequence[Mapping[str, Any]], head: Mapping[str, Any] | None) -> Tail:
    """The tail that a read in order of ``_id`` found.

    Args:
        documents: Entries, then the head, unless the read reached its limit before it.
        head: The head, read afterwards, if the read reached its limit.

    Raises:
        StoreUnavailableError: One of them cannot be decoded.
    """
    more = head is not None
    if documents and documents[-1]["_id"].endswith(_HEAD):
        head = documents[-1]
        documents = documents[:-1]
    if head is None:
        return Tail((), None, more=False)
    known = decoded_head(head)
    return Tail(tuple(_entries(documents, known.trimmed)), known, more=more)


def _entries(documents: Iterable[Mapping[str, Any]], trimmed: int) -> Iterator[tuple[int, Entry]]:
    for document in documents:
        revision = revision_of(document["_id"])
        if revision <= trimmed:
            continue
        try:
            yield revision, decoded(document)
        except UNDECODABLE as exc:
            raise unreadable(f"entry {revision} of the log") from exc


def decoded_events(symbols: list[str], sizes: list[int]) -> tuple[Event, ...]:
    """*symbols* cut into events of these *sizes*.

    Raises:
        ValueError: The sizes do not add up to the number of symbols.
    """
    if sum(sizes) != len(symbols):
        raise ValueError(f"{len(symbols)} symbols in events of {sum(sizes)}")
    remaining = iter(symbols)
    return tuple(tuple(islice(remaining, size)) for size in sizes)


def encoded_emotives(emotives: Emotives) -> Document:
    return {"m": _encoded_sums(emotives)}


def decoded_emotives(document: Mapping[str, Any]) -> Emotives:
    return _decoded_sums(document["m"])


def encoded_affinity(affinity: Emotives) -> Document:
    """The field of an affinity; none for an empty one, which most patterns have."""
    return {"affinity": _encoded_sums(affinity)} if affinity else {}


def decoded_affinity(document: Mapping[str, Any]) -> Emotives:
    """The affinity in *document*; empty in one of a version that had none."""
    pairs = document.get("affinity")
    return _decoded_sums(pairs) if pairs else NO_AFFINITY


def _encoded_sums(emotives: Emotives) -> list[Document]:
    return [{"k": name, "v": float(value)} for name, value in emotives.items()]


def _decoded_sums(pairs: Iterable[Mapping[str, Any]]) -> Emotives:
    return {pair["k"]: pair["v"] for pair in pairs}


def encoded_metadata(metadata: Metadata) -> list[Document]:
    return [{"k": key, "v": list(texts)} for key, texts in metadata.items()]


def decoded_metadata(pairs: list[Mapping[str, Any]]) -> Metadata:
    return {pair["k"]: tuple(pair["v"]) for pair in pairs}


def encoded_corrections(corrections: Corrections) -> Document:
    """Corrections as fields of a `statistics` entry, or of the view that holds their sums."""
    return {
        "corrections": [
            {"k": symbol, "patterns": patterns, "occurrences": occurrences}
            for symbol, (patterns, occurrences) in corrections.symbols.items()
        ],
        "learns": corrections.total_learns,
        "symbols": corrections.total_symbols,
        "distinct_symbols": corrections.total_distinct_symbols,
    }


def decoded_corrections(document: Mapping[str, Any]) -> Corrections:
    rows = document["corrections"]
    return Corrections(
        symbols={row["k"]: (row["patterns"], row["occurrences"]) for row in rows},
        total_learns=document["learns"],
        total_symbols=document["symbols"],
        total_distinct_symbols=document["distinct_symbols"],
    )


def _content(entry: Update | Delete | Clear | Import | Statistics) -> Document:
    match entry:
        case Update():
            return {"name": entry.name, **_changes(entry)}
        case Delete():
            return {"name": entry.name}
        case Clear():
            source = {} if entry.source is None else {"source": entry.source}
            return {**({"erases": True} if entry.erases else {}), **source}
        case Import():
            return {
                "source": entry.source,
                "part": entry.part,
                "name": entry.name,
                "symbols": list(chain.from_iterable(entry.events)),
                "sizes": [len(event) for event in entry.events],
                "frequency": entry.frequency,
                "learns": entry.learns,
                "emotives": [encoded_emotives(emotives) for emotives in entry.emotives],
                "metadata": encoded_metadata(entry.metadata),
                **encoded_affinity(entry.affinity),
            }
        case Statistics():
            return {
                "source": entry.source,
                "part": entry.part,
                **encoded_corrections(entry.corrections),
            }
        case _:
            assert_never(entry)


def _changes(entry: Update) -> Document:
    changes: Document = {}
    if entry.frequency is not None:
        changes["frequency"] = entry.frequency
    if entry.emotives is not None:
        changes["emotives"] = [encoded_emotives(emotives) for emotives in entry.emotives]
    return changes


def _decode_learn(document: Mapping[str, Any]) -> Learn:
    emotives = document["emotives"]
    return Learn(
        token=document["token"],
        name=document["name"],
        events=decoded_events(document["symbols"], document["sizes"]),
        emotives=None if emotives is None else decoded_emotives(emotives),
        persistence=document["persistence"],
        metadata=decoded_metadata(document["metadata"]),
    )


def _decode_update(document: Mapping[str, Any]) -> Update:
    emotives = document.get("emotives")
    return Update(
        token=document["token"],
        name=document["name"],
        frequency=document.get("frequency"),
        emotives=None if emotives is None else tuple(map(decoded_emotives, emotives)),
    )


def _decode_delete(document: Mapping[str, Any]) -> Delete:
    return Delete(token=document["token"], name=document["name"])


def _decode_clear(document: Mapping[str, Any]) -> Clear:
    return Clear(
        token=document["token"],
        erases=document.get("erases", False),
        source=document.get("source"),
    )


def _decode_import(document: Mapping[str, Any]) -> Import:
    return Import(
        token=document["token"],
        source=document["source"],
        part=document["part"],
        name=document["name"],
        events=decoded_events(document["symbols"], document["sizes"]),
        frequency=document["frequency"],
        learns=document["learns"],
        emotives=tuple(map(decoded_emotives, document["emotives"])),
        metadata=decoded_metadata(document["metadata"]),
        affinity=decoded_affinity(document),
    )


def _decode_statistics(document: Mapping[str, Any]) -> Statistics:
    return Statistics(
        token=document["token"],
        source=document["source"],
        part=document["part"],
        corrections=decoded_corrections(document),
    )


_DECODERS: dict[str, Callable[[Mapping[str, Any]], Entry]] = {
    "learn": _decode_learn,
    "update": _decode_update,
    "delete": _decode_delete,
    "clear": _decode_clear,
    "import": _decode_import,
    "statistics": _decode_statistics,
}
