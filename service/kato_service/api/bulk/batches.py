"""Lines that are learned together: one group for each knowledge base, in the order of the lines."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import TypeGuard

from kato_service.api.bulk.line_reader import Line
from kato_service.api.bulk.outcomes import Outcome
from kato_service.api.intake.calls import Call
from kato_service.domain.deadline import Deadline, within
from kato_service.errors import DeadlineExceededError, KatoError, OutcomeUnknownError
from kato_service.knowledge.model.entries import Applied, Learn
from kato_service.knowledge.model.entry_names import name_in

BATCH_LINES = 512
"""Lines of a batch: as many as one insert into a log takes (`KnowledgeLimits.group_entries`)."""
BATCH_BYTES = 256 * 1024
"""Bytes of a batch, as its lines were sent."""
FAILED = 500
"""Statuses from here on are failures of a store or of the service, not of a line."""
PREPARED_AT_ONCE = 8
"""Knowledge bases that are loaded at once for one batch."""
_NOT_READY = "the knowledge base was not ready in time; send the line again later"


@dataclass(frozen=True, slots=True)
class Settled:
    """Lines with the outcomes of their entries."""

    lines: Sequence[Line]
    outcomes: Sequence[Sequence[Outcome]]
    """By line; empty for one that has no entries."""

    @property
    def failure(self) -> KatoError | None:
        """Why a store, or the service, could not learn some of them: later ones would fail too."""
        refused = (line.error for line in self.lines if line.error is not None)
        every = chain(refused, chain.from_iterable(self.outcomes))
        return next((one for one in every if _is_failure(one)), None)


async def begun(call: Call, lines: Sequence[Line], deadline: Deadline) -> Awaitable[Settled]:
    """Wait until the knowledge bases of *lines* are ready, and start to learn.

    The entries of this batch are in the queue of the log before those of any batch that is begun
    after this returned.

    Returns:
        To be awaited: all lines with their outcomes, each of them durable.
    """
    groups: dict[str, list[tuple[int, Learn]]] = {}
    for place, line in enumerate(lines):
        if line.planned is not None and line.planned.entries:
            group = groups.setdefault(line.planned.kb, [])
            group += [(place, entry) for entry in line.planned.entries]
    found: list[list[Outcome]] = [[] for _ in lines]
    with ExitStack() as opening:
        for kb in groups:
            opening.enter_context(call.service.knowledge.get(kb).kept())
        failed = await _prepared(call, groups, deadline)
        tasks = []
        for kb, group in groups.items():
            if kb in failed:
                for place, _ in group:
                    found[place].append(failed[kb])
            else:
                tasks.append((group, asyncio.create_task(_appended(call, kb, group, deadline))))
        held = opening.pop_all()
    return _settled(call, lines, found, tasks, held)


async def _settled(
    call: Call,
    lines: Sequence[Line],
    found: list[list[Outcome]],
    tasks: list[tuple[list[tuple[int, Learn]], asyncio.Task[Sequence[Outcome]]]],
    held: ExitStack,
) -> Settled:
    with held:
        try:
            for group, task in tasks:
                outcomes = await task
                for (place, _), outcome in zip(group, outcomes, strict=True):
                    found[place].append(outcome)
        finally:
            for _, task in tasks:
                task.cancel()
    return Settled(lines, found)


async def _prepared(
    call: Call, groups: dict[str, list[tuple[int, Learn]]], deadline: Deadline
) -> dict[str, KatoError]:
    """The knowledge bases that are not ready, each with the reason."""
    at_once, failed = asyncio.Semaphore(PREPARED_AT_ONCE), dict[str, KatoError]()

    async def prepare(kb: str) -> None:
        named = any(name_in(entry.token) for _, entry in groups[kb])
        try:
            async with at_once, within(deadline, _NOT_READY):
                await call.service.knowledge.get(kb).prepare_many(named=named)
        except KatoError as error:
            failed[kb] = error

    if len(groups) == 1:
        await prepare(next(iter(groups)))
    else:
        async with asyncio.TaskGroup() as tasks:
            for kb in groups:
                tasks.create_task(prepare(kb))
    return failed


async def _appended(
    call: Call, kb: str, group: list[tuple[int, Learn]], deadline: Deadline
) -> Sequence[Outcome]:
    entries = [entry for _, entry in group]
    try:
        async with within(deadline, "the log did not confirm the line in time"):
            outcomes = await call.service.knowledge.get(kb).append_each(entries)
    except DeadlineExceededError as error:
        unknown = f"{error.message}; outcome unknown, repeating it with the same unique_id is safe"
        return [OutcomeUnknownError(unknown)] * len(group)
    names = [
        one.entry.name
        for one in outcomes
        if isinstance(one, Applied) and one.met and isinstance(one.entry, Learn)
    ]
    if names:
        call.service.metrics.learned(len(names))
        call.service.feed.learned(kb, names)
    return outcomes


def _is_failure(outcome: Outcome) -> TypeGuard[KatoError]:
    return isinstance(outcome, KatoError) and outcome.status_code >= FAILED
