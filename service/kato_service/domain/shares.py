"""How much of what all callers share one of them may hold."""

from math import ceil

CALLER_SHARE = 0.9


def share_of_caller(total: int) -> int:
    """The most of *total* that one caller may hold: nine tenths, rounded up.

    A single application keeps nearly all of it, and whoever takes all it can leaves the rest to
    the others.
    """
    return ceil(CALLER_SHARE * total)
