"""How much of what all callers share one of them may hold."""

from math import ceil
from typing import Literal, NamedTuple

CALLER_SHARE = 0.9
_NOUNS = {"address": "client address", "key": "API key", "token": "token subject"}


class Holder(NamedTuple):
    """Who holds what a request takes: the caller by its credentials, else by its address.

    A tuple: it is a key of several dictionaries, and hashing a dataclass takes ten times as long.
    """

    kind: Literal["address", "key", "token"]
    name: str
    """An address (of IPv6, its network), the name of a key, or the subject of a token."""

    @property
    def noun(self) -> str:
        """What messages call holders of its kind."""
        return _NOUNS[self.kind]

    def __str__(self) -> str:
        """A text that no other holder has."""
        return f"{self.kind} {self.name}"


def share_of_caller(total: int) -> int:
    """The most of *total* that one caller may hold: nine tenths, rounded up.

    A single application keeps nearly all of it, and whoever takes all it can leaves the rest to
    the others.
    """
    return ceil(CALLER_SHARE * total)
