"""A short-term memory for one request holds what that of a session would hold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kato_service.domain.observation import Observation
from kato_service.errors import LimitExceededError
from kato_service.processing.limits import ObservationLimits
from kato_service.processing.memory_manager import MemoryManager
from kato_service.sessions.state import SessionState

EVENTS = st.lists(
    st.lists(st.sampled_from(("", "a", "é", "abc", "𝄞𝄞")), min_size=1, max_size=5).map(tuple),
    max_size=30,
)


def blank() -> SessionState:
    absent: dict[str, Any] = {"user_id": None, "ttl_s": None, "expires_at": None}
    return SessionState(
        session_id="", incarnation="", processor_id="kato", created_at=0.0, last_accessed_at=0.0,
        **absent,
    )  # fmt: skip


@given(EVENTS, st.integers(1, 12), st.integers(5, 20), st.integers(40, 80))
def test_it_keeps_the_events_that_a_session_keeps(
    events: list[tuple[str, ...]], most: int, symbols: int, size: int
) -> None:
    limits = ObservationLimits(max_stm_events=most, max_stm_symbols=symbols, max_stm_bytes=size)
    memory, state, truncated = MemoryManager(limits), blank(), False
    newest = memory.newest()
    for event in events:
        state, dropped = memory.observed(state, Observation(strings=event), event)
        truncated = truncated or dropped
        newest.add(event)
        assert (newest.stm, newest.truncated) == (state.stm, truncated)


def test_an_event_that_alone_is_too_large_is_refused() -> None:
    limits = ObservationLimits(max_stm_symbols=2)
    newest = MemoryManager(limits).newest()
    newest.add(("a", "b"))
    with pytest.raises(LimitExceededError, match="MAX_STM_SYMBOLS"):
        newest.add(("a", "b", "c"))
    assert newest.stm == (("a", "b"),)
