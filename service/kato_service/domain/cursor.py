"""Where the next page of a list starts: the place of the last item shown, in a fixed order."""

from kato_service.errors import InvalidInputError
from kato_service.findings import Finding, Place

MAX_DIGITS = 15
"""Digits of a cursor at most; no place in a list needs more."""


def place_of(cursor: str | None, given_at: Place = ("query", "cursor")) -> int:
    """The place after which the next page starts; 0 for the first page.

    Args:
        cursor: What the request has at *given_at*.

    Raises:
        InvalidInputError: *cursor* was not the ``next_cursor`` of a page.
    """
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= MAX_DIGITS):
        reason = "must be the next_cursor of a page of this list"
        raise InvalidInputError((Finding(given_at, reason),))
    return int(cursor)
