"""The right to write, which is checked before every request that changes something."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from kato_operator.claims.claims import Claims
from kato_operator.claims.leadership import Leadership
from kato_operator.manifests import Key

_instance: ContextVar[Key | None] = ContextVar("instance", default=None)
"""The instance of the pass that runs, in its worker and in the tasks that it starts."""


@contextmanager
def writing_for(key: Key) -> Iterator[None]:
    """Bind the right to write, in this block, to the claim on one instance."""
    token = _instance.set(key)
    try:
        yield
    finally:
        _instance.reset(token)


class Rights:
    """Whether this process may write now: it holds the Lease, and the instance is claimed."""

    def __init__(self, leadership: Leadership, claims: Claims) -> None:
        self._leadership = leadership
        self._claims = claims

    def remaining_s(self) -> float:
        """Seconds for which a request may be on its way; not above 0 when nothing may be sent."""
        key = _instance.get()
        if key is not None and not self._claims.is_ours(key):
            return 0.0
        return self._leadership.remaining_s
