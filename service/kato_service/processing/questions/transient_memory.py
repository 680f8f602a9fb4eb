"""Short-term memories for one request: what a session would hold after the same observations.

Nothing is stored: vectors are looked up, nothing is learned, and no knowledge base is created.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.domain.observation import Observation
from kato_service.domain.pattern import Event
from kato_service.errors import InvalidInputError
from kato_service.knowledge.replica.turns import Turns
from kato_service.processing.memory_manager import MemoryManager
from kato_service.processing.observation_processor import ObservationProcessor, first_with_vectors
from kato_service.processing.vector_processor import VectorProcessor
from kato_service.sessions.state import SessionState


@dataclass(frozen=True, slots=True)
class Transient:
    state: SessionState
    stm_truncated: bool
    """The oldest events had to make room."""


class TransientMemory:
    def __init__(
        self, memory: MemoryManager, observations: ObservationProcessor, vectors: VectorProcessor
    ) -> None:
        self._memory = memory
        self._observations = observations
        self._vectors = vectors

    async def after(
        self,
        state: SessionState,
        observations: Iterable[Observation],
        genes: Genes,
        *,
        part: str,
        deadline: Deadline,
    ) -> Transient:
        """The *state* of a session that observed nothing yet, after *observations*.

        Args:
            part: The field of the request that has them, for what is wrong with one.

        Raises:
            InvalidInputError: One is invalid or exceeds a limit.
            StoreUnavailableError: A vector could not be looked up.
        """
        turns, newest = Turns(), self._memory.newest()
        checked = await self._checked(state.processor_id, observations, part, turns, deadline)
        for number, observation in enumerate(checked):
            event = await self._event(state.processor_id, observation, genes, deadline)
            try:
                if event:
                    newest.add(event)
            except InvalidInputError as error:
                raise _placed(error, part, number) from error
            await turns.give()
        after = replace(state, stm=newest.stm, time=len(checked))
        return Transient(after, stm_truncated=newest.truncated)

    async def _checked(
        self,
        kb: str,
        given: Iterable[Observation],
        part: str,
        turns: Turns,
        deadline: Deadline,
    ) -> list[Observation]:
        observations: list[Observation] = []
        dimension = 0
        for number, observation in enumerate(given):
            observations.append(observation)
            try:
                dimension = self._observations.check_alone(observation, dimension)
            except InvalidInputError as error:
                raise _placed(error, part, number) from error
            await turns.give()
        first = first_with_vectors(observations)
        if first is not None:
            try:
                vectors = observations[first].vectors
                await self._vectors.check_dimension(kb, vectors, deadline=deadline)
            except InvalidInputError as error:
                raise _placed(error, part, first) from error
        return observations

    async def _event(
        self, kb: str, observation: Observation, genes: Genes, deadline: Deadline
    ) -> Event:
        vectors = await self._vectors.known_symbols(
            kb, observation.vectors, genes, deadline=deadline
        )
        strings = observation.strings
        return (*vectors, *(sorted(strings) if genes.sort_symbols else strings))


def _placed(error: InvalidInputError, part: str, number: int) -> InvalidInputError:
    """*error*, about one observation, as one about that of this *number* in a *part* of a body."""
    placed = error.inside(part, number)
    if part != "events":
        return placed
    # An event is its list of strings, without the field that observations have for them.
    findings = [
        replace(each, place=tuple(step for step in each.place if step != "strings"))
        for each in placed.findings
    ]
    return type(placed)(findings, placed.count)
