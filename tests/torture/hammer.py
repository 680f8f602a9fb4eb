"""Clients that repeat each change until its outcome is known, and check every answer.

All of them run in one process, so "acknowledged before it was requested" has an exact meaning.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import httpx

from torture.model import Deleted, Edited, Event, Item, Knowledge, Learned, Session, mean, symbol_of

PATIENCE_S = 180.0
"""Seconds for one request to get a clear answer, whatever happens to the stack meanwhile."""
GENES = {"recall_threshold": 0.01, "max_predictions": 1000, "vector_neighbors": 0}
SHARED: tuple[tuple[Event, ...], ...] = ((("s1",), ("s2",)), (("s1",), ("s3", "s4")))
"""Patterns that all clients of a user learn."""
LONGEST_STM = 10
REPEATED_SHARE = 0.05
"""How often a change that is done is sent again, and its id with another request."""


class ViolationError(AssertionError):
    """A promise was broken."""


@dataclass
class Answer:
    body: dict[str, Any]
    content: bytes
    status: int
    asked_at: float
    attempts: int


class Line:
    """Sends requests to random replicas, and repeats those whose outcome is open."""

    def __init__(
        self, clients: Sequence[httpx.AsyncClient], rng: Random, history: deque[str]
    ) -> None:
        """*clients*: one for each replica."""
        self._clients = clients
        self._rng = rng
        self._history = history
        self._count = 0
        self.attempts = 0
        self.answered = 0
        """Requests whose outcome is clear."""

    async def insist(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        gone: int | None = None,
        wanted: int = 200,
    ) -> Answer:
        """The first answer with a clear outcome.

        Args:
            wanted: The status that the answer must have.
            gone: The status by which a repeat shows that an earlier try succeeded.
        """
        asked_at = time.monotonic()
        attempts = 0
        while time.monotonic() < asked_at + PATIENCE_S:
            attempts += 1
            response = await self._sent(method, path, body)
            if response is not None and response.status_code not in (503, 504):
                if response.status_code == gone and attempts > 1:
                    return Answer({}, b"", gone, asked_at, attempts)
                self._require(response, method, path, body, wanted)
                self.answered += 1
                return Answer(response.json(), response.content, wanted, asked_at, attempts)
            await asyncio.sleep(self._rng.uniform(0.005, 0.1))
        raise ViolationError(f"{method} {path} {body} got no clear answer in {PATIENCE_S} s")

    async def change(self, path: str, **body: Any) -> Answer:
        self._count += 1
        unique_id = f"{self._count}-{self._rng.getrandbits(64):x}"
        given = {**body, "unique_id": unique_id}
        answer = await self.insist("POST", path, given)
        if self._rng.random() < REPEATED_SHARE:
            await self._repeat(path, given)
        return answer

    async def _repeat(self, path: str, given: dict[str, Any]) -> None:
        """Send a request that is done again, which repeats it, and another one under its id."""
        again = await self.insist("POST", path, dict(reversed(given.items())))
        if again.body.get("repeated") is not True:
            raise ViolationError(f"{path} {given} was applied again: {again.body}")
        parent, _, operation = path.rpartition("/")
        other, body = ("observe", {"strings": ["another"]})
        if operation == "observe" and self._rng.random() < 0.5:
            other, body = "clear-stm", {}
        body = {**body, "unique_id": given["unique_id"]}
        refused = await self.insist("POST", f"{parent}/{other}", body, wanted=422)
        if refused.body["error"]["code"] != "UNIQUE_ID_REUSED":
            raise ViolationError(f"{other} under the id of {path} {given}: {refused.body}")

    async def _sent(self, method: str, path: str, body: Any) -> httpx.Response | None:
        number = self._rng.randrange(len(self._clients))
        self.attempts += 1
        began = time.monotonic()
        try:
            patience_s = self._rng.choice((2.0, 6.0, 12.0))
            client = self._clients[number]
            response = await client.request(method, path, json=body, timeout=patience_s)
        except httpx.TransportError as error:
            self._note(began, number, method, path, body, type(error).__name__)
            return None
        outcome = f"{response.status_code} {response.text[:300]}"
        self._note(began, number, method, path, body, outcome)
        return response

    def _require(
        self, response: httpx.Response, method: str, path: str, body: Any, wanted: int
    ) -> None:
        if response.status_code != wanted:
            asked = f"{method} {path} {json.dumps(body)}"
            raise ViolationError(f"{asked}: {response.status_code} {response.text}")

    def _note(
        self, began: float, replica: int, method: str, path: str, body: Any, outcome: str
    ) -> None:
        times = f"{began:.3f}-{time.monotonic():.3f}"
        self._history.append(f"{times} r{replica} {method} {path} {json.dumps(body)} → {outcome}")


@dataclass
class User:
    """A user: the knowledge base as it must be, and the bounds on its shared patterns."""

    name: str
    knowledge: Knowledge = field(default_factory=Knowledge)
    started: dict[str, int] = field(default_factory=dict)
    """By shared pattern, how many learns of it were sent."""
    sessions: dict[str, Session] = field(default_factory=dict)
    """Live sessions by id, as they must be."""
    deleted: list[str] = field(default_factory=list)
    """Ids of deleted sessions."""
    vectors: dict[str, list[float]] = field(default_factory=dict)
    """Acknowledged vectors, by symbol."""


@dataclass
class Client:
    """A client of one user: random operations, each answer checked against the model."""

    name: str
    user: User
    line: Line
    rng: Random
    alone: bool
    """It is the only client of its user, so it may clear the whole knowledge base."""
    with_vectors: bool
    session_id: str = ""
    retired: set[str] = field(default_factory=set)
    """Patterns with an edit that may still happen: they are never learned again."""
    done: int = 0
    """Acknowledged changes."""

    @property
    def session(self) -> Session:
        return self.user.sessions[self.session_id]

    @property
    def path(self) -> str:
        return f"/v2/sessions/{self.session_id}"

    async def run(self, stop: asyncio.Event) -> None:
        await self._create()
        while not stop.is_set():
            await self._step()
            await asyncio.sleep(self.rng.uniform(0, 0.03))

    async def _step(self) -> None:
        acts = (
            (self._observe, 30), (self._sequence, 15), (self._learn, 15), (self._predict, 20),
            (self._read, 6), (self._clear, 3), (self._learn_shared, 8), (self._edit, 4),
            (self._delete, 4), (self._start_over, 3), (self._clear_all, 1),
        )  # fmt: skip
        act = self.rng.choices([act for act, _ in acts], [weight for _, weight in acts])[0]
        await act()

    async def _create(self) -> None:
        automatic = self.rng.random() < 0.3
        session = Session(
            max_pattern_length=3 if automatic else 0,
            stm_mode=self.rng.choice(("KEEP_LAST", "CLEAR", "ROLLING")),
        )
        config = {
            **GENES,
            "max_pattern_length": session.max_pattern_length,
            "stm_mode": session.stm_mode,
        }
        body = {"user_id": self.user.name, "config": config}
        answer = await self.line.insist("POST", "/v2/sessions", body)
        self.session_id = answer.body["session_id"]
        self.user.sessions[self.session_id] = session

    async def _start_over(self) -> None:
        """Continue in a new session; half of the time after deleting the old one."""
        if self.rng.random() < 0.5:
            await self.line.insist("DELETE", self.path, gone=404)
            self.user.deleted.append(self.session_id)
            del self.user.sessions[self.session_id]
        await self._create()

    async def _observe(self) -> None:
        item = self._item()
        after, learned = self.session.observed(item)
        if await self._unwanted(after, learned):
            return
        answer = await self.line.change(f"{self.path}/observe", **item)
        names = [f"PTRN|{one.name}" for one in learned]
        self._require(answer, auto_learned_pattern=names[0] if names else None)
        self._took(after, learned, answer)
        self.user.vectors |= {symbol_of(vector): vector for vector in item.get("vectors", ())}

    async def _sequence(self) -> None:
        items = [self._item() for _ in range(self.rng.randint(1, 4))]
        each, end, between = (self.rng.random() < chance for chance in (0.2, 0.5, 0.2))
        after, learned = self.session.observed_all(items, each=each, end=end, between=between)
        if await self._unwanted(after, learned):
            return
        answer = await self.line.change(
            f"{self.path}/observe-sequence",
            observations=items,
            learn_after_each=each,
            learn_at_end=end,
            clear_stm_between=between,
        )
        self._require(answer, observations_processed=len(items))
        self._took(after, learned, answer)

    async def _learn(self) -> None:
        after, learned = self.session.learned()
        if not self.session.stm or await self._unwanted(after, learned):
            return
        answer = await self.line.change(f"{self.path}/learn")
        frequencies = self._took(after, learned, None, answer.asked_at)
        status = "learned" if learned else "insufficient_data"
        name = f"PTRN|{learned[0].name}" if learned else ""
        self._require(answer, status=status, pattern_name=name)
        if answer.body["frequency"] != (frequencies[0] if learned else 0):
            raise ViolationError(f"{self.name}: frequency {frequencies} expected: {answer.body}")

    async def _learn_shared(self) -> None:
        if self.session.stm or self.session.pending or self.session.max_pattern_length:
            return
        items = [{"strings": list(event)} for event in self.rng.choice(SHARED)]
        after, learned = self.session.observed_all(items, each=False, end=True, between=False)
        name = learned[0].name
        self.user.started[name] = self.user.started.get(name, 0) + 1
        answer = await self.line.change(
            f"{self.path}/observe-sequence", observations=items, learn_at_end=True
        )
        self._took(after, learned, answer)

    async def _clear(self) -> None:
        await self.line.change(f"{self.path}/clear-stm")
        self._took(self.session.cleared(), [], None)

    async def _clear_all(self) -> None:
        if not self.alone:
            return
        await self.line.change(f"{self.path}/clear-all")
        self._took(replace(self.session.cleared(), time=0), [], None)
        self.user.knowledge.histories.clear()
        self.user.started.clear()
        self.user.vectors.clear()

    async def _edit(self) -> None:
        name = self._own_pattern()
        if name is None:
            return
        emotives = tuple({"joy": self._feeling()} for _ in range(self.rng.randint(0, 2)))
        edited = Edited(self.rng.randint(0, 9), emotives)
        body = {"frequency": edited.frequency, "emotives": list(edited.emotives)}
        answer = await self.line.insist("PUT", f"{self.path}/patterns/{name}", body)
        self.user.knowledge.histories[name].operations.append(edited)
        self._perhaps_retire(name, answer)

    async def _delete(self) -> None:
        name = self._own_pattern()
        if name is None:
            return
        answer = await self.line.insist("DELETE", f"{self.path}/patterns/{name}", gone=404)
        self.user.knowledge.histories[name].operations.append(Deleted())
        self._perhaps_retire(name, answer)

    def _perhaps_retire(self, name: str, answer: Answer) -> None:
        """Retire a pattern if an earlier try of its edit may still happen, late."""
        if answer.attempts > 1:
            self.retired.add(name)

    async def _read(self) -> None:
        answer = await self.line.insist("GET", f"{self.path}/stm")
        self._require(answer, stm=[list(event) for event in self.session.stm])

    async def _predict(self) -> None:
        """Own patterns are predicted with their exact frequencies, shared ones within bounds."""
        shared = {name: self._frequency(name) for name in self.user.started}
        answer = await self.line.insist("GET", f"{self.path}/predictions")
        predictions = {one["name"]: one for one in answer.body["predictions"]}
        state = {symbol for event in self.session.stm for symbol in event}
        for name, history in self.user.knowledge.alive().items():
            if not self._is_own(history.events) or self.session.symbols < 2:
                continue
            symbols = {symbol for event in history.events for symbol in event}
            found = predictions.pop(name, None)
            if (found is not None) != bool(symbols & state):
                raise ViolationError(f"{self.name}: {name} {history} predicted: {found}")
            if found is not None:
                self._compare(found, *history.state())
        for name, prediction in predictions.items():
            if name in self.user.started:
                least, most = shared.get(name, 0), self.user.started[name]
                if not least <= prediction["frequency"] <= most:
                    raise ViolationError(f"{self.name}: not in {least}…{most}: {prediction}")
            elif any(map(self._is_mine, _flat(prediction["sequence"]))):
                raise ViolationError(f"{self.name}: never learned, or deleted: {prediction}")

    def _compare(self, found: dict[str, Any], frequency: int, window: list[Any]) -> None:
        if (found["frequency"], found["emotives"]) != (frequency, mean(window)):
            raise ViolationError(f"{self.name}: {frequency}, {window} expected: {found}")

    def _frequency(self, name: str) -> int:
        history = self.user.knowledge.histories.get(name)
        return history.state()[0] if history else 0

    async def _unwanted(self, after: Session, learned: Iterable[Learned]) -> bool:
        """Whether a change would learn a retired pattern or make the STM long; if so, clear."""
        retired = any(one.name in self.retired for one in learned)
        if retired or len(after.stm) > LONGEST_STM:
            await self._clear()
            return True
        return False

    def _took(
        self,
        after: Session,
        learned: Iterable[Learned],
        answer: Answer | None,
        asked_at: float = 0.0,
    ) -> list[int]:
        """Note an acknowledged change; the frequencies that its learns must have returned."""
        self.done += 1
        self.user.sessions[self.session_id] = after
        if answer is not None:
            self._require(answer, stm_length=len(after.stm), time=after.time)
            asked_at = answer.asked_at
        now = time.monotonic()
        return [self.user.knowledge.learn(one, asked_at, now) for one in learned]

    def _require(self, answer: Answer, **expected: Any) -> None:
        found = {key: answer.body.get(key) for key in expected}
        if found != expected:
            raise ViolationError(f"{self.name}: {expected} expected: {answer.body}")

    def _item(self) -> Item:
        """An observation with symbols that name this client."""
        own = [f"{self.name}-{self.rng.randrange(5)}" for _ in range(self.rng.randint(1, 2))]
        item: Item = {"strings": own}
        if self.rng.random() < 0.2:
            item["strings"] = [*own, f"s{self.rng.randint(1, 5)}"]
        if self.rng.random() < 0.3:
            item["emotives"] = {"joy": self._feeling(), "fear": self._feeling()}
        if self.with_vectors and self.rng.random() < 0.4:
            item["vectors"] = [[self.rng.uniform(-1, 1) for _ in range(4)]]
        return item

    def _feeling(self) -> float:
        return self.rng.randint(-8, 8) / 4

    def _own_pattern(self) -> str | None:
        alive = self.user.knowledge.alive()
        own = [name for name, one in alive.items() if self._is_own(one.events)]
        own = [name for name in own if name not in self.retired]
        return self.rng.choice(own) if own else None

    def _is_own(self, events: Iterable[Event]) -> bool:
        return any(self._is_mine(symbol) for event in events for symbol in event)

    def _is_mine(self, symbol: str) -> bool:
        return symbol.startswith(f"{self.name}-")


@dataclass
class Crowd:
    """Several clients that share one session; each numbers what it observes."""

    name: str
    line: Line
    rng: Random
    path: str = ""
    observed: dict[int, list[str]] = field(default_factory=dict)
    """By member, the acknowledged symbols in order."""

    async def run(self, stop: asyncio.Event, members: int = 3) -> None:
        answer = await self.line.insist("POST", "/v2/sessions", {"user_id": self.name})
        self.path = f"/v2/sessions/{answer.body['session_id']}"
        async with asyncio.TaskGroup() as tasks:
            for member in range(members):
                self.observed[member] = []
                tasks.create_task(self._observe(member, stop))
            tasks.create_task(self._learn(stop))

    async def _observe(self, member: int, stop: asyncio.Event) -> None:
        while not stop.is_set():
            symbol = f"{member}-{len(self.observed[member])}"
            await self.line.change(f"{self.path}/observe", strings=[symbol])
            self.observed[member].append(symbol)
            await asyncio.sleep(self.rng.uniform(0, 0.05))

    async def _learn(self, stop: asyncio.Event) -> None:
        """Learn now and then, once something was observed."""
        while not stop.is_set():
            await asyncio.sleep(self.rng.uniform(0.2, 0.8))
            if sum(map(len, self.observed.values())):
                await self._learn_once()

    async def _learn_once(self) -> None:
        try:
            await self.line.change(f"{self.path}/learn")
        except ViolationError as error:
            if "EMPTY_STM" not in str(error):
                raise


def _flat(events: Iterable[Iterable[str]]) -> Iterable[str]:
    return (symbol for event in events for symbol in event)
