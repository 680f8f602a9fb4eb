"""The port to the dimensions of knowledge bases: who brings the first vectors decides, once.

All users of a dimension share a collection, so no collection can tell the dimension of one of them.
It is a document in the store of the knowledge: of several that are inserted at once, one gets in.
"""

from typing import Protocol

_DIGITS = 12
MOST_REMEMBERED = 100_000
"""Dimensions that a process keeps in mind."""


class Dimensions(Protocol):
    async def of(self, kb: str, cleared: int) -> int | None:
        """The dimension that was agreed on since the clear at *cleared*; None: none was."""

    async def agree(self, kb: str, cleared: int, dimension: int) -> int:
        """Propose *dimension*; gives the one that counts, whoever proposed it.

        Raises:
            OutcomeUnknownError: It may be in; repeating is safe.
        """

    async def drop_before(self, kb: str, cleared: int) -> None:
        """Forget what was agreed on before the clear at *cleared*."""

    async def count(self, instance: str) -> int:
        """How many knowledge bases of *instance* have vectors."""

    async def knowledge_bases(self, instance: str) -> set[str]:
        """Which ones they are."""

    async def close(self) -> None: ...


class Remembered:
    """Dimensions that were fixed, by knowledge base and clear. They never change."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], int] = {}

    def get(self, kb: str, cleared: int) -> int | None:
        return self._known.get((kb, cleared))

    def keep(self, kb: str, cleared: int, dimension: int) -> None:
        """Remember it; of too many, the one that was kept first is forgotten."""
        self._known[kb, cleared] = dimension
        if len(self._known) > MOST_REMEMBERED:
            del self._known[next(iter(self._known))]


def dimension_id(kb: str, cleared: int) -> str:
    return f"{kb}:{cleared:0{_DIGITS}}"


def knowledge_base_in(identifier: str) -> str:
    return identifier.rpartition(":")[0]


def ids_before(kb: str, cleared: int) -> tuple[str, str]:
    """From the first id, up to but without the second: those of *kb* before the clear."""
    return dimension_id(kb, 0), dimension_id(kb, cleared)


def ranges_of(instance: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """The same for all knowledge bases of *instance*: its own, and those of its users.

    A processor id contains neither ``~`` nor ``:``, so no other instance has ids in between.
    """
    return (f"{instance}:", f"{instance};"), (f"{instance}~", f"{instance}\x7f")
