"""How the Qdrant client fails. Importing this imports the client: see `local_vectors`."""

import httpx
from grpc import StatusCode  # type: ignore[import-untyped]  # ships no types
from grpc.aio import AioRpcError  # type: ignore[import-untyped]  # ships no types
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException

FAILURES = (ApiException, QdrantException, AioRpcError, httpx.HTTPError)
_UNANSWERED = (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)


def is_busy(exc: Exception) -> bool:
    """Whether no connection of the pool became free in time, so that nothing was sent."""
    return isinstance(_source(exc), httpx.PoolTimeout)


def is_unanswered(exc: Exception) -> bool:
    """Whether Qdrant did not answer, or could not be reached."""
    if isinstance(exc, AioRpcError):
        return exc.code() in _UNANSWERED
    silent = isinstance(_source(exc), (httpx.TransportError, TimeoutError, OSError))
    return silent and not is_busy(exc)


def _source(exc: Exception) -> Exception:
    """The error that Qdrant's client wrapped in one of its own."""
    return exc.source if isinstance(exc, ResponseHandlingException) else exc
