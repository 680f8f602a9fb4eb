"""How fast an instance answers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from threading import Event
from time import monotonic, perf_counter
from uuid import uuid4

from kato_client import Kato, Session

WORDS = 50
"""Different symbols; ten conversations share the patterns that they make."""
LENGTH = 5
"""Events of a sequence."""


@dataclass(slots=True)
class Figures:
    """Seconds that calls took, by operation."""

    took_s: dict[str, list[float]] = field(default_factory=dict)
    lasted_s: float = 0.0

    @property
    def calls(self) -> int:
        return sum(map(len, self.took_s.values()))

    def rows(self) -> list[dict[str, float | str]]:
        """By operation: calls, calls per second, and percentiles in milliseconds."""
        return [self._row(name, sorted(took)) for name, took in sorted(self.took_s.items())]

    def _row(self, name: str, took: list[float]) -> dict[str, float | str]:
        def percentile(share: float) -> float:
            return round(1000 * took[min(len(took) - 1, int(share * len(took)))], 2)

        rate = round(len(took) / self.lasted_s, 1)
        named = {"p50_ms": percentile(0.5), "p95_ms": percentile(0.95), "p99_ms": percentile(0.99)}
        return {"operation": name, "calls": len(took), "per_second": rate, **named}


@dataclass(slots=True)
class _Talk:
    """One user, who says one thing after the other."""

    session: Session
    turn: int
    took_s: dict[str, list[float]] = field(default_factory=dict)

    def go_on(self) -> None:
        self.turn += 1
        first, *rest = (f"w{(self.turn * 7 + place * place) % WORDS}" for place in range(LENGTH))
        self._timed("observe", lambda: self.session.observe(first))
        self._timed("observe 4", lambda: self.session.observe_sequence(rest))
        self._timed("predict", lambda: self.session.predictions(limit=10))
        self._timed("learn", self.session.learn)

    def _timed(self, name: str, call: Callable[[], object]) -> None:
        started = perf_counter()
        call()
        self.took_s.setdefault(name, []).append(perf_counter() - started)


def measured(
    kato: Kato, seconds: float, clients: int, progress: Callable[[float], None]
) -> Figures:
    """Let *clients* users talk for *seconds*, one call after the other; then erase them.

    Args:
        progress: Called now and then with the seconds that have passed.
    """
    run = uuid4().hex[:8]
    users = [f"kato-bench-{run}-{number}" for number in range(clients)]
    figures, began, ends = Figures(), monotonic(), Event()

    def talk(number: int) -> dict[str, list[float]]:
        with kato.session(user=users[number]) as session:
            talk = _Talk(session, number)
            while True:
                talk.go_on()
                passed_s = monotonic() - began
                if number == 0:
                    progress(passed_s)
                if passed_s >= seconds or ends.is_set():
                    return talk.took_s

    try:
        with ThreadPoolExecutor(clients) as threads:
            talks = [threads.submit(talk, number) for number in range(clients)]
            try:
                for one in as_completed(talks):
                    for name, some in one.result().items():
                        figures.took_s.setdefault(name, []).extend(some)
            finally:
                ends.set()  # one talk failed, or Ctrl-C: the others end, too
            figures.lasted_s = monotonic() - began
    finally:
        for user in users:
            kato.user(user).erase()
    return figures
