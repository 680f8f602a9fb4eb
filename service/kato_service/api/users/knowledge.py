"""Operations on the knowledge of a user as a whole: search, delete by filter, growth
(http-api.md §6)."""

import time
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from kato_service.access.scopes import Scope
from kato_service.api.filters import Filtered, InQuery, page_of_patterns
from kato_service.api.intake.calls import Call
from kato_service.api.intake.operations import Operation
from kato_service.api.intake.queries import AsDigits
from kato_service.api.sessions import Cursor, Limit
from kato_service.api.shapes import rendering
from kato_service.api.shapes.knowledge.bodies import DeletePatternsBody
from kato_service.api.shapes.responses import Patterns
from kato_service.api.users import shown
from kato_service.api.users.addresses import nobody_of, user_of
from kato_service.api.users.responses import PatternsDeleted, PatternsGrowth
from kato_service.domain.cursor import place_of
from kato_service.errors import InvalidInputError

Intervals = Annotated[int, Field(ge=2, le=200, description="Intervals at most."), AsDigits]
_EMPTY = (
    "must hold at least one condition; to delete everything, erase the user, or use clear-all of a"
    " session"
)


async def list_user_patterns(
    call: Call,
    user_id: str,
    filtered: InQuery,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    kb = call.service.users.directory.base_of(user_of(call, user_id))
    return await page_of_patterns(call, kb, filtered, limit=limit, cursor=cursor)


async def list_anonymous_patterns(
    call: Call, filtered: InQuery, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    nobody_of(call)
    kb = call.service.users.directory.base_of(None)
    return await page_of_patterns(call, kb, filtered, limit=limit, cursor=cursor)


async def delete_user_patterns(call: Call, user_id: str, body: DeletePatternsBody) -> Response:
    return await _deleted(call, user_of(call, user_id), body)


async def delete_anonymous_patterns(call: Call, body: DeletePatternsBody) -> Response:
    nobody_of(call)
    return await _deleted(call, None, body)


async def get_growth(call: Call, user_id: str, intervals: Intervals = 60) -> Response:
    return await _growth(call, user_of(call, user_id), intervals)


async def get_anonymous_growth(call: Call, intervals: Intervals = 60) -> Response:
    nobody_of(call)
    return await _growth(call, None, intervals)


OF_USERS = (
    Operation(
        ("GET",), "/patterns", list_user_patterns, "List or search the patterns of a user",
        Patterns, scope=Scope.READ,
    ),
    Operation(
        ("POST",), "/patterns:delete", delete_user_patterns, "Delete the patterns that fit",
        PatternsDeleted, scope=Scope.WRITE, audited=True,
    ),
    Operation(
        ("GET",), "/growth", get_growth, "Get how the patterns of a user grew", PatternsGrowth,
        scope=Scope.READ,
    ),
)  # fmt: skip
OF_NOBODY = (
    Operation(
        ("GET",), "/patterns", list_anonymous_patterns, "List or search the patterns of no user",
        Patterns, scope=Scope.READ,
    ),
    Operation(
        ("POST",), "/patterns:delete", delete_anonymous_patterns,
        "Delete patterns of no user that fit", PatternsDeleted, scope=Scope.WRITE, audited=True,
    ),
    Operation(
        ("GET",), "/growth", get_anonymous_growth, "Get how the patterns of no user grew",
        PatternsGrowth, scope=Scope.READ,
    ),
)  # fmt: skip


async def _growth(call: Call, user_id: str | None, most: int) -> Response:
    kb = call.service.users.directory.base_of(user_id)
    found = await call.service.users.growth.read(kb, most=most, deadline=call.deadline)
    return rendering.response(shown.growth(found, now=time.time()))


async def _deleted(call: Call, user_id: str | None, body: DeletePatternsBody) -> Response:
    filtered = Filtered(body, "body")
    if filtered.is_whole:
        raise InvalidInputError.at(reason=_EMPTY)
    kb = call.service.users.directory.base_of(user_id)
    done = await call.service.users.deletion.run(
        kb,
        await filtered.bounded(call, kb),
        dry_run=body.dry_run,
        most=body.limit,
        place=place_of(body.cursor, ("body", "cursor")) or None,
        deadline=call.deadline,
    )
    return rendering.response(
        {
            "status": "counted" if body.dry_run else "deleted",
            "matched": done.matched,
            "deleted": done.deleted,
            "next_cursor": None if done.reached is None else str(done.reached),
        }
    )
