"""Where the next page of a list starts: the place of the last item shown, in a fixed order."""

from kato_service.errors import InvalidInputError
from kato_service.findings import Finding

MAX_DIGITS = 15
"""Digits of a cursor at most; no place in a list needs more."""


def place_of(cursor: str | None) -> int:
    """The place after which the next page starts; 0 for the first page.

    Raises:
        InvalidInputError: *cursor* was not the ``next_cursor`` of a page.
    """
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= MAX_DIGITS):
        reason = "must be the next_cursor of a page of this list"
        raise InvalidInputError((Finding(("query", "cursor"), reason),))
    return int(cursor)
