"""Operations on sessions: create, list, get, extend, delete (http-api.md §2)."""

import time
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from pydantic import Field
from starlette.responses import Response

from kato_service import json_text
from kato_service.access.scopes import Scope
from kato_service.api.intake.calls import Call
from kato_service.api.intake.operations import Operation
from kato_service.api.intake.queries import AsDigits
from kato_service.api.shapes import rendering, responses
from kato_service.api.shapes.body import UserId
from kato_service.api.shapes.dialect import CURRENT
from kato_service.api.shapes.requests import MAX_TTL_S, ExtendBody, SessionBody, SessionEditBody
from kato_service.errors import (
    InvalidInputError,
    LimitExceededError,
    SessionLimitExceededError,
    SessionNotFoundError,
)
from kato_service.findings import REQUIRED, Finding
from kato_service.sessions.state import Change, SessionState
from kato_service.sessions.store import Listed

N = TypeVar("N", int, float, str)
Limit = Annotated[int, Field(ge=1, le=1000, description="Items on a page."), AsDigits]
Cursor = Annotated[
    str | None, Field(max_length=1024, description="`next_cursor` of the previous page.")
]


async def create_session(call: Call, body: SessionBody | None = None) -> Response:
    body = body or SessionBody()
    metadata = body.metadata or {}
    _require_size(metadata, call.service.settings.max_metadata_bytes)
    state = await call.create(
        user_id=body.user_id,
        ttl_s=body.ttl_seconds,
        metadata=metadata,
        overrides=body.config.chosen() if body.config else {},
    )
    ignored = rendering.ignored(body.config.ignored()) if body.config else {}
    return rendering.uncompressed(rendering.response(_session(call, state) | ignored))


async def list_sessions(
    call: Call,
    user_id: Annotated[UserId | None, Field(description="Only sessions of this user.")] = None,
    node_id: Annotated[
        UserId | None, Field(description="`user_id` as later clients spell it.")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    for named in (user_id, node_id):
        call.caller.acting_as(named)
    if call.dialect is CURRENT and user_id is not None and node_id is not None:
        reason = "means the same as user_id; send only one of them"
        raise InvalidInputError((Finding(("query", "node_id"), reason),))
    found, next_cursor = await call.page(user_id=user_id or node_id, limit=limit, cursor=cursor)
    sessions = await json_text.array(_listed(call, one) for one in found)
    content = {"sessions": sessions, "next_cursor": next_cursor}
    return rendering.uncompressed(rendering.response(content))


async def count_sessions(call: Call) -> Response:
    return rendering.response({"active_session_count": await call.count()})


async def session_exists(call: Call, session_id: str) -> Response:
    exists = await call.exists(session_id)
    return rendering.response({"exists": exists, "session_id": session_id})


async def get_session(call: Call, session_id: str) -> Response:
    return rendering.response(_session(call, await call.load(session_id)))


async def edit_session(call: Call, session_id: str, body: SessionEditBody) -> Response:
    limit = call.service.settings.max_metadata_bytes

    async def edited(state: SessionState) -> Change[None]:
        merged = {**state.metadata, **body.metadata}
        metadata = {key: value for key, value in merged.items() if value is not None}
        # One that an earlier limit allowed may still be made smaller.
        if len(json_text.text(metadata)) > len(json_text.text(dict(state.metadata))):
            _require_size(metadata, limit)
        return Change(replace(state, metadata=metadata), lambda _applied: None)

    changed = await call.changed(session_id, edited)
    return rendering.uncompressed(rendering.response(_session(call, changed.after)))


async def delete_session(call: Call, session_id: str) -> Response:
    await call.delete(session_id)
    return rendering.response({"status": "deleted", "session_id": session_id})


async def extend_session(
    call: Call,
    session_id: str,
    body: ExtendBody | None = None,
    ttl_seconds: Annotated[
        int | None,
        Field(ge=1, le=MAX_TTL_S, description="Seconds; give it here or in the body."),
        AsDigits,
    ] = None,
) -> Response:
    ttl_s = one_of("ttl_seconds", ttl_seconds, body.ttl_seconds if body else None)
    if ttl_s is None:
        raise InvalidInputError.at("ttl_seconds", reason=REQUIRED)
    return rendering.response(await extended(call, session_id, ttl_s))


async def extended(call: Call, session_id: str, ttl_s: int | None) -> dict[str, Any]:
    """The answer to an extension; *ttl_s* None: by as much as the last time."""
    state = await call.extend(session_id, ttl_s)
    return {
        "status": "extended",
        "session_id": session_id,
        "ttl_seconds": state.ttl_s,
        "expires_at": None if state.expires_at is None else rendering.timestamp(state.expires_at),
    }


OPERATIONS = (
    Operation(
        ("POST",), "", create_session, "Create a session", responses.SessionCreated,
        (InvalidInputError, LimitExceededError, SessionLimitExceededError), scope=Scope.WRITE,
        uncompressed=True,
    ),
    Operation(
        ("GET",), "", list_sessions, "List the active sessions", responses.Sessions,
        scope=Scope.READ, uncompressed=True,
    ),
    Operation(
        ("GET",), "/count", count_sessions, "Count the active sessions", responses.Count,
        scope=Scope.READ,
    ),
    Operation(
        ("GET",), "/{session_id}/exists", session_exists,
        "Check whether a session exists, without extending it", responses.Exists, scope=Scope.READ,
    ),
    Operation(
        ("GET",), "/{session_id}", get_session, "Get a session", responses.Session,
        (SessionNotFoundError,), scope=Scope.READ,
    ),
    Operation(
        ("DELETE",), "/{session_id}", delete_session,
        "Delete a session; learned patterns stay", responses.Deleted, (SessionNotFoundError,),
        scope=Scope.WRITE, audited=True,
    ),
    Operation(
        ("POST", "PUT"), "/{session_id}/extend", extend_session,
        "Set the time that a session has to live from now on", responses.Extended,
        (SessionNotFoundError,), scope=Scope.WRITE,
    ),
)  # fmt: skip
EDITING = Operation(
    ("PATCH",), "/{session_id}", edit_session, "Edit the metadata of a session", responses.Session,
    (SessionNotFoundError, LimitExceededError), scope=Scope.WRITE, uncompressed=True,
)  # fmt: skip
"""Not on the older paths."""


def _session(call: Call, state: SessionState) -> dict[str, Any]:
    genes = call.service.processor.genes(state)
    return rendering.session(state, genes, call.dialect, now=time.time())


def _listed(call: Call, found: Listed) -> dict[str, Any]:
    """A session of a list; its id is masked on instances that ask for no credentials.

    The id is the right to use the session there, and anybody can list sessions.
    """
    content = _session(call, found.state) | {"stm_length": found.stm_length}
    if not call.caller.is_known:
        content["session_id"] = rendering.masked(found.state.session_id)
    return content


def _require_size(metadata: dict[str, Any], limit: int) -> None:
    if len(json_text.text(metadata)) > limit:
        reason = f"must have at most {limit} bytes as JSON (MAX_METADATA_BYTES)"
        raise LimitExceededError.at("metadata", reason=reason)


def one_of(name: str, query: N | None, body: N | None) -> N | None:
    """The value *name* of a request, from its query or its body; None: it is in neither.

    Raises:
        InvalidInputError: The two differ.
    """
    given = query if body is None else body
    if query is not None and query != given:
        reason = f"differs from {name} of the body; send only one of them"
        raise InvalidInputError((Finding(("query", name), reason),))
    return given
