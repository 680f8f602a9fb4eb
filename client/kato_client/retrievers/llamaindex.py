"""LlamaIndex: a retriever whose nodes are patterns."""

from collections.abc import Mapping
from typing import Any

from llama_index.core.callbacks import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

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

    `retrieve` and `aretrieve` raise KatoError. A node's `node_id` is the name of the pattern, its
    `metadata` is the prediction, and its `score` the similarity, from 0 to 1.
    """

    def __init__(  # noqa: PLR0913 - most may be left out
        self,
        kato: Kato,
        *,
        user: str | None,
        async_kato: AsyncKato | None = None,
        k: int = USUAL_K,
        events_of: EventsOf = words,
        text_of: TextOf = symbols_as_text,
        genes: Mapping[str, Any] = USUAL_GENES,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        """Nothing is sent yet.

        Args:
            kato: It stays open: close it when you are done.
            user: Whose knowledge; None: the instance's own.
            async_kato: For `aretrieve`; without it, that calls *kato* in a thread.
            k: How many nodes, at most.
            events_of: Makes the events of a query: the symbols in it must be those that were
                learned.
            text_of: Makes the text of a node.
            genes: Tunables of the questions, on top of the user's configuration.
        """
        super().__init__(callback_manager=callback_manager)
        self._recall = Recall(kato, async_kato, user, events_of, genes)
        self._k = k
        self._text_of = text_of

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._recall.ask(query_bundle.query_str, self._k)
        return [self._node(one) for one in found]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = await self._recall.ask_async(query_bundle.query_str, self._k)
        return [self._node(one) for one in found]

    def _node(self, found: Prediction) -> NodeWithScore:
        """The figures are for programs: language models get the text alone."""
        node = TextNode(
            id_=found.name,
            text=self._text_of(found),
            metadata=dict(found.raw),
            excluded_llm_metadata_keys=list(found.raw),
            excluded_embed_metadata_keys=list(found.raw),
        )
        return NodeWithScore(node=node, score=found.similarity)
