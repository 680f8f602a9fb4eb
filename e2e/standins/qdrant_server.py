"""Stand-in for Qdrant: qdrant-client's own local engine behind the REST calls that KATO uses.

For tests only. It accepts and ignores the cluster flags (--uri, --bootstrap). It acknowledges an
upsert once it is in the storage directory, so the upsert survives a kill of this process.
"""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from qdrant_client import QdrantClient, models
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

Handler = Callable[[Request], Awaitable[Response]]


class Engine:
    """The local engine in one thread, because its SQLite handles must not change threads."""

    def __init__(self, storage: Path) -> None:
        self._storage = storage
        self._thread = ThreadPoolExecutor(1)
        self._client: QdrantClient | None = None

    async def call(self, action: Callable[[QdrantClient], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, action)

    def _do(self, action: Callable[[QdrantClient], Any]) -> Any:
        if self._client is None:
            self._client = QdrantClient(path=str(self._storage))
        return action(self._client)


def answered(result: Any) -> JSONResponse:
    return JSONResponse({"result": result, "status": "ok", "time": 0.0})


def refused(status: int, message: str) -> JSONResponse:
    return JSONResponse({"status": {"error": message}, "time": 0.0}, status)


def dumped(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_none=True)


class Server:
    def __init__(self, engine: Engine, api_keys: frozenset[str]) -> None:
        self._engine = engine
        self._api_keys = api_keys
        self._indexes: dict[str, dict[str, Any]] = {}
        """By collection, fields that have an index; the local engine needs none."""

    def routes(self) -> list[Route]:
        name = "/collections/{name}"
        return [
            *(Route(path, self.health) for path in ("/readyz", "/livez", "/healthz")),
            Route("/", self.about),
            Route("/collections", self.guarded(self.collections)),
            Route(name, self.guarded(self.collection), methods=["GET"]),
            Route(name, self.guarded(self.create), methods=["PUT"]),
            Route(name, self.guarded(self.drop), methods=["DELETE"]),
            Route(f"{name}/exists", self.guarded(self.exists)),
            Route(f"{name}/points", self.guarded(self.upsert), methods=["PUT"]),
            Route(f"{name}/points", self.guarded(self.retrieve), methods=["POST"]),
            Route(f"{name}/points/scroll", self.guarded(self.scroll), methods=["POST"]),
            Route(f"{name}/points/query", self.guarded(self.query), methods=["POST"]),
            Route(f"{name}/points/count", self.guarded(self.count), methods=["POST"]),
            Route(f"{name}/points/delete", self.guarded(self.delete), methods=["POST"]),
            Route(f"{name}/index", self.guarded(self.index), methods=["PUT"]),
        ]

    def guarded(self, handler: Handler) -> Handler:
        """*handler* behind the API keys; the engine's refusals become Qdrant's error responses."""

        async def handle(request: Request) -> Response:
            if self._api_keys and request.headers.get("api-key") not in self._api_keys:
                return refused(401, "Must provide an API key or an Authorization bearer token")
            try:
                return await handler(request)
            except ValueError as error:
                known = {"not found": 404, "already exists": 409}
                status = next((s for text, s in known.items() if text in str(error)), 400)
                return refused(status, str(error))

        return handle

    async def health(self, _: Request) -> Response:
        await self._engine.call(lambda client: client.get_collections())
        return PlainTextResponse("all shards are ready")

    async def about(self, _: Request) -> Response:
        return JSONResponse({"title": "qdrant stand-in", "version": "1.19.0"})

    async def collections(self, _: Request) -> Response:
        return answered(dumped(await self._engine.call(lambda client: client.get_collections())))

    async def collection(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = dumped(await self._engine.call(lambda c: c.get_collection(name)))
        return answered({**found, "payload_schema": self._indexes.get(name, {})})

    async def exists(self, request: Request) -> Response:
        name = request.path_params["name"]
        exists = await self._engine.call(lambda client: client.collection_exists(name))
        return answered({"exists": exists})

    async def create(self, request: Request) -> Response:
        wanted = models.CreateCollection(**await request.json())
        name = request.path_params["name"]
        return answered(
            await self._engine.call(
                lambda client: client.create_collection(name, vectors_config=wanted.vectors)
            )
        )

    async def drop(self, request: Request) -> Response:
        name = request.path_params["name"]

        def action(client: QdrantClient) -> bool:
            return client.collection_exists(name) and client.delete_collection(name)

        self._indexes.pop(name, None)
        return answered(await self._engine.call(action))

    async def index(self, request: Request) -> Response:
        wanted = models.CreateFieldIndex(**await request.json())
        name, field = request.path_params["name"], wanted.field_name
        await self._engine.call(lambda c: c.get_collection(name))
        kind = getattr(wanted.field_schema, "type", wanted.field_schema)
        schema = {"data_type": str(getattr(kind, "value", kind)), "points": 0}
        self._indexes.setdefault(name, {})[field] = schema
        return answered({"operation_id": 0, "status": "completed"})

    async def upsert(self, request: Request) -> Response:
        wanted = models.PointsList(**await request.json())
        name = request.path_params["name"]
        done = await self._engine.call(lambda c: c.upsert(name, wanted.points, wait=True))
        return answered(dumped(done))

    async def retrieve(self, request: Request) -> Response:
        wanted = models.PointRequest(**await request.json())
        name = request.path_params["name"]
        found = await self._engine.call(
            lambda c: c.retrieve(
                name, wanted.ids, wanted.with_payload or False, wanted.with_vector or False
            )
        )
        return answered([dumped(record) for record in found])

    async def scroll(self, request: Request) -> Response:
        wanted = models.ScrollRequest(**await request.json())
        name = request.path_params["name"]
        points, following = await self._engine.call(
            lambda c: c.scroll(
                name,
                scroll_filter=wanted.filter,
                limit=wanted.limit or 10,
                offset=wanted.offset,
                with_payload=wanted.with_payload or False,
                with_vectors=wanted.with_vector or False,
            )
        )
        found = {"points": [dumped(point) for point in points], "next_page_offset": following}
        return answered(found)

    async def count(self, request: Request) -> Response:
        wanted = models.CountRequest(**await request.json())
        name = request.path_params["name"]
        return answered(dumped(await self._engine.call(lambda c: c.count(name, wanted.filter))))

    async def delete(self, request: Request) -> Response:
        which = models.FilterSelector(**await request.json())
        name = request.path_params["name"]
        return answered(dumped(await self._engine.call(lambda c: c.delete(name, which))))

    async def query(self, request: Request) -> Response:
        """The local engine always searches exactly."""
        wanted = models.QueryRequest(**await request.json())
        name = request.path_params["name"]
        found = await self._engine.call(
            lambda c: c.query_points(
                name,
                query=wanted.query.nearest if hasattr(wanted.query, "nearest") else wanted.query,
                query_filter=wanted.filter,
                limit=wanted.limit or 10,
                offset=wanted.offset,
                score_threshold=wanted.score_threshold,
                with_payload=True if wanted.with_payload is None else wanted.with_payload,
                with_vectors=wanted.with_vector or False,
            )
        )
        return answered({"points": [dumped(point) for point in found.points]})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    storage = os.environ.get("QDRANT__STORAGE__STORAGE_PATH", "/qdrant/storage")
    parser.add_argument("--port", type=int, default=6333)
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--storage", type=Path, default=Path(storage))
    parser.add_argument("--api-key", default=os.environ.get("QDRANT__SERVICE__API_KEY", ""))
    parser.add_argument("--alt-api-key", default=os.environ.get("QDRANT__SERVICE__ALT_API_KEY", ""))
    options, _ = parser.parse_known_args()
    api_keys = frozenset(key for key in (options.api_key, options.alt_api_key) if key)
    engine = Engine(options.storage)

    @asynccontextmanager
    async def opened(_: Starlette) -> Any:
        await engine.call(lambda client: client.get_collections())
        print(f"qdrant stand-in on port {options.port}, storage {options.storage}", flush=True)
        yield

    app = Starlette(routes=Server(engine, api_keys).routes(), lifespan=opened)
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
