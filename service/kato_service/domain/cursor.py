"""Where a list goes on: the place of the last one shown, in an order that never changes."""

from kato_service.errors import InvalidInputError

MAX_DIGITS = 15


def place_of(cursor: str | None) -> int:
    """The place behind which the next page begins; 0 for the first.

    Raises:
        InvalidInputError: It was no ``next_cursor`` of a page.
    """
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= MAX_DIGITS):
        details = [{"location": ["query", "cursor"], "reason": "must be a next_cursor of a page"}]
        raise InvalidInputError("the cursor is not one of this list", details)
    return int(cursor)
