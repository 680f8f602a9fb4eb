"""What a knowledge base knows of its symbols, as later versions answer it (http-api.md §3)."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from kato_service import json_text
from kato_service.access.scopes import Scope
from kato_service.api.intake.calls import Call
from kato_service.api.intake.operations import Operation
from kato_service.api.session_address import shown
from kato_service.api.shapes import later_rendering as rendered
from kato_service.api.shapes import rendering
from kato_service.api.shapes import symbol_responses as symbols
from kato_service.errors import MatchingBudgetError, SessionNotFoundError
from kato_service.search.matching import SymbolRow
from kato_service.sessions.state import SessionState

Cursor = Annotated[
    str | None, Field(description="The `next_cursor` of the answer before: where to continue.")
]


async def list_affinities(call: Call, cursor: Cursor = None) -> Response:
    state = await shown(call)
    page = await call.service.processor.symbols.affinities(
        state.processor_id, after=cursor, deadline=call.deadline
    )
    more = _continued(list(page.affinities)[-1]) if page.more else {}
    return await _listed(state, "affinities", page.affinities.items(), more)


async def get_affinity(call: Call, symbol: str) -> Response:
    state = await shown(call)
    affinity = await call.service.processor.symbols.affinity(
        state.processor_id, symbol, deadline=call.deadline
    )
    return rendering.response({"symbol": symbol, "affinity": affinity} | _node(state))


async def list_symbols(call: Call, cursor: Cursor = None) -> Response:
    state = await shown(call)
    page = await call.service.processor.symbols.counts(
        state.processor_id, after=cursor, deadline=call.deadline
    )
    more = _continued(page.rows[-1].symbol) if page.more else {}
    return await _listed(state, "symbols", _counts(page.rows), more)


_ERRORS = (SessionNotFoundError, MatchingBudgetError)
OPERATIONS = (
    Operation(
        ("GET",), "/symbols/affinity", list_affinities, "Get the affinities of all symbols",
        symbols.Affinities, _ERRORS, scope=Scope.READ,
    ),
    Operation(
        ("GET",), "/symbols/stats", list_symbols, "Get the counts of all symbols",
        symbols.SymbolStats, _ERRORS, scope=Scope.READ,
    ),
    Operation(
        ("GET",), "/symbols/{symbol:path}/affinity", get_affinity, "Get the affinity of a symbol",
        symbols.Affinity, _ERRORS, scope=Scope.READ,
    ),
)  # fmt: skip


def _counts(rows: Iterable[SymbolRow]) -> Iterator[tuple[str, dict[str, Any]]]:
    for symbol, occurrences, holders in rows:
        counts = {"frequency": occurrences, "pattern_member_frequency": holders}
        yield symbol, {"name": symbol} | counts


async def _listed(
    state: SessionState, field: str, members: Iterable[tuple[str, Any]], more: dict[str, Any]
) -> Response:
    """An answer with one map in *field*, which may be large."""
    found = await asyncio.to_thread(json_text.members, members)
    return await rendering.long_response({field: found} | _node(state) | more)


def _node(state: SessionState) -> dict[str, Any]:
    return {"node_id": rendered.processor(state)}


def _continued(last: str) -> dict[str, Any]:
    """The field of an answer that does not list all symbols."""
    return {"next_cursor": last}
