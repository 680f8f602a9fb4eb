"""A session as Redis stores it: a small head, and lists that grow by what was added to them.

The lists keep a save as small as its change: an STM of a thousand events is not sent again for one
more event (sessions.md §1).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import is_
from typing import Any, TypeVar

import orjson

from kato_service.domain.genes import known_to_all
from kato_service.domain.pattern import Metadata, Stm
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.stores.documents import UNDECODABLE, decoded, encoded
from kato_service.sessions.state import Intent, Remembered, SessionState

VERSION = 1
"""Version of the stored format, in every head."""
FLAG_BITS = 2
"""Flags of a remembered request."""
T = TypeVar("T")
_OPERATIONS = ("observe", "observe-sequence", "learn", "clear-stm", "clear-all")
_STATUSES = ("", "learned", "insufficient_data")
"""Both are stored as positions in these tuples: append to them, never reorder."""
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored fields of a session, in the order in which the scripts return them."""

    incarnation: bytes
    expires_ms: bytes
    ttl_s: bytes
    head: bytes
    percept: bytes
    intent_id: bytes
    intent: bytes
    stm: bytes
    """JSON of the items without brackets, joined by commas; so are the next two."""
    emotives: bytes
    remembered: bytes
    later: bytes
    """b'1' for a session made on ``/sessions``; written by create alone, so that a replica of an
    earlier version keeps it."""


@dataclass(frozen=True, slots=True)
class ListChange:
    """What turns a stored list into the new one."""

    drop: int
    """Items to remove from its front; -1: all."""
    added: tuple[bytes, ...]
    """Items to append, encoded."""


def head(state: SessionState) -> bytes:
    """The state without the lists, the percept, and what only create and extend write."""
    genes = known_to_all(state.overrides)
    facts = {
        "v": VERSION,
        "user": state.user_id,
        "kb": state.processor_id,
        "created": state.created_at,
        "accessed": state.last_accessed_at,
        "count": state.access_count,
        "metadata": dict(state.metadata),
        "genes": genes,
        # Apart, where earlier versions overlook them.
        "other_genes": {
            name: value for name, value in state.overrides.items() if name not in genes
        },
        "configured": dict(state.configured),
        "time": state.time,
        "seq": state.stm_seq,
        "emotives": dict(state.learned_emotives),
        "pending": dict(state.pending_metadata),
        "symbols": state.symbols,
    }
    # Most sessions are idle: empty fields must take no room.
    return orjson.dumps({name: fact for name, fact in facts.items() if fact})


def percept(state: SessionState) -> bytes:
    """The last observation; never empty, because the scripts read '' as unchanged."""
    return orjson.dumps(dict(state.percept))


def list_changes(before: SessionState | None, after: SessionState) -> tuple[ListChange, ...]:
    """The changes of STM, pending emotives and remembered requests, in this order.

    Args:
        before: The state whose lists are stored; None: unknown, so the lists are replaced.
    """
    known = None if before is None else _lists(before)
    encoders = (orjson.dumps, _map, _request)
    return tuple(
        _list_change(None if known is None else known[i], items, encoders[i])
        for i, items in enumerate(_lists(after))
    )


def session(session_id: str, stored: Stored) -> SessionState:
    """The session in *stored*, without the change of a pending intent.

    Raises:
        StoreUnavailableError: This version cannot read it.
    """
    try:
        return _session(session_id, stored)
    except UNDECODABLE as exc:
        raise _unreadable() from exc


def intent_of(session_id: str, stored: Stored) -> Intent | None:
    """The pending intent in *stored*, if there is one; raises what `session` raises."""
    if not stored.intent_id:
        return None
    try:
        return _intent(session_id, stored)
    except UNDECODABLE as exc:
        raise _unreadable() from exc


def intent(value: Intent) -> bytes:
    """The encoded intent: its entries with their tokens, and the session it leads to."""
    stm, emotives, remembered = (
        b",".join(change.added).decode() for change in list_changes(None, value.state)
    )
    kb = value.state.processor_id
    return orjson.dumps(
        {
            "entries": [encoded(kb, 0, entry, _EPOCH) for entry in value.entries],
            "since": value.since,
            "created": value.created_at,
            "head": head(value.state).decode(),
            "percept": percept(value.state).decode(),
            "stm": stm,
            "emotives": emotives,
            "remembered": remembered,
        }
    )


def shown(session_id: str, stored: Stored) -> SessionState:
    """The session as reads see it: with the change of a pending intent; raises like `session`."""
    waiting = intent_of(session_id, stored)
    state = session(session_id, stored) if waiting is None else waiting.state
    return replace(state, session_id=session_id)


def _unreadable() -> StoreUnavailableError:
    return StoreUnavailableError(
        "what redis holds of this session cannot be read by this version; delete its keys, or run"
        " the version that wrote them"
    )


def _session(session_id: str, stored: Stored) -> SessionState:
    known = orjson.loads(stored.head)
    return SessionState(
        session_id=session_id,
        incarnation=stored.incarnation.decode(),
        user_id=known.get("user"),
        processor_id=known["kb"],
        created_at=known["created"],
        ttl_s=int(stored.ttl_s) if stored.ttl_s else None,
        expires_at=int(stored.expires_ms) / 1000 if stored.expires_ms else None,
        last_accessed_at=known["accessed"],
        later=bool(stored.later),
        access_count=known.get("count", 0),
        metadata=known.get("metadata", {}),
        overrides={**known.get("genes", {}), **known.get("other_genes", {})},
        configured=known.get("configured", {}),
        time=known.get("time", 0),
        stm=_stm(_items(stored.stm)),
        stm_seq=known.get("seq", 0),
        pending_emotives=tuple(_items(stored.emotives)),
        learned_emotives=known.get("emotives", {}),
        pending_metadata=_metadata(known.get("pending", {})),
        percept=orjson.loads(stored.percept) if stored.percept else {},
        symbols=tuple(known.get("symbols", ())),
        remembered=tuple(map(_remembered, _items(stored.remembered))),
    )


def _intent(session_id: str, stored: Stored) -> Intent:
    known = orjson.loads(stored.intent)
    after = Stored(
        stored.incarnation,
        stored.expires_ms,
        stored.ttl_s,
        head=known["head"].encode(),
        percept=known["percept"].encode(),
        intent_id=b"",
        intent=b"",
        later=stored.later,
        **{name: known[name].encode() for name in ("stm", "emotives", "remembered")},
    )
    return Intent(
        intent_id=stored.intent_id.decode(),
        entries=tuple(map(decoded, known["entries"])),
        since=known["since"],
        state=_session(session_id, after),
        created_at=known["created"],
    )


def _lists(state: SessionState) -> tuple[Sequence[Any], ...]:
    return state.stm, state.pending_emotives, state.remembered


def _list_change(
    before: Sequence[T] | None, after: Sequence[T], encode: Callable[[T], bytes]
) -> ListChange:
    drop = None if before is None else _shift(before, after)
    if before is None or drop is None:
        return ListChange(-1, tuple(map(encode, after)))
    return ListChange(drop, tuple(map(encode, after[len(before) - drop :])))


def _shift(before: Sequence[T], after: Sequence[T]) -> int | None:
    """How many items were dropped from the front of *before*, if *after* begins with the others.

    None if it does not. Items are compared by identity: every change of a session passes unchanged
    ones on as they are, and comparing a thousand events by value would cost more than the save.
    """
    if not before:
        return 0
    if not after:
        return None
    for drop, item in enumerate(before):
        if item is after[0]:
            kept = len(before) - drop
            same = kept <= len(after) and all(map(is_, before[drop:], after))
            return drop if same else None
    return None


def _map(value: Mapping[str, float]) -> bytes:
    return orjson.dumps(dict(value))


def _request(value: Remembered) -> bytes:
    """A row of at most 128 bytes, as a session may hold 256 of them.

    The content is above the flags in one number, where versions that do not note it overlook it.
    """
    numbers = (value.time, value.stm_length, _STATUSES.index(value.status))
    flags = value.stm_truncated + 2 * value.partial + (value.content << FLAG_BITS)
    learned = (value.pattern_name, value.frequency, value.count, flags)
    return orjson.dumps((value.key, _OPERATIONS.index(value.operation), *numbers, *learned))


def _remembered(row: Sequence[Any]) -> Remembered:
    key, operation, time, stm_length, status, pattern_name, frequency, count, flags = row
    return Remembered(
        key=key,
        operation=_OPERATIONS[operation],
        time=time,
        stm_length=stm_length,
        status=_STATUSES[status],
        pattern_name=pattern_name,
        frequency=frequency,
        count=count,
        stm_truncated=bool(flags & 1),
        partial=bool(flags & 2),
        content=flags >> FLAG_BITS,
    )


def _items(joined: bytes) -> list[Any]:
    items: list[Any] = orjson.loads(b"[" + joined + b"]")
    return items


def _stm(events: Iterable[list[str]]) -> Stm:
    return tuple(map(tuple, events))


def _metadata(texts: Mapping[str, list[str]]) -> Metadata:
    return {key: tuple(values) for key, values in texts.items()}
