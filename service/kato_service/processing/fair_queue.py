"""The queue in front of the matching threads: users share the processors, not requests.

Each user's service is counted: the seconds that the user's computations have run. The user with the
least service runs next, and a computation of the user with the most is held up for that, wherever
it is. Called on the event loop only; what it starts runs in threads.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from kato_service.errors import OverloadedError
from kato_service.search.pace import Pace

SLICE_S = 0.02
"""Seconds of service by which a running user may be ahead of one who waits."""
ARRIVAL_S = 0.002
"""The same when a turn arrives: holding up a short computation takes longer than its end."""
CREDIT_S = 0.05
"""Seconds of service by which a newcomer may be behind all others: enough to answer short questions
at once, too little to keep others waiting by coming back all the time."""
WAITING_PER_USER = 500
"""Computations of one user that may wait to begin, by default."""
USERS_KEPT = 128
"""Users in the books before idle ones are dropped whose service no longer counts."""


@dataclass(eq=False, slots=True)
class User:
    served_s: float
    waiting: "deque[Turn]" = field(default_factory=deque)
    held: "deque[Turn]" = field(default_factory=deque)
    begun: int = 0
    """Turns that have a thread, held or running."""


@dataclass(eq=False, slots=True)
class Turn:
    """A computation in the queue."""

    user: User
    start: Callable[[], None]
    """Starts it in a thread."""
    pace: Pace
    since: float | None = None
    """When its current run was last counted; None while it waits or is held."""


class FairQueue:
    def __init__(
        self,
        *,
        processors: int,
        threads: int,
        waiting: int = WAITING_PER_USER,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """*processors*: turns that run at once; *threads*: turns that may have begun;
        *waiting*: turns of one user that may wait to begin."""
        self._processors = processors
        self._threads = threads
        self._waiting = waiting
        self._clock = clock
        self._users: dict[str, User] = {}
        self._ready: dict[User, None] = {}
        """Users with turns that wait or are held, in order of arrival."""
        self._running: list[Turn] = []
        self._begun = 0
        self._floor_s = 0.0
        """The least service of the users present, at the last arrival; never falls."""

    @property
    def is_contended(self) -> bool:
        """Whether anybody waits, so that `rotate` is due every `SLICE_S`."""
        return bool(self._ready)

    def join(self, name: str, start: Callable[[], None], pace: Pace) -> Turn:
        """A new turn of user *name*. It may start at once.

        Raises:
            OverloadedError: Too many turns of this user wait.
        """
        self.require_place(name)
        self._account()
        user = self._user(name)
        turn = Turn(user, start, pace)
        user.waiting.append(turn)
        self._ready[user] = None
        self._fill()
        self._give_way(ahead_s=ARRIVAL_S)
        return turn

    def require_place(self, name: str) -> None:
        """Refuse user *name* while too many of its turns wait.

        Raises:
            OverloadedError: So it is.
        """
        user = self._users.get(name)
        if user is not None and len(user.waiting) >= self._waiting:
            message = f"{self._waiting} predictions of this user wait already; retry later"
            raise OverloadedError("matching", message)

    def leave(self, turn: Turn) -> None:
        """Remove a turn: its thread has ended, or it was given up before it had one."""
        self._account()
        user = turn.user
        if turn in user.waiting:
            user.waiting.remove(turn)
        else:
            user.begun -= 1
            self._begun -= 1
            if turn in user.held:
                user.held.remove(turn)
            else:
                self._running.remove(turn)
        self._note(user)
        self._fill()
        self._forget()

    def rotate(self) -> None:
        """Let waiting users run instead of those who are more than a slice ahead of them."""
        self._account()
        self._give_way(ahead_s=SLICE_S)

    def _user(self, name: str) -> User:
        """The user *name*, whose service counts from where the others are: none is saved up."""
        present = [turn.user.served_s for turn in self._running]
        present += [user.served_s for user in self._ready]
        self._floor_s = max(self._floor_s, min(present, default=0.0))
        user = self._users.setdefault(name, User(0.0))
        user.served_s = max(user.served_s, self._floor_s - CREDIT_S)
        return user

    def _forget(self) -> None:
        """Drop users whose service will not count when they come back."""
        if not self._running and not self._ready:
            self._users.clear()
        elif len(self._users) > USERS_KEPT:
            least_s = self._floor_s - CREDIT_S
            self._users = {
                name: user
                for name, user in self._users.items()
                if user.begun or user.waiting or user.served_s > least_s
            }

    def _account(self) -> None:
        now = self._clock()
        for turn in self._running:
            assert turn.since is not None
            turn.user.served_s += now - turn.since
            turn.since = now

    def _fill(self) -> None:
        while len(self._running) < self._processors and (user := self._next()) is not None:
            self._go_on(user)

    def _give_way(self, ahead_s: float) -> None:
        """Let the user with the least service run instead of one who is so much ahead of it."""
        while (least := self._next()) is not None:
            most = max(self._running, key=lambda turn: turn.user.served_s)
            if most.user.served_s <= least.served_s + ahead_s:
                return
            self._hold(most)
            self._go_on(least)

    def _next(self) -> User | None:
        """The user with the least service among those with a turn that can run."""
        if not self._ready:
            return None
        able = (user for user in self._ready if user.held or self._may_begin(user))
        return min(able, key=lambda user: user.served_s, default=None)

    def _may_begin(self, user: User) -> bool:
        """The second half of the threads is kept for users who have none yet."""
        most = self._processors if self._begun < self._threads // 2 else 1
        return user.begun < most and self._begun < self._threads

    def _hold(self, turn: Turn) -> None:
        self._running.remove(turn)
        turn.since = None
        turn.pace.hold()
        turn.user.held.append(turn)
        self._note(turn.user)

    def _go_on(self, user: User) -> None:
        is_held = bool(user.held)
        turn = (user.held or user.waiting).popleft()
        turn.since = self._clock()
        self._running.append(turn)
        self._note(user)
        if is_held:
            turn.pace.let_go_on()
            return
        user.begun += 1
        self._begun += 1
        turn.start()

    def _note(self, user: User) -> None:
        if user.waiting or user.held:
            self._ready.setdefault(user)
        else:
            self._ready.pop(user, None)
