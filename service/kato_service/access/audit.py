"""The audit log: who did what, when, and how it ended; never what it was about (access.md)."""

import time
from collections.abc import Callable
from typing import Any

from kato_service.access.rate_limits import LocalBuckets, Rate
from kato_service.access.scopes import Caller
from kato_service.logs import audit_logger

REFUSALS = Rate(per_s=1.0, burst=20)
"""Refusals that are written, of each address: whoever guesses keys must not fill the disk."""


class AuditLog:
    """Writes a line `audit` for each administrative call; these lines have fixed fields."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = audit_logger()
        self._written = LocalBuckets(1000, clock)
        self._suppressed = 0

    def called(
        self, caller: Caller, operation: str, status: int, *, is_whole: bool = True, **target: str
    ) -> None:
        """An administrative call ended with this HTTP status.

        Args:
            is_whole: The answer came to its end, and no failure ended it after its status.
        """
        self._log.info(
            "audit",
            action=operation,
            outcome=_outcome(status, is_whole=is_whole),
            status=status,
            **_who(caller),
            **target,
        )

    def refused(self, caller: Caller | None, code: str, reason: str, address: str) -> None:
        """Somebody was not let in, or not let do something."""
        if not self._written.take(address, REFUSALS).allowed:
            self._suppressed += 1
            return
        unwritten, self._suppressed = self._suppressed, 0
        self._log.info(
            "audit",
            action="authenticate" if caller is None else "authorize",
            outcome="refused",
            code=code,
            reason=reason,
            address=address,
            unwritten=unwritten,
            **_who(caller),
        )

    def reloaded(self, variable: str, keys: int) -> None:
        """The keys were read again after their file had changed."""
        self._log.info("audit", action="reload keys", outcome="done", variable=variable, keys=keys)


def _who(caller: Caller | None) -> dict[str, Any]:
    if caller is None:
        return {"caller": None, "kind": None}
    return {"caller": caller.name or None, "kind": caller.kind, "user": caller.user}


def _outcome(status: int, *, is_whole: bool) -> str:
    if status < 400:
        return "done" if is_whole else "failed"
    return "refused" if status < 500 else "failed"
