"""Erases users, once for each request, whatever fails in between (knowledge.md §10).

An erasure is stored before it begins. Whoever finds one that nobody works on completes it. The
clear that it puts into the log is what erases: from there on, nobody sees anything of the user's
knowledge; the rest removes what is left in the stores.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import structlog

from kato_service.domain.deadline import Deadline, within
from kato_service.errors import DeadlineExceededError, KatoError, OutcomeUnknownError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.model.entries import Clear
from kato_service.knowledge.model.erasures import Erasure
from kato_service.knowledge.model.log import LAST_REVISION
from kato_service.knowledge.vectors.vector_store import VectorStore
from kato_service.sessions.erasing import SessionEraser
from kato_service.users.directory import UserDirectory

log = structlog.get_logger()

TOKEN_BYTES = 16
ID_BYTES = 6
EVERY_CLEAR = LAST_REVISION + 1
"""Greater than the revision of any clear."""
READING_S = 600.0
"""Seconds that loading a large knowledge base may take, for the clear."""
CONTINUED = "the user is being erased; repeat this request to learn when it is done"


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """When erasures are looked after."""

    interval_s: float = 2.0
    """Seconds between two looks for erasures that nobody works on, and for snapshot files."""
    overdue_s: float = 6.0
    """Seconds without progress after which somebody else completes an erasure."""
    touch_s: float = 2.0
    """Seconds after which the process that works on one says so again."""
    recent_s: float = 600.0
    """Seconds for which snapshot files are looked for again: one may just have been written."""
    kept_s: float = 90 * 86_400.0
    """Seconds for which a trace is kept, for replicas whose disks hold snapshot files."""
    wall: Callable[[], float] = time.time


@dataclass(slots=True)
class Erased:
    """What one request, or one completion, has erased."""

    sessions: int = 0
    remembered_requests: int = 0
    patterns: int = 0
    vectors: int = 0
    documents: int = 0
    """Of the log and its views, in the store of knowledge."""
    is_gone: bool = True
    """Nothing is left; False: the user was used again, and only what came later is there."""


class UserEraser:
    def __init__(
        self,
        instance: str,
        directory: UserDirectory,
        knowledge: KnowledgeBases,
        sessions: SessionEraser,
        vectors: VectorStore | None,
        plan: ErasurePlan | None = None,
    ) -> None:
        self._instance = instance
        self._directory = directory
        self._knowledge = knowledge
        self._sessions = sessions
        self._vectors = vectors
        self._plan = plan or ErasurePlan()
        self._wall = self._plan.wall
        self._working: dict[str, asyncio.Task[Erased]] = {}
        """Erasures that this process works on, by id."""
        self._looked_from = ""
        """The id from which the next look reads; '': all, since the process has just started."""

    async def erase(self, user_id: str | None, *, deadline: Deadline) -> Erased:
        """Erase everything of a user, or of nobody; may be repeated.

        The erasure continues when the request that asks for it goes away.

        Raises:
            OutcomeUnknownError: It is not done before *deadline*, and continues.
            StoreUnavailableError: A store did not answer; if it was stored, it is completed later.
        """
        erasure = await self._begun(user_id, deadline)
        task = self._start(erasure, resumed=False)
        try:
            async with within(deadline, CONTINUED):
                return await asyncio.shield(task)
        except DeadlineExceededError as exc:
            raise OutcomeUnknownError(CONTINUED) from exc

    async def run(self) -> None:
        """Complete erasures that were left, and remove snapshot files of those that are done."""
        await self._knowledge.is_set_up.wait()
        while True:
            try:
                await self.look()
            except KatoError as error:
                log.warning("erasures not looked after yet", reason=error.message)
            await asyncio.sleep(self._plan.interval_s)

    async def look(self) -> None:
        """One round of `run`."""
        now = self._wall()
        found = await self._knowledge.erasures.since(self._instance, self._looked_from)
        for one in found:
            overdue = now - one.touched_at > self._plan.overdue_s
            if not one.is_done and overdue and one.id not in self._working:
                await asyncio.wait([self._start(one, resumed=True)])
        await self._knowledge.remove_snapshots([one for one in found if one.revision])
        unfinished = [one.id for one in found if not one.is_done]
        self._looked_from = min([*unfinished, _id_at(now - self._plan.recent_s)])

    async def close(self) -> None:
        """Leave what is under way to others, or to the next start."""
        for task in tuple(self._working.values()):
            task.cancel()
        await asyncio.gather(*self._working.values(), return_exceptions=True)

    async def _begun(self, user_id: str | None, deadline: Deadline) -> Erasure:
        kb = self._directory.base_of(user_id)
        now = self._wall()
        async with within(deadline, "the knowledge log did not answer before the deadline"):
            head = await self._knowledge.head(kb)
            erasure = Erasure(
                id=f"{_id_at(now)}-{secrets.token_hex(ID_BYTES)}",
                incarnation="" if head is None else head.incarnation,
                kb=kb,
                user=user_id,
                token=secrets.token_hex(TOKEN_BYTES),
                touched_at=now,
            )
            if head is not None:
                base = self._knowledge.get(kb, user_id)
                erasure = replace(erasure, since=await base.open(deadline=deadline))
            await self._knowledge.erasures.begin(self._instance, erasure)
        return erasure

    def _start(self, erasure: Erasure, *, resumed: bool) -> "asyncio.Task[Erased]":
        task = asyncio.create_task(self._completed(erasure, resumed=resumed))
        self._working[erasure.id] = task
        task.add_done_callback(lambda done: self._ended(erasure.id, done))
        return task

    def _ended(self, erasure_id: str, task: "asyncio.Task[Erased]") -> None:
        self._working.pop(erasure_id, None)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, KatoError):
            log.warning("erasure not completed yet", reason=error.message)
        elif error is not None:
            log.error("erasure crashed", exc_info=error)

    async def _completed(self, erasure: Erasure, *, resumed: bool) -> Erased:
        progress = _Progress(self._touch, erasure, self._plan.touch_s, self._wall)
        erased = Erased()
        if self._vectors is not None:
            cleared = await self._last_clear(erasure.kb)
            erased.vectors = await self._vectors.count(erasure.kb, cleared)
        if erasure.incarnation and not erasure.revision:
            erasure = await self._cleared(erasure, erased, resumed=resumed)
            progress.erasure = erasure
            await progress.note()
        # Before the sessions, so that no replica that reaches its store creates one with it later.
        await self._directory.configurations.remove(erasure.kb)
        sessions = await self._sessions.erase(erasure.user)
        erased.sessions, erased.remembered_requests = sessions.sessions, sessions.remembered
        await progress.note()
        removed = await self._knowledge.remove_erased(erasure, progress)
        erased.documents = removed.entries + removed.views
        erased.is_gone = removed.is_gone
        if self._vectors is not None:
            # What is observed from now on belongs to the log that is there now, if there is one.
            before = EVERY_CLEAR if removed.is_gone else await self._last_clear(erasure.kb)
            await self._vectors.drop_before(erasure.kb, before)
        await self._knowledge.erasures.note(self._instance, erasure.trace)
        oldest = _id_at(self._wall() - self._plan.kept_s)
        await self._knowledge.erasures.forget(self._instance, oldest)
        await self._knowledge.scrub()
        return erased

    async def _cleared(self, erasure: Erasure, erased: Erased, *, resumed: bool) -> Erasure:
        """The erasure with the revision of its clear, which is in the log then."""
        head = await self._knowledge.head(erasure.kb)
        if head is None or head.incarnation != erasure.incarnation:
            return erasure  # another erasure has removed that log
        base = self._knowledge.get(erasure.kb, erasure.user)
        async with base.reading(deadline=Deadline.after(READING_S)) as reading:
            erased.patterns = len(reading.patterns)
        clear = Clear(erasure.token, erases=True)
        (applied,) = await base.append((clear,), since=erasure.since, lookup=resumed)
        return replace(erasure, revision=applied.revision)

    async def _last_clear(self, kb: str) -> int:
        base = self._knowledge.get(kb)
        async with base.reading(deadline=Deadline.after(READING_S)) as reading:
            return reading.cleared

    async def _touch(self, erasure: Erasure) -> None:
        await self._knowledge.erasures.note(self._instance, erasure)


class _Progress:
    """Says from time to time that somebody works on an erasure."""

    def __init__(
        self,
        touch: Callable[[Erasure], Coroutine[Any, Any, None]],
        erasure: Erasure,
        every_s: float,
        wall: Callable[[], float],
    ) -> None:
        self.erasure = erasure
        self._touch = touch
        self._every_s = every_s
        self._wall = wall

    async def __call__(self) -> None:
        if self._wall() - self.erasure.touched_at > self._every_s:
            await self.note()

    async def note(self) -> None:
        self.erasure = replace(self.erasure, touched_at=self._wall())
        await self._touch(self.erasure)


def _id_at(seconds: float) -> str:
    """What ids of erasures begin with that start at this time."""
    return f"{max(0, int(seconds * 1000)):013}"
