"""The state of a session as a value."""

from dataclasses import replace

import pytest

from kato_service.sessions.state import SessionState, changed

STATE = SessionState(
    session_id="s",
    incarnation="i",
    user_id="Ada",
    processor_id="kb",
    created_at=1.0,
    ttl_s=60,
    expires_at=61.0,
    last_accessed_at=2.0,
    stm=(("a",),),
)


def test_a_changed_state_equals_a_replaced_one_and_leaves_the_first_as_it_was() -> None:
    after = changed(STATE, time=3, stm=())
    assert after == replace(STATE, time=3, stm=())
    assert (STATE.time, STATE.stm) == (0, (("a",),))


def test_a_field_that_a_state_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError):
        changed(STATE, colour="red")
