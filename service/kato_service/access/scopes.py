"""What callers may do, and who they are once their credentials are known."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Literal

from kato_service.errors import ForbiddenError


class Scope(StrEnum):
    """What an operation needs; all but OPEN can be granted to a caller."""

    OPEN = "open"
    """Nobody has to say who they are."""
    READ = "read"
    """Look at sessions and knowledge, and predict."""
    WRITE = "write"
    """Create and change sessions and knowledge; includes read."""
    METRICS = "metrics"
    """Look at the instance as a whole: metrics and status."""
    ADMIN = "admin"
    """Everything, for every user."""


GRANTED = (Scope.READ, Scope.WRITE, Scope.METRICS, Scope.ADMIN)
_INCLUDED = {
    Scope.WRITE: (Scope.READ,),
    Scope.ADMIN: (Scope.READ, Scope.WRITE, Scope.METRICS),
}
Kind = Literal["anyone", "key", "token"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request.

    A caller without the scope admin acts as exactly one user: *user*, or, if that is None, the
    instance itself, to which the sessions without a user belong.
    """

    kind: Kind
    name: str
    """Of the key, or the subject of the token; '' for anyone."""
    scopes: frozenset[Scope]
    """Granted scopes with those that they include."""
    user: str | None = None
    is_shared: bool = False
    """Whether its key is the only one of an instance, so that several programs may send it."""
    until: float = inf
    """When its credentials end: seconds since the epoch."""

    @property
    def is_admin(self) -> bool:
        return Scope.ADMIN in self.scopes

    @property
    def is_known(self) -> bool:
        """Whether it has shown credentials."""
        return self.kind != "anyone"

    def require(self, scope: Scope) -> None:
        """Raises ForbiddenError if *scope* is not granted."""
        if scope in self.scopes or scope is Scope.OPEN:
            return
        granted = ", ".join(one for one in GRANTED if one in self.scopes) or "no scope"
        raise ForbiddenError(f"this call needs the scope {scope}; {self} has {granted}")

    def sees(self, user: str | None) -> bool:
        """Whether sessions and knowledge of *user* (None: of no user) are this caller's own."""
        return user == self.user or self.is_admin

    def acting_as(self, user: str | None) -> str | None:
        """The user that a request is for.

        Args:
            user: The one that the request names; None if it names nobody.

        Raises:
            ForbiddenError: The caller may not act as *user*.
        """
        if self.is_admin:
            return user
        if user is None or user == self.user:
            return self.user
        allowed = "no user: name none" if self.user is None else f"user {self.user!r} only"
        raise ForbiddenError(
            f"{self} acts as {allowed}; acting as another user needs the scope admin"
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}" if self.is_known else "anyone"


def with_included(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """*scopes* with those that they include."""
    granted = tuple(scopes)
    return frozenset((*granted, *(one for scope in granted for one in _INCLUDED.get(scope, ()))))


ANYONE = Caller("anyone", "", with_included(GRANTED))
"""The caller of an instance that asks for no credentials."""
