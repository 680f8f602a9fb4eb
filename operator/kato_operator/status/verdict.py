"""What is said of a component: a condition that has no type and no time yet."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Verdict:
    """A condition that has no type and no time yet.

    *ok* None stands for Unknown. *blocked* means that waiting alone will not help.
    """

    ok: bool | None
    reason: str
    message: str = ""
    blocked: bool = False

    @classmethod
    def blocked_by(cls, reason: str, message: str) -> Self:
        """A False that lasts until a person acts."""
        return cls(False, reason, message, blocked=True)
