"""What a text recalls from a user's knowledge, for the retrievers of all libraries."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kato_client.answers import Prediction, Predictions
from kato_client.asynchronous.client import AsyncKato
from kato_client.observations import Event
from kato_client.synchronous.client import Kato

EventsOf = Callable[[str], Iterable[Event]]
TextOf = Callable[[Prediction], str]
USUAL_K = 4
USUAL_GENES: Mapping[str, Any] = {"single_symbol_predictions": True}
"""A question of one word is usual for a retriever, and recalls nothing without this gene."""


def words(query: str) -> list[str]:
    """Each word is an event; what white space separates is a word."""
    return query.split()


def symbols_as_text(found: Prediction) -> str:
    """The symbols of the whole pattern, separated by spaces."""
    return " ".join(symbol for event in found.sequence for symbol in event)


@dataclass(frozen=True, slots=True)
class Recall:
    """How questions are asked."""

    kato: Kato
    async_kato: AsyncKato | None
    user: str | None
    events_of: EventsOf
    genes: Mapping[str, Any]

    def ask(self, query: str, k: int) -> Predictions:
        """The *k* best patterns for *query*. Raises KatoError."""
        events = self.events_of(query)
        return self.kato.user(self.user).predict(events, genes=self.genes, limit=k)

    async def ask_async(self, query: str, k: int) -> Predictions:
        """The same; without an asynchronous client, a thread waits for the answer."""
        if self.async_kato is None:
            return await asyncio.to_thread(self.ask, query, k)
        events = self.events_of(query)
        return await self.async_kato.user(self.user).predict(events, genes=self.genes, limit=k)
