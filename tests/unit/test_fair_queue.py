"""Users take turns of the processors, whatever their computations take."""

from collections import Counter

import pytest

from kato_service.errors import OverloadedError
from kato_service.processing.fair_queue import CREDIT_S, SLICE_S, WAITING_PER_USER, FairQueue, Turn
from kato_service.search.pace import Pace


class Stage:
    """A queue, a clock that moves when told, and who runs on it."""

    def __init__(self, processors: int = 1, threads: int = 64) -> None:
        self.now = 0.0
        self.queue = FairQueue(processors=processors, threads=threads, clock=lambda: self.now)
        self.began: list[str] = []
        self.turns: dict[Turn, str] = {}

    def join(self, user: str) -> Turn:
        turn = self.queue.join(user, lambda: self.began.append(user), Pace())
        self.turns[turn] = user
        return turn

    def leave(self, turn: Turn) -> None:
        del self.turns[turn]
        self.queue.leave(turn)

    def running(self) -> list[str]:
        return sorted(user for turn, user in self.turns.items() if turn.since is not None)

    def pass_time(self, seconds: float) -> "Counter[str]":
        """Rotate as time passes; gives the seconds that each user's turns ran."""
        served: Counter[str] = Counter()
        for _ in range(round(seconds / SLICE_S)):
            for user in self.running():
                served[user] += SLICE_S  # type: ignore[assignment]  # counts of seconds
            self.now += SLICE_S
            self.queue.rotate()
        return served


def test_a_newcomer_runs_at_once_and_the_other_goes_on_afterwards() -> None:
    stage = Stage()
    slow = stage.join("slow")
    stage.now += 5
    quick = stage.join("quick")
    assert stage.running() == ["quick"]
    assert slow.pace.signal[0]
    stage.now += 0.001
    stage.leave(quick)
    assert stage.running() == ["slow"]
    assert not slow.pace.signal[0]
    assert stage.began == ["slow", "quick"]


def test_one_user_alone_has_all_processors() -> None:
    stage = Stage(processors=2)
    for _ in range(3):
        stage.join("a")
    assert stage.running() == ["a", "a"]
    assert stage.began == ["a", "a"]


def test_users_have_the_same_service_however_much_they_ask_for() -> None:
    stage = Stage(processors=2)
    for _ in range(50):
        stage.join("greedy")
    for user in ("b", "c"):
        stage.join(user)
    served = stage.pass_time(6)
    assert served["greedy"] == pytest.approx(4, abs=0.1)
    assert served["b"] == pytest.approx(4, abs=0.1)
    assert served["c"] == pytest.approx(4, abs=0.1)


def test_who_was_idle_for_long_has_saved_nothing_up() -> None:
    stage = Stage()
    stage.leave(stage.join("idle"))
    stage.join("busy")
    stage.pass_time(100)
    stage.join("idle")
    served = stage.pass_time(2)
    assert served["busy"] == pytest.approx(1, abs=CREDIT_S + SLICE_S)


def test_coming_again_and_again_holds_nobody_up_for_long() -> None:
    stage = Stage()
    stage.join("slow")
    served: Counter[str] = Counter()
    for _ in range(100):
        turn = stage.join("again")
        served += stage.pass_time(2 * SLICE_S)
        stage.leave(turn)
    assert served["slow"] > 100 * 2 * SLICE_S / 2 - CREDIT_S - SLICE_S


def test_so_many_turns_of_a_user_wait_and_those_of_others_are_taken() -> None:
    stage = Stage()
    for _ in range(WAITING_PER_USER + 1):
        stage.join("a")
    with pytest.raises(OverloadedError, match="retry later"):
        stage.join("a")
    stage.now += 1
    stage.join("b")
    assert stage.running() == ["b"]


def test_the_last_threads_are_for_users_who_have_none() -> None:
    stage = Stage(processors=2, threads=4)
    for user in "aabbccdd":
        stage.join(user)
        stage.now += 1
    stage.pass_time(10)
    assert sorted(stage.began) == ["a", "a", "b", "c"]
    assert len(stage.running()) == 2


@pytest.mark.parametrize("state", ["running", "held", "waiting"])
def test_a_turn_that_is_given_up_makes_room_wherever_it_is(state: str) -> None:
    stage = Stage()
    held = stage.join("a")
    stage.now += 1
    running = stage.join("b")
    waiting = stage.join("b")
    gone = {"running": running, "held": held, "waiting": waiting}[state]
    stage.leave(gone)
    assert len(stage.running()) == 1
    for turn in (running, held, waiting):
        if turn is not gone:
            stage.leave(turn)
    assert stage.running() == []
    stage.join("c")
    assert stage.running() == ["c"]


def test_users_who_left_are_forgotten() -> None:
    stage = Stage()
    stage.join("stays")
    for number in range(2000):
        stage.leave(stage.join(f"guest {number}"))
        stage.now += 0.01
    assert len(stage.queue._users) < 300
