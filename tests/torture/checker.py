"""Compares what was acknowledged with what every replica holds, once the stack has healed."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any
from uuid import uuid4

import httpx

from torture.hammer import GENES, Crowd, User, ViolationError
from torture.model import Deleted, Edited, History, Learned, Operation
from torture.stack import Stack

PATIENCE_S = 180.0
PAGE = 200
BY_ITSELF = {**GENES, "sort_symbols": False}
"""Genes for a replay: events keep the order in which they were learned."""


async def check(
    stack: Stack, users: Iterable[User], crowds: Iterable[Crowd], reference: httpx.AsyncClient
) -> None:
    """Compare everything; raises ViolationError."""
    for user in users:
        await _check_user(stack, user, reference)
    for crowd in crowds:
        await _check_crowd(stack, crowd)
    if stack.complaints:
        raise ViolationError("\n".join(stack.complaints[:20]))


async def settled(client: httpx.AsyncClient, path: str, wanted: int = 200) -> bytes:
    """The answer of one replica, once its circuits are closed again."""
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        response = await client.get(path, timeout=PATIENCE_S)
        if response.status_code == wanted:
            return response.content
        if response.status_code not in (503, 504) or time.monotonic() > give_up_at:
            health = (await client.get("/v2/health", timeout=PATIENCE_S)).text
            raise ViolationError(f"{path} on {client.base_url}: {response.text} {health}")
        await asyncio.sleep(0.1)


async def everywhere(stack: Stack, path: str, wanted: int = 200) -> bytes:
    """The answer of all replicas, which must be the same byte by byte."""
    answers = await asyncio.gather(*(settled(client, path, wanted) for client in stack.clients))
    if wanted == 200 and len(set(answers)) > 1:
        raise ViolationError(f"{path} differs between replicas: {answers}")
    return answers[0]


async def _check_user(stack: Stack, user: User, reference: httpx.AsyncClient) -> None:
    for session_id in user.deleted:
        await everywhere(stack, f"/v2/sessions/{session_id}", wanted=404)
    for session_id, session in user.sessions.items():
        found = _json(await everywhere(stack, f"/v2/sessions/{session_id}/stm"))["stm"]
        _require(user, "stm", found, [list(event) for event in session.stm])
    some = next(iter(user.sessions))
    patterns = await patterns_of(stack, some)
    _check_patterns(user, patterns)
    for symbol, vector in user.vectors.items():
        content = await everywhere(stack, f"/v2/sessions/{some}/vectors/{symbol}")
        _require(user, "vector", _json(content)["vector"], vector)
    order = [_bare(pattern["name"]) for pattern in patterns]
    await _check_predictions(stack, user, order, reference)


async def patterns_of(stack: Stack, session_id: str) -> list[dict[str, Any]]:
    """All patterns of the user of a session, in order of first learn."""
    patterns: list[dict[str, Any]] = []
    cursor = ""
    while True:
        path = f"/v2/sessions/{session_id}/patterns?limit={PAGE}{cursor}"
        page = _json(await everywhere(stack, path))
        patterns += page["patterns"]
        if page["next_cursor"] is None:
            return patterns
        cursor = f"&cursor={page['next_cursor']}"


def _check_patterns(user: User, patterns: Sequence[dict[str, Any]]) -> None:
    alive = user.knowledge.alive()
    names = [_bare(pattern["name"]) for pattern in patterns]
    _require(user, "patterns", sorted(names), sorted(alive))
    for pattern in patterns:
        history = alive[_bare(pattern["name"])]
        frequency, window = history.state()
        found = (pattern["pattern_data"], pattern["frequency"], pattern["emotives"])
        events = [list(event) for event in history.events]
        _require(user, pattern["name"], found, (events, frequency, window))
    for earlier, later in combinations(names, 2):
        _check_order(user, alive[earlier], alive[later])


def _check_order(user: User, earlier: History, later: History) -> None:
    if later.acknowledged_at < earlier.asked_at:
        raise ViolationError(f"{user.name}: {later} was learned before {earlier} was asked for")


async def _check_predictions(
    stack: Stack, user: User, order: Sequence[str], reference: httpx.AsyncClient
) -> None:
    """Predictions must have the same bytes as those of one process that learned the same."""
    stranger = uuid4().hex
    teacher = await _created(reference, stranger)
    for name, operation in user.knowledge.replayed(order):
        await _replay(reference, teacher, name, operation)
    for session_id, session in user.sessions.items():
        found = await everywhere(stack, f"/v2/sessions/{session_id}/predictions")
        pupil = await _created(reference, stranger)
        items = [{"strings": list(event)} for event in session.stm]
        await _done(reference.post(f"{pupil}/observe-sequence", json={"observations": items}))
        expected = await settled(reference, f"{pupil}/predictions")
        if _predictions(found) != _predictions(expected):
            raise ViolationError(
                f"{user.name}: predictions of {session} differ from those of one process:\n"
                f"{_predictions(found)!r}\n{_predictions(expected)!r}"
            )


async def _replay(
    reference: httpx.AsyncClient, session: str, name: str, operation: Operation
) -> None:
    path = f"{session}/patterns/{name}"
    match operation:
        case Learned():
            items: list[dict[str, Any]] = [{"strings": list(event)} for event in operation.events]
            items += [{"emotives": emotives} for emotives in operation.maps]
            body = {"observations": items, "learn_at_end": True}
            await _done(reference.post(f"{session}/observe-sequence", json=body))
        case Edited():
            edit = {"frequency": operation.frequency, "emotives": list(operation.emotives)}
            await _done(reference.put(path, json=edit))
        case Deleted():
            await _done(reference.delete(path))


async def _created(reference: httpx.AsyncClient, user: str) -> str:
    body = {"user_id": user, "config": BY_ITSELF}
    response = await _done(reference.post("/v2/sessions", json=body))
    return f"/v2/sessions/{response.json()['session_id']}"


async def _done(asked: Any) -> httpx.Response:
    response: httpx.Response = await asked
    if response.status_code != 200:
        raise ViolationError(f"the reference process refused: {response.text}")
    return response


async def _check_crowd(stack: Stack, crowd: Crowd) -> None:
    """Patterns and STM together must hold what all members sent: once, and in their order."""
    session_id = crowd.path.rpartition("/")[2]
    patterns = await patterns_of(stack, session_id)
    left = _json(await everywhere(stack, f"{crowd.path}/stm"))["stm"]
    events = [event for pattern in patterns for event in pattern["pattern_data"]]
    found = [symbol for event in (*events, *left) for symbol in event]
    for member, sent in crowd.observed.items():
        mine = [symbol for symbol in found if symbol.startswith(f"{member}-")]
        if mine != sent:
            raise ViolationError(f"{crowd.name}: member {member} sent {sent}, found {mine}")
    if any(pattern["frequency"] != 1 for pattern in patterns):
        raise ViolationError(f"{crowd.name}: learned twice: {patterns}")
    if len(found) != sum(map(len, crowd.observed.values())):
        raise ViolationError(f"{crowd.name}: more than was sent: {found}")


def _require(user: User, what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise ViolationError(f"{user.name}, {what}: expected {expected}, found {found}")


def _predictions(content: bytes) -> bytes:
    return content[: content.index(b',"session_id"')]


def _json(content: bytes) -> Any:
    return httpx.Response(200, content=content).json()


def _bare(name: str) -> str:
    return name.removeprefix("PTRN|")
