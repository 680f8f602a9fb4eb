"""How much of a log, or of its views, is read at once: bounded in number and in size."""

CHUNK = 1000
"""Entries, or views, per read at most."""
FIRST_CHUNK = 64
LEAST = 2
"""A log may give its head as one of so many."""
PAGE_SYMBOLS = 500_000
PAGE_BYTES = 32 * 2**20
GROWTH = 4


class PageSizes:
    """How many are read next. Few at first, as each may be large, then as many as would fit if
    they were like those of the page before."""

    def __init__(self, most: int) -> None:
        """*most*: of what `had` is told, for a page."""
        self.limit = min(CHUNK, FIRST_CHUNK)
        self._most = most

    def had(self, size: int) -> None:
        """The size of a page of `limit`."""
        fitting = self.limit * self._most // max(1, size)
        self.limit = max(LEAST, min(CHUNK, GROWTH * self.limit, fitting))
