"""Calls to Qdrant: bounded in time, with the errors of the service."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from grpc import StatusCode  # type: ignore[import-untyped]  # ships no types
from grpc.aio import AioRpcError  # type: ignore[import-untyped]  # ships no types
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from kato_service.connections.circuit import Circuit
from kato_service.connections.qdrant_failures import is_busy, is_unanswered
from kato_service.errors import StoreUnavailableError

OPERATION_TIMEOUT_S = 10.0
"""Seconds that one call may take."""
_EXACT = models.SearchParams(exact=True)


class CollectionMissingError(Exception):
    """Never leaves this folder, in which every caller handles it."""


class CollectionExistsError(Exception):
    """Never leaves this folder: another replica created the collection first."""


class QdrantCalls:
    """A client, and how it is called."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        *,
        timeout_s: float = OPERATION_TIMEOUT_S,
        circuit: Circuit | None = None,
    ) -> None:
        self.client = client
        self._timeout_s = timeout_s
        self._circuit = circuit or Circuit("qdrant")

    async def nearest(
        self,
        collection: str,
        towards: Sequence[float],
        limit: int,
        min_score: float,
        among: models.Filter | None = None,
    ) -> list[models.ScoredPoint]:
        """Up to *limit* points by their score in float32, best first; none in a collection that
        does not exist. *among*: only these.

        Raises:
            StoreUnavailableError: Qdrant did not answer.
        """
        try:
            async with self.mapped_errors():
                answer = await self.client.query_points(
                    collection,
                    query=list(towards),
                    query_filter=among,
                    limit=limit,
                    score_threshold=min_score,
                    search_params=_EXACT,
                )
        except CollectionMissingError:
            return []
        return answer.points

    @asynccontextmanager
    async def mapped_errors(self) -> AsyncIterator[None]:
        """Raises:
        CollectionMissingError: There is no such collection.
        CollectionExistsError: It exists already.
        StoreUnavailableError: Anything else went wrong; repeating is safe.
        """
        try:
            with self._circuit.guarding(is_unanswered):
                async with asyncio.timeout(self._timeout_s):
                    yield
        except TimeoutError as exc:
            raise StoreUnavailableError("qdrant did not answer in time") from exc
        except (ApiException, QdrantException, AioRpcError) as exc:
            raise _mapped(exc) from exc


def _mapped(exc: Exception) -> Exception:
    if is_busy(exc):
        return StoreUnavailableError("every connection to qdrant is in use; retry later")
    status = exc.status_code if isinstance(exc, UnexpectedResponse) else None
    code = exc.code() if isinstance(exc, AioRpcError) else None
    if status == 404 or code is StatusCode.NOT_FOUND:
        return CollectionMissingError()
    if status == 409 or code is StatusCode.ALREADY_EXISTS:
        return CollectionExistsError()
    return StoreUnavailableError(f"qdrant failed: {type(exc).__name__} {status or code or ''}")
