"""Domain values as the JSON of ``/sessions``: the fields that clients of later versions expect."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from kato_service import json_text
from kato_service.api.shapes import rendering
from kato_service.api.shapes.dialect import LATER
from kato_service.domain.genes import Genes
from kato_service.domain.pattern import flatten
from kato_service.processing.results import LearnResult, ObservationResult, SequenceResult
from kato_service.sessions.state import SessionState

_CONFIGURED = "session configuration updated"
REACHED = "the request reached the operations on sessions"
FINALIZED = "nothing to do: predictions always use the statistics of all patterns"


def processor(state: SessionState) -> str:
    """What these clients call a processor: the user, if the session has one."""
    return state.user_id or state.processor_id


def of_node(state: SessionState) -> dict[str, Any]:
    """The fields by which an answer names its session."""
    return {"session_id": state.session_id, "node_id": state.user_id}


def config(state: SessionState, genes: Genes) -> dict[str, Any]:
    shown = rendering.config(genes, state.chosen, LATER)
    return {"session_id": state.session_id} | shown


def configured(state: SessionState, genes: Genes) -> dict[str, Any]:
    return {"status": LATER.ok, "message": _CONFIGURED} | config(state, genes)


def observed(state: SessionState, result: ObservationResult) -> dict[str, Any]:
    return rendering.observed(result, LATER.ok) | {"processor_id": processor(state)}


async def sequence(
    before: SessionState, result: SequenceResult, ids: Sequence[str | None], *, isolated: bool
) -> dict[str, Any]:
    """The answer to a sequence.

    Args:
        before: The session before the observations that this request applied.
        ids: The ids of all items of the request; None: the item was sent without.
        isolated: Whether the short-term memory was emptied between them.
    """
    whole = len(result.results) == result.observations_processed
    learned = (*result.auto_learned_patterns, result.final_learned_pattern)
    content = {
        "status": "completed",
        "session_id": result.session_id,
        "processor_id": processor(before),
        "observations_processed": result.observations_processed,
        "initial_stm_length": len(before.stm) if whole and not result.repeated else None,
        "final_stm_length": result.stm_length,
        "results": await json_text.array(_items(before, result, ids)),
        "auto_learned_patterns": [rendering.spelled(name) for name in learned if name],
        "final_learned_pattern": rendering.spelled(result.final_learned_pattern) or None,
        "isolated": isolated,
        "stm_length": result.stm_length,
        "time": result.time,
        "unique_id": result.unique_id,
    }
    return content | rendering.repeated(result)


def _items(
    state: SessionState, result: SequenceResult, ids: Sequence[str | None]
) -> Iterator[dict[str, Any]]:
    """The answers of the items that this request applied; after an interruption the last ones."""
    first = len(ids) - len(result.results)
    for position, item in enumerate(result.results, first):
        yield observed(state, item) | {
            "sequence_position": position,
            "unique_id": ids[position] or uuid4().hex,
        }


def learned(before: SessionState, result: LearnResult) -> dict[str, Any]:
    """The answer to a learn; *before*: the session as the learn found it."""
    content = rendering.learned(result) | {"processor_id": processor(before)}
    if result.pattern_name and not result.repeated:
        events = len(before.stm)
        noun = "event" if events == 1 else "events"
        content["message"] = f"learned {content['pattern_name']} from {events} {noun}"
    return content


def percept(state: SessionState, genes: Genes) -> dict[str, Any]:
    """The last observation of the session."""
    content = rendering.percept(state)
    strings = content["strings"]
    content["strings"] = sorted(strings) if genes.sort_symbols else strings
    return content | {"path": ()}


async def cognition(
    state: SessionState, predictions: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    last = state.percept
    return await rendering.cognition(state, predictions) | {
        "emotives": dict(state.pending_emotives[-1]) if state.pending_emotives else {},
        "symbols": flatten(state.stm),
        "command": "",
        "path": (),
        "strings": last.get("strings", ()),
        "vectors": last.get("vectors", ()),
        "short_term_memory": state.stm,
        "time": state.time,
    }


def finalized(state: SessionState, *, patterns: int, time_ms: float) -> dict[str, Any]:
    content = {"status": "completed", "patterns_processed": patterns, "time_ms": time_ms}
    return content | of_node(state) | {"message": FINALIZED}
