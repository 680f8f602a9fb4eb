"""Operations on users: list, get, erase (http-api.md §6)."""

import re
import time
from typing import Any

from starlette.responses import Response

from kato_service.access.scopes import Scope
from kato_service.api.intake.calls import Call
from kato_service.api.intake.operations import Operation
from kato_service.api.sessions import Cursor, Limit
from kato_service.api.shapes import rendering
from kato_service.api.users import responses, shown
from kato_service.api.users.addresses import nobody_of, user_of
from kato_service.errors import InvalidInputError, UserNotFoundError
from kato_service.findings import Finding


async def list_users(call: Call, limit: Limit = 100, cursor: Cursor = None) -> Response:
    page, after = await call.service.users.directory.page(
        after=_checked(call, cursor), limit=limit, deadline=call.deadline
    )
    return rendering.response({"users": list(map(shown.listed, page)), "next_cursor": after})


async def get_user(call: Call, user_id: str) -> Response:
    return await _got(call, user_of(call, user_id))


async def erase_user(call: Call, user_id: str) -> Response:
    return await _erased(call, user_of(call, user_id))


async def get_anonymous(call: Call) -> Response:
    nobody_of(call)
    return await _got(call, None)


async def erase_anonymous(call: Call) -> Response:
    nobody_of(call)
    return await _erased(call, None)


LIST = (
    Operation(
        ("GET",), "", list_users, "List users and their knowledge bases", responses.Users,
        scope=Scope.ADMIN,
    ),
)  # fmt: skip
OF_USERS = (
    Operation(
        ("GET",), "", get_user, "Get a user", responses.User, (UserNotFoundError,),
        scope=Scope.READ,
    ),
    Operation(
        ("DELETE",), "", erase_user, "Erase a user", responses.UserErased, scope=Scope.WRITE,
        audited=True,
    ),
)  # fmt: skip
OF_NOBODY = (
    Operation(
        ("GET",), "", get_anonymous, "Get the knowledge base of sessions without a user",
        responses.User, scope=Scope.READ,
    ),
    Operation(
        ("DELETE",), "", erase_anonymous, "Erase what belongs to no user", responses.UserErased,
        scope=Scope.WRITE, audited=True,
    ),
)  # fmt: skip


async def _got(call: Call, user_id: str | None) -> Response:
    facts = await call.service.users.directory.get(user_id, deadline=call.deadline)
    return rendering.response(shown.single(facts, now=time.time()))


async def _erased(call: Call, user_id: str | None) -> Response:
    done = await call.service.users.eraser.erase(user_id, deadline=call.deadline)
    processor_id = call.service.users.directory.base_of(user_id)
    content: dict[str, Any] = shown.erased(user_id, processor_id, done)
    return rendering.response(content)


def _checked(call: Call, cursor: str | None) -> str:
    """The id to continue after; raises InvalidInputError if *cursor* is none of a page."""
    if cursor is None:
        return ""
    instance = re.escape(call.service.settings.processor_id)
    if not re.fullmatch(f"{instance}(~[0-9a-f]{{40}})?", cursor):
        reason = "must be the next_cursor of a page of this list"
        raise InvalidInputError((Finding(("query", "cursor"), reason),))
    return cursor
