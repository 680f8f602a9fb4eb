"""How much of a log, or of its views, is read at once: bounded in number and in size."""

from kato_service.knowledge.limits import DEFAULT_LIMITS, KnowledgeLimits

LEAST = 2
"""The smallest page: a log may return its head as one of the documents."""
GROWTH = 4
"""How many times larger than the one before a page may be."""


class PageSizes:
    """How many entries, or views, to read next.

    Few at first, since each of them may be large; then as many as would fit if they were like those
    of the page before.
    """

    def __init__(self, max_size: int, limits: KnowledgeLimits = DEFAULT_LIMITS) -> None:
        """*max_size*: of a page, in the unit that `record` is given (symbols, or bytes)."""
        self.limit = min(limits.page_entries, limits.first_page_entries)
        self._max_entries = limits.page_entries
        self._max_size = max_size

    def record(self, size: int) -> None:
        """Set `limit` for the next page, after a page of `limit` had *size*."""
        fitting = self.limit * self._max_size // max(1, size)
        self.limit = max(LEAST, min(self._max_entries, GROWTH * self.limit, fitting))
