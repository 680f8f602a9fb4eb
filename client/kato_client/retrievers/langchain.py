"""LangChain: a retriever whose documents are patterns."""

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from kato_client.answers import Prediction
from kato_client.asynchronous.client import AsyncKato
from kato_client.retrievers.recall import (
    USUAL_GENES,
    USUAL_K,
    EventsOf,
    Recall,
    TextOf,
    symbols_as_text,
    words,
)
from kato_client.synchronous.client import Kato


class KatoRetriever(BaseRetriever):
    """Recalls the patterns of one user, best first, without a session; nothing is stored.

    `invoke`, `ainvoke`, `batch` and `abatch` raise KatoError. A document's `id` is the name of the
    pattern, and its `metadata` is the prediction: `similarity`, `future`, `missing` and the rest.
    """

    kato: Kato
    """It stays open: close it when you are done."""
    async_kato: AsyncKato | None = None
    """For `ainvoke` and `abatch`; without it, they call `kato` in threads."""
    user: str | None
    """Whose knowledge; None: the instance's own."""
    k: int = USUAL_K
    """How many documents, at most; `invoke(query, k=…)` overrules it."""
    events_of: EventsOf = words
    """Makes the events of a query: the symbols in it must be those that were learned."""
    text_of: TextOf = symbols_as_text
    """Makes the text of a document."""
    genes: Mapping[str, Any] = USUAL_GENES
    """Tunables of the questions, on top of the user's configuration."""

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
    ) -> list[Document]:
        found = self._recall.ask(query, self.k if k is None else k)
        return [self._document(one) for one in found]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
    ) -> list[Document]:
        found = await self._recall.ask_async(query, self.k if k is None else k)
        return [self._document(one) for one in found]

    @property
    def _recall(self) -> Recall:
        return Recall(self.kato, self.async_kato, self.user, self.events_of, self.genes)

    def _document(self, found: Prediction) -> Document:
        return Document(page_content=self.text_of(found), id=found.name, metadata=dict(found.raw))
