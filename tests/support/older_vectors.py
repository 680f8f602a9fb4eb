"""Vectors as versions before 0.2 stored them: one collection for each knowledge base and clear."""

import struct
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from math import hypot
from uuid import NAMESPACE_DNS, uuid5

from qdrant_client import AsyncQdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse
from qdrant_client.models import Distance, PointStruct, VectorParams

Vector = tuple[float, ...]


async def store_as_before(
    client: AsyncQdrantClient, kb: str, cleared: int, vectors: Mapping[str, Vector]
) -> str:
    """Store *vectors*; gives the name of the collection."""
    name = f"kato_{kb}_{cleared}"
    size = len(next(iter(vectors.values())))
    with suppress(UnexpectedResponse, ValueError):
        config = VectorParams(size=size, distance=Distance.COSINE)
        await client.create_collection(name, vectors_config=config)
    await client.upsert(name, [_point(*one) for one in vectors.items()], wait=True)
    return name


def _point(symbol: str, vector: Vector) -> PointStruct:
    exact = b64encode(struct.pack(f"<{len(vector)}d", *vector)).decode()
    length = hypot(*vector)
    return PointStruct(
        id=str(uuid5(NAMESPACE_DNS, symbol)),
        vector=[component / length for component in vector],
        payload={"symbol": symbol, "components": exact},
    )
