"""Whether an instance waits for a person: the condition by which kstatus knows a failure.

Tools that follow kstatus (Flux, kpt, Helm 4) wait while an object is not Ready, and give up when
`Stalled` is True. So it is True only if what the spec asks for cannot come about by waiting.
"""

from kato_operator import names
from kato_operator.status.verdict import Verdict

UNBLOCKED = Verdict(False, names.REASON_UNBLOCKED, "nothing waits for a change by a person")
WISHED = frozenset({names.REASON_PAUSED, names.REASON_HIBERNATED})
"""Reasons of a standstill that the spec asks for."""


def verdict(ready: Verdict, progressing: Verdict) -> Verdict:
    """Whether the pass found something that only a person can change; True is bad.

    It follows from two other conditions, so that the three never contradict each other.
    """
    if ready.ok or progressing.ok:
        return UNBLOCKED
    for wished in (ready, progressing):
        if wished.reason in WISHED:
            return Verdict(False, wished.reason, wished.message)
    return Verdict(True, progressing.reason, progressing.message)
