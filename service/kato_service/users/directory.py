"""Which users there are, and how large their knowledge is (http-api.md §6).

A list shows what the heads of logs say, and loads no knowledge base. One user is shown as of now.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from kato_service.domain.deadline import Deadline, within
from kato_service.domain.identity import processor_id_of
from kato_service.errors import UserNotFoundError
from kato_service.knowledge.bases import KnowledgeBases
from kato_service.knowledge.configurations import UserConfigurations
from kato_service.knowledge.model.log import Head
from kato_service.knowledge.vectors.vector_store import VectorStore
from kato_service.sessions.session_manager import SessionManager

_SLOW = "the stores did not answer before the deadline"


@dataclass(frozen=True, slots=True)
class UserFacts:
    """What is known of a user, or of the knowledge base of nobody."""

    user_id: str | None
    """None: nobody, or a user whose name is not known yet (see `Head.user`)."""
    processor_id: str
    revision: int | None
    """Of the log, which the figures are of; None: there are no figures."""
    as_of: datetime | None
    """When they were taken; None: now."""
    patterns: int | None
    symbols: int | None
    learns: int | None
    learned_at: datetime | None
    loaded_bytes: int | None
    """In the memory of the process that answers; None: not loaded there."""
    is_configured: bool
    """Whether there is a configuration for the user's sessions."""
    vectors: int | None = None
    """None: not counted."""
    sessions: int | None = None


class UserDirectory:
    def __init__(
        self,
        instance: str,
        knowledge: KnowledgeBases,
        sessions: SessionManager,
        vectors: VectorStore | None,
        configurations: UserConfigurations,
    ) -> None:
        """*instance*: its processor id."""
        self._instance = instance
        self._knowledge = knowledge
        self._sessions = sessions
        self._vectors = vectors
        self.configurations = configurations

    def base_of(self, user_id: str | None) -> str:
        """The id of the knowledge base of a user; None: that of nobody."""
        return processor_id_of(self._instance, user_id)

    async def page(
        self, *, after: str, limit: int, deadline: Deadline
    ) -> tuple[Sequence[UserFacts], str | None]:
        """Up to *limit* knowledge bases in order of their ids, and the id to continue after.

        Args:
            after: Only ids after this one; '' for the first page.
        """
        async with within(deadline, _SLOW):
            found = await self._knowledge.heads(self._instance, after, limit=limit + 1)
            await self.configurations.current()
        shown = [self._listed(kb, head) for kb, head in found[:limit]]
        return shown, shown[-1].processor_id if len(found) > limit else None

    async def get(self, user_id: str | None, *, deadline: Deadline) -> UserFacts:
        """A user as of now; loads the knowledge base.

        Raises:
            UserNotFoundError: The user has neither knowledge nor sessions nor a configuration.
        """
        kb = self.base_of(user_id)
        base = self._knowledge.get(kb, user_id)
        async with base.reading(deadline=deadline) as reading:
            revision, cleared = reading.revision, reading.cleared
            counted = reading.statistics
            sizes = (len(reading.patterns), counted.distinct_symbols, counted.total_learns)
        async with within(deadline, _SLOW):
            head = await self._knowledge.head(kb)
            sessions = await self._sessions.count_of(user_id)
            vectors = 0 if self._vectors is None else await self._vectors.count(kb, cleared)
            is_configured = await self.configurations.get(kb) is not None
            is_known = head is not None or sessions or vectors or is_configured
            if not is_known and user_id is not None:
                raise UserNotFoundError
            learned_at = None if head is None else await self._knowledge.learned_at(kb, head)
        loaded_bytes = base.loaded_bytes
        facts = (learned_at, loaded_bytes, is_configured)
        found = UserFacts(user_id, kb, revision, None, *sizes, *facts)
        return replace(found, vectors=vectors, sessions=sessions)

    def _listed(self, kb: str, head: Head) -> UserFacts:
        figures = head.figures
        own = (self._knowledge.loaded_bytes(kb), self.configurations.is_configured(kb))
        if figures is None:
            return UserFacts(head.user, kb, None, None, None, None, None, None, *own)
        sizes = (figures.patterns, figures.symbols, figures.learns)
        place = (figures.revision, figures.at)
        return UserFacts(head.user, kb, *place, *sizes, figures.learned_at, *own)
