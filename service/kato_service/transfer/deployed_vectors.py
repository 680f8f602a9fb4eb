"""The vectors of an existing KATO deployment: a collection of its Qdrant, read and never written.

The patterns of a deployment hold the names of its vectors (``VCTR|`` and a hash of the printed
numbers), and a point must get the name that they use. Which one that is, is found in this order:

1. the payload holds it;
2. the point's id is the UUIDv5 of a name that the patterns use;
3. it is the hash of the vector's numbers, printed as the deployment printed them.
"""

import re
import warnings
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha1
from typing import Any
from uuid import NAMESPACE_DNS, NAMESPACE_OID, NAMESPACE_URL, uuid5

import httpx
import numpy as np
from qdrant_client import AsyncQdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse
from qdrant_client.models import Distance, Record, VectorParams

from kato_service.connections.qdrant_failures import FAILURES
from kato_service.errors import StoreUnavailableError, TransferError
from kato_service.knowledge.vectors.vector_store import page_size
from kato_service.portable.source import Refused
from kato_service.portable.vectors import NamedVector, vector_of

TIMEOUT_S = 60
NAMESPACES = (NAMESPACE_DNS, NAMESPACE_URL, NAMESPACE_OID)
_NAME = re.compile(r"(VCTR|VECTOR)\|[0-9a-f]{40}", re.ASCII)


class DeployedVectors:
    """One collection, as a `VectorSource`."""

    def __init__(
        self, client: AsyncQdrantClient, collection: str, params: VectorParams, used: Iterable[str]
    ) -> None:
        """*used*: the symbols of the patterns with which the vectors belong."""
        self._client = client
        self._collection = collection
        self._params = params
        self._used = {symbol for symbol in used if _NAME.fullmatch(symbol)}
        self._by_id = {
            str(uuid5(namespace, symbol)): symbol
            for symbol in self._used
            for namespace in NAMESPACES
        }
        self.name = f"collection {collection!r}"
        self._unused = 0

    async def vectors(self) -> AsyncIterator[Sequence[NamedVector | Refused]]:
        self._unused = 0
        offset, size = None, page_size(self._params.size)
        while True:
            with _mapped_errors():
                points, offset = await self._client.scroll(
                    self._collection,
                    limit=size,
                    offset=offset,
                    with_payload=True,
                    with_vectors=True,
                )
            yield [self._vector(point) for point in points]
            if offset is None:
                return

    def vector_notes(self) -> Sequence[str]:
        notes = []
        if self._unused:
            notes.append(f"{self._unused} vectors are in no pattern; they are imported, too")
        if self._params.distance == Distance.COSINE:
            notes.append("the collection keeps directions (cosine): the lengths are lost")
        return notes

    def _vector(self, point: Record) -> NamedVector | Refused:
        where = f"point {point.id}"
        if not isinstance(point.vector, list):
            return Refused(where, "vector: not a list of numbers")
        checked = vector_of("VCTR|", point.vector, where)
        if isinstance(checked, Refused):
            return checked
        symbol = self._symbol(point, checked.components)
        self._unused += symbol not in self._used
        return vector_of(symbol, point.vector, where)

    def _symbol(self, point: Record, components: Sequence[float]) -> str:
        named = _named(point.payload or {})
        if len(named) == 1:
            return named.pop()
        candidates = [self._by_id.get(str(point.id)), *printed_names(components)]
        used = (symbol for symbol in candidates if symbol in self._used)
        return next(used, None) or printed_names(components)[0]


def printed_names(components: Sequence[float]) -> list[str]:
    """The names that deployments may have given to a vector: hashes of the printed array.

    Qdrant keeps float32, so what was observed may have been these numbers, or their neighbours.
    """
    arrays = (np.array(components), np.array(components, dtype=np.float32).astype(np.float64))
    whole = [np.array(components, dtype=np.int64)] if _is_whole(components) else []
    with np.printoptions(precision=8, threshold=1000, edgeitems=3, linewidth=75, suppress=False):
        printed = [str(array) for array in (*arrays, *whole)]
    hashes = [sha1(one.encode(), usedforsecurity=False).hexdigest() for one in printed]
    return [f"{kind}|{each}" for kind in ("VCTR", "VECTOR") for each in hashes]


@asynccontextmanager
async def deployed_vectors(
    url: str, collection: str, *, api_key: str | None, used: Iterable[str]
) -> AsyncIterator[DeployedVectors]:
    """The vectors of *collection*.

    Raises:
        TransferError: There is no such collection, or it holds no plain vectors.
        StoreUnavailableError: Qdrant cannot be read.
    """
    try:
        with warnings.catch_warnings():
            # It warns of a key without TLS, which the source decides.
            warnings.simplefilter("ignore", UserWarning)
            client = AsyncQdrantClient(
                url=url, api_key=api_key, timeout=TIMEOUT_S, check_compatibility=False
            )
    except (ValueError, TypeError) as exc:
        raise TransferError("--vectors: not a URL; accepted: http://host[:port]") from exc
    try:
        params = await _params(client, collection)
        yield DeployedVectors(client, collection, params, used)
    finally:
        await client.close()


async def _params(client: AsyncQdrantClient, collection: str) -> VectorParams:
    with _mapped_errors():
        names = sorted(each.name for each in (await client.get_collections()).collections)
    if collection not in names:
        listed = ", ".join(names) or "none"
        raise TransferError(f"--collection: there is no collection {collection!r}; found: {listed}")
    with _mapped_errors():
        params = (await client.get_collection(collection)).config.params.vectors
    if not isinstance(params, VectorParams):
        raise TransferError(
            f"--collection: {collection!r} has several vectors for each point; KATO has made"
            " collections with a single one"
        )
    return params


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except (*FAILURES, httpx.HTTPError) as exc:
        status = exc.status_code if isinstance(exc, UnexpectedResponse) else None
        raise StoreUnavailableError(
            f"the Qdrant to import from cannot be read: {type(exc).__name__} {status or ''}".strip()
            + "; check its address and the API key"
        ) from exc


def _named(payload: Mapping[str, Any]) -> set[str]:
    return {
        value for value in payload.values() if isinstance(value, str) and _NAME.fullmatch(value)
    }


def _is_whole(components: Sequence[float]) -> bool:
    return all(each.is_integer() and abs(each) < 2**53 for each in components)
