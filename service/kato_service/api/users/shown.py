"""Users as JSON."""

from datetime import datetime
from typing import Any

from kato_service.api.shapes.rendering import timestamp
from kato_service.users.directory import UserFacts
from kato_service.users.erasing import Erased
from kato_service.users.growth import Growth


def listed(facts: UserFacts) -> dict[str, Any]:
    """A user of a list."""
    return {
        "user_id": facts.user_id,
        "processor_id": facts.processor_id,
        "patterns": facts.patterns,
        "symbols": facts.symbols,
        "learns": facts.learns,
        "last_learned_at": _time(facts.learned_at),
        "revision": facts.revision,
        "as_of": _time(facts.as_of),
        "loaded_bytes": facts.loaded_bytes,
        "configured": facts.is_configured,
    }


def single(facts: UserFacts, *, now: float) -> dict[str, Any]:
    """A user who was asked for."""
    counted = {"vectors": facts.vectors, "sessions": facts.sessions}
    return {**listed(facts), "as_of": timestamp(now), **counted}


def erased(user_id: str | None, processor_id: str, done: Erased) -> dict[str, Any]:
    return {
        "status": "erased",
        "user_id": user_id,
        "processor_id": processor_id,
        "erased": {
            "sessions": done.sessions,
            "remembered_requests": done.remembered_requests,
            "patterns": done.patterns,
            "vectors": done.vectors,
            "documents": done.documents,
        },
        "used_again": not done.is_gone,
    }


def growth(found: Growth, *, now: float) -> dict[str, Any]:
    return {
        "revision": found.revision,
        "as_of": timestamp(now),
        "patterns": found.patterns,
        "oldest": _time(found.oldest),
        "earlier": found.earlier,
        "interval_seconds": found.interval_s,
        "intervals": [
            {
                "began_at": _time(one.began_at),
                "first_learned": one.first_learned,
                "changes": one.changes,
            }
            for one in found.intervals
        ],
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else timestamp(at.timestamp())
