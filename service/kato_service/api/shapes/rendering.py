"""Domain values as the JSON of http-api.md; only this module adds and strips ``PTRN|``."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from kato_service import json_text
from kato_service.api.shapes import other_genes
from kato_service.api.shapes.dialect import LATER, Dialect
from kato_service.domain.answers.explanation import Explanation
from kato_service.domain.genes import Genes, GeneValue
from kato_service.domain.pattern import Pattern
from kato_service.domain.prediction import (
    FuturePotential,
    LaterMetrics,
    Prediction,
    WeightedMetrics,
)
from kato_service.portable.lines import fields_of
from kato_service.processing.memory_manager import current_emotives
from kato_service.processing.results import (
    ClearResult,
    LearnResult,
    ObservationResult,
    SequenceResult,
)
from kato_service.sessions.state import SessionState

_PREFIX = "PTRN|"
_SHOWN_ID_CHARS = 8
"""Characters of a session id that a list shows to callers without an API key."""
PREDICTION_FIELDS = tuple(
    field.name
    for field in fields(Prediction)
    if field.name not in ("blocks", "metadata", "later", "weighted", "explanation")
)
LATER_FIELDS = tuple(field.name for field in fields(LaterMetrics))
WEIGHTED_FIELDS = tuple(field.name for field in fields(WeightedMetrics))
_LEARN_MESSAGES = {
    "learned": "pattern learned",
    "insufficient_data": "nothing learned: a pattern needs at least two symbols",
}


def response(content: Mapping[str, Any]) -> Response:
    return Response(json_text.text(content), media_type="application/json")


def uncompressed(answer: Response) -> Response:
    """*answer*, never to be compressed, here or by a proxy (decision 0067)."""
    answer.headers["Cache-Control"] = "no-store, no-transform"
    return answer


async def long_response(content: Mapping[str, Any]) -> Response:
    """The same for what may be long."""
    return Response(await json_text.long_text(content), media_type="application/json")


def spelled(name: str) -> str:
    """``PTRN|<digest>`` for a bare digest; '' stays ''."""
    return _PREFIX + name if name else ""


def bare(name: str) -> str:
    """The bare digest of either spelling."""
    return name.removeprefix(_PREFIX)


def timestamp(at: float) -> str:
    """RFC 3339 in UTC, with Z, in milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def session_id(state: SessionState) -> str | None:
    """The id of the session; None for a default session that does not exist."""
    return state.session_id or None


def masked(session_id: str) -> str:
    return session_id[:_SHOWN_ID_CHARS] + "…"


def session(state: SessionState, genes: Genes, dialect: Dialect, *, now: float) -> dict[str, Any]:
    """A session; *now*: seconds since the epoch, for what it has left."""
    content = _session(state, genes, dialect)
    return content | _for_later_clients(state, content, now) if dialect is LATER else content


def _session(state: SessionState, genes: Genes, dialect: Dialect) -> dict[str, Any]:
    return {
        "session_id": state.session_id,
        "user_id": state.user_id,
        "processor_id": state.processor_id,
        "created_at": timestamp(state.created_at),
        "last_accessed": timestamp(state.last_accessed_at),
        "expires_at": None if state.expires_at is None else timestamp(state.expires_at),
        "ttl_seconds": state.ttl_s,
        "access_count": state.access_count,
        "stm_length": len(state.stm),
        "time": state.time,
        "metadata": dict(state.metadata),
    } | config(genes, state.chosen, dialect)


def _for_later_clients(
    state: SessionState, content: Mapping[str, Any], now: float
) -> dict[str, Any]:
    """The fields of a session that ``/sessions`` adds, or has with another meaning."""
    left = None
    if state.ttl_s is not None and state.expires_at is not None:
        # Rounded up, so that a session that was just extended shows its whole lifetime; bounded,
        # because the clock that set the expiry may be another.
        left = min(max(math.ceil(state.expires_at - now), 0), state.ttl_s)
    return {
        "node_id": state.user_id,
        "processor_id": state.user_id or state.processor_id,
        "ttl_seconds": left,
        "session_config": content["config"],
        "expired": False,
    }


def observed(result: ObservationResult, ok: str) -> dict[str, Any]:
    content = {
        "status": ok,
        "session_id": result.session_id,
        "processor_id": result.processor_id,
        "stm_length": result.stm_length,
        "time": result.time,
        "unique_id": result.unique_id,
        "auto_learned_pattern": spelled(result.auto_learned_pattern or "") or None,
        "symbols": result.symbols,
        "stm_truncated": result.stm_truncated,
    }
    return content | repeated(result)


def items(result: SequenceResult, ids: Sequence[str | None], ok: str) -> Iterator[dict[str, Any]]:
    """The answers of the items that this request applied, each with the id that it was sent with.

    After an interruption these are the last ones. The id of an item is only echoed: a sequence is
    repeated as a whole, by its own.

    Args:
        ids: Those of all items of the request; None: the item was sent without.
    """
    for item, given in zip(result.results, ids[len(ids) - len(result.results) :], strict=True):
        yield observed(item, ok) | ({"unique_id": given} if given else {})


async def sequence(result: SequenceResult, ids: Sequence[str | None], ok: str) -> dict[str, Any]:
    content = {
        "status": ok,
        "session_id": result.session_id,
        "processor_id": result.processor_id,
        "observations_processed": result.observations_processed,
        "results": await json_text.array(items(result, ids, ok)),
        "auto_learned_patterns": [spelled(name) for name in result.auto_learned_patterns],
        "final_learned_pattern": spelled(result.final_learned_pattern),
        "stm_length": result.stm_length,
        "time": result.time,
        "unique_id": result.unique_id,
    }
    return content | repeated(result)


def learned(result: LearnResult) -> dict[str, Any]:
    content = {
        "status": result.status,
        "pattern_name": spelled(result.pattern_name),
        "session_id": result.session_id,
        "processor_id": result.processor_id,
        "frequency": result.frequency,
        "message": _LEARN_MESSAGES[result.status],
        "unique_id": result.unique_id,
    }
    return content | repeated(result)


def cleared(result: ClearResult, *, everything: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"status": "cleared", "session_id": result.session_id}
    if everything:
        content["scope"] = "all"
    return content | {"unique_id": result.unique_id} | repeated(result)


def prediction(value: Prediction) -> dict[str, Any]:
    """The keys of processor.md §7 in their order, those of later-clients.md L0 if they were asked
    for, then those that the API adds."""
    content: dict[str, Any] = {"type": "prototypical"}
    for name in PREDICTION_FIELDS:
        content[name] = getattr(value, name)
    if value.later is not None:
        for name in LATER_FIELDS:
            content[name] = getattr(value.later, name)
        content["anomalies"] = [asdict(anomaly) for anomaly in value.later.anomalies]
        for name in WEIGHTED_FIELDS:
            content[name] = None if value.weighted is None else getattr(value.weighted, name)
    content["emotives"] = dict(value.emotives)
    content["pattern_name"] = spelled(value.name)
    if value.metadata:
        content["metadata"] = json_text.embedded_lists(value.metadata)
    return content


def explanation(value: Prediction, how: Explanation) -> dict[str, Any]:
    """How a prediction came about; the three terms add up to its potential, rounded."""
    return {
        "blocks": how.located,
        "factors": {
            "evidence": how.evidence,
            "confidence": how.confidence,
            "snr": how.snr,
        },
        "terms": {
            "match": (how.evidence + how.confidence) * how.snr,
            "itfdf_similarity": value.itfdf_similarity,
            "fragmentation": 1.0 / len(how.blocks) if how.blocks else 0.0,
        },
        "potential": value.potential,
    }


def future_potential(value: FuturePotential) -> dict[str, Any]:
    return {
        "future": value.future,
        "aggregate_potential": value.aggregate_potential,
        "supporting_patterns": value.supporting_patterns,
        "total_weighted_frequency": value.total_weighted_frequency,
    }


def pattern(value: Pattern) -> dict[str, Any]:
    return {
        "name": spelled(value.name),
        "pattern_data": value.events,
        "length": value.symbol_count,
        "frequency": value.frequency,
        "emotives": [dict(emotives) for emotives in value.emotives],
        "metadata": json_text.embedded_lists(value.metadata),
    }


def deleted(name: str, value: Pattern | None) -> dict[str, Any]:
    """A deleted pattern; *value*: as it was, if that is known."""
    line = None if value is None else json_text.text(fields_of(value)).decode()
    return {"status": "deleted", "name": spelled(name), "undo": line}


def percept(state: SessionState) -> dict[str, Any]:
    """The last observation of the session, as it was sent."""
    last = state.percept
    metadata = last.get("metadata", {})
    return {
        "strings": last.get("strings", ()),
        "vectors": last.get("vectors", ()),
        "emotives": dict(last.get("emotives", {})),
        "metadata": {key: json_text.embedded(value) for key, value in metadata.items()},
    }


async def cognition(
    state: SessionState, predictions: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "predictions": await json_text.array(predictions),
        "emotives": current_emotives(state),
        "symbols": state.symbols,
        "stm": state.stm,
        "metadata": json_text.embedded_lists(state.pending_metadata),
    }


def repeated(
    result: ObservationResult | SequenceResult | LearnResult | ClearResult,
) -> dict[str, bool]:
    """The field that tells the answer to a repeat from the first one."""
    return {"repeated": True} if result.repeated else {}


def config(genes: Genes, overrides: Mapping[str, GeneValue], dialect: Dialect) -> dict[str, Any]:
    """The genes in effect; for later clients, those that have none as well."""
    others = other_genes.shown(overrides) if dialect.every_gene else {}
    return {"config": others | asdict(genes)}


def ignored(names: Sequence[str]) -> dict[str, Any]:
    """The field that lists the genes of a request without effect, if it has any."""
    return {"ignored": names} if names else {}
