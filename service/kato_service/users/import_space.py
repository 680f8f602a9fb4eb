"""How much of imports that arrive may be kept meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

from kato_service.domain.shares import Holder
from kato_service.errors import BodyTooLargeError, OverloadedError

IMPORTS = 2
"""Imports of the largest size that may be kept at once; one caller may fill one of them."""


class ImportSpace:
    def __init__(self, most_bytes: int) -> None:
        """*most_bytes*: of the largest import, compressed as it is kept."""
        self._most_bytes = most_bytes
        self._bytes: dict[Holder, int] = {}
        """By caller; without those that keep nothing."""

    @contextmanager
    def held(self, caller: Holder) -> Iterator["Space"]:
        """The space that one import takes, until this ends."""
        space = Space(self, caller)
        try:
            yield space
        finally:
            self.grow(caller, -space.size)

    def require(self, caller: Holder, size: int, more: int) -> None:
        """Refuse *more* bytes of an import of *size* bytes.

        Raises:
            BodyTooLargeError: It would be too large.
            OverloadedError: All imports of the caller, or of all, would be.
        """
        if size + more > self._most_bytes:
            raise BodyTooLargeError(
                f"the import exceeds {self._most_bytes} bytes (MAX_IMPORT_BYTES), compressed as it"
                " is kept meanwhile; use kato-service import"
            )
        if self._bytes.get(caller, 0) + more > self._most_bytes:
            raise OverloadedError(
                "imports",
                f"the imports of this {caller.noun} would exceed {self._most_bytes} bytes"
                " (MAX_IMPORT_BYTES); retry when the others are done",
            )
        if sum(self._bytes.values()) + more > IMPORTS * self._most_bytes:
            raise OverloadedError(
                "imports",
                f"all imports in progress would exceed {IMPORTS * self._most_bytes} bytes, which is"
                f" {IMPORTS} times MAX_IMPORT_BYTES; retry later",
            )

    def grow(self, caller: Holder, more: int) -> None:
        if left := self._bytes.get(caller, 0) + more:
            self._bytes[caller] = left
        else:
            self._bytes.pop(caller, None)


class Space:
    """Of one import."""

    def __init__(self, of: ImportSpace, caller: Holder) -> None:
        self._of, self._caller = of, caller
        self.size = 0

    def grow_to(self, size: int) -> None:
        """Take more; raises what `ImportSpace.require` raises."""
        more = size - self.size
        self._of.require(self._caller, self.size, more)
        self._of.grow(self._caller, more)
        self.size = size
