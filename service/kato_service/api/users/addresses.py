"""Whom a path below ``/v2/users`` or ``/v2/anonymous`` is about, and whether the caller may."""

from kato_service.api.intake.calls import Call
from kato_service.domain.identity import MAX_USER_ID_CHARS, was_user_id
from kato_service.errors import ForbiddenError, InvalidInputError
from kato_service.findings import Finding


def user_of(call: Call, user_id: str) -> str:
    """The user of a path.

    Raises:
        ForbiddenError: The caller may not act as that user.
        InvalidInputError: No user can have this id.
    """
    if not was_user_id(user_id):
        reason = f"must have 1 to {MAX_USER_ID_CHARS} printable characters, percent-encoded"
        raise InvalidInputError((Finding(("path", "user_id"), reason),))
    call.caller.acting_as(user_id)
    return user_id


def nobody_of(call: Call) -> None:
    """Check that the caller may act on what belongs to no user.

    Raises:
        ForbiddenError: It acts as a user.
    """
    if not call.caller.sees(None):
        raise ForbiddenError(
            f"{call.caller} acts as user {call.caller.user!r} only; what belongs to no user needs"
            " the scope admin"
        )
