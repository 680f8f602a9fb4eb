"""Lines of a bulk learn: each learns what a session would that observed its events and learned.

Nothing is stored here but vectors: a line is planned, and whoever asked appends its entries.
"""

from collections.abc import Sequence
from typing import NamedTuple

from kato_service.domain.deadline import Deadline
from kato_service.domain.genes import Genes
from kato_service.domain.observation import Observation
from kato_service.domain.pattern import name_of_lists
from kato_service.domain.shares import Holder
from kato_service.errors import StoreUnavailableError
from kato_service.knowledge.model.entries import Learn
from kato_service.knowledge.model.entry_names import named_token
from kato_service.processing.limits import ObservationLimits
from kato_service.processing.observation_processor import ObservationProcessor
from kato_service.processing.pattern_processor import MIN_PATTERN_SYMBOLS, Tokens
from kato_service.processing.sequence import SequenceOptions, SequencePlan, SequenceProcessor
from kato_service.sessions.state import SessionState

_OPTIONS = SequenceOptions(learn_after_each=False, learn_at_end=True, clear_stm_between=False)


class LineId(NamedTuple):
    """By what a repeat of a line is recognised."""

    unique_id: str
    content: bytes
    """Equal for lines that ask for the same."""


class PlannedLine(NamedTuple):
    """What a line appends to the log of its knowledge base."""

    kb: str
    entries: tuple[Learn, ...] = ()
    """In order; empty: there was too little to learn."""
    learns_last: bool = False
    """Whether the last of them is what the whole line learned, and not an automatic learn."""
    stm_truncated: bool = False
    """The oldest events or emotive maps had to make room."""


class LineProcessor:
    def __init__(
        self,
        observations: ObservationProcessor,
        sequences: SequenceProcessor,
        genes: Genes,
        limits: ObservationLimits,
    ) -> None:
        """*genes*: those of the instance."""
        self.genes = genes
        self._observations = observations
        self._sequences = sequences
        self._limits = limits
        self._tokens = Tokens()
        self._short = min(limits.max_symbol_chars, limits.max_strings_per_event)
        """Bytes of a line up to which no symbol and no event in it can be too long."""

    def at_once(
        self,
        kb: str,
        events: Sequence[list[str]],
        size_bytes: int,
        genes: Genes,
        line_id: LineId | None,
    ) -> PlannedLine | None:
        """The plan of a line of symbols alone.

        Args:
            events: Valid Unicode texts.
            size_bytes: Of the line as it was sent, at least those of its symbols.

        Returns:
            None if it may exceed a limit, or learns automatically: `planned` knows.
        """
        limits = self._limits
        if genes.max_pattern_length or len(events) > limits.max_stm_events:
            return None
        if size_bytes > limits.max_stm_bytes or self._may_be_too_long(events, size_bytes):
            return None
        kept = [event for event in events if event]
        symbols = sum(map(len, kept))
        if symbols > limits.max_stm_symbols:
            return None
        if symbols < MIN_PATTERN_SYMBOLS:
            return PlannedLine(kb)
        if symbols > len(kept) and genes.sort_symbols:
            kept = [sorted(event) for event in kept]
        token = named_token(*line_id) if line_id else self._tokens.next()
        stm = tuple(map(tuple, kept))
        entry = Learn(token, name_of_lists(kept), stm, None, genes.persistence)
        return PlannedLine(kb, (entry,), learns_last=True)

    async def planned(
        self,
        kb: str,
        observations: Sequence[Observation],
        genes: Genes,
        line_id: LineId | None,
        *,
        caller: Holder | None,
        deadline: Deadline,
    ) -> PlannedLine:
        """The plan of any line; its vectors are stored.

        Raises:
            InvalidInputError: The line is refused; nothing changed.
            VectorLimitExceededError: It has the first vectors of its knowledge base, and too many
                others have some; nothing changed.
            StoreUnavailableError: Its vectors were not stored; repeating it is safe.
        """
        check = self._observations.check
        await check(kb, observations, in_sequence=True, caller=caller, deadline=deadline)
        plan = SequencePlan(_blank(kb), _OPTIONS)
        cut = await self._sequences.apply(plan, observations, genes, deadline=deadline)
        if cut is not None:
            raise StoreUnavailableError("the vectors of the line were not stored; retry") from cut
        entries = tuple(plan.learned)
        if line_id is not None:
            entries = tuple(
                entry._replace(token=named_token(*line_id, part))
                for part, entry in enumerate(entries)
            )
        truncated = any(result.stm_truncated for result in plan.results)
        return PlannedLine(kb, entries, bool(plan.final), truncated)

    def _may_be_too_long(self, events: Sequence[list[str]], size_bytes: int) -> bool:
        if size_bytes <= self._short:
            return False
        most, longest = self._limits.max_strings_per_event, self._limits.max_symbol_chars
        return any(len(event) > most for event in events) or any(
            len(symbol) > longest for event in events for symbol in event
        )


def _blank(kb: str) -> SessionState:
    """A session that is stored nowhere and observed nothing yet."""
    return SessionState(
        session_id="",
        incarnation="",
        user_id=None,
        processor_id=kb,
        created_at=0.0,
        ttl_s=None,
        expires_at=None,
        last_accessed_at=0.0,
    )
