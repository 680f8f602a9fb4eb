"""The paths of the documents and of the page, which are open to everybody.

Browsers that read them can send no credentials before a person gave them any, and what they say is
the same for every caller (docs/access.md).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kato_service import json_text
from kato_service.access.scopes import Scope
from kato_service.api.documents.page import ASSETS, SECURITY_HEADERS, Asset, served
from kato_service.api.intake.guards import Need, guard
from kato_service.api.intake.prefix import prefix_of
from kato_service.settings.settings import Settings

Endpoint = Callable[[Request], Awaitable[Response]]


def add_documents(app: Starlette, settings: Settings) -> None:
    """Add the paths of this module; to be called once all others are there."""
    lock = asyncio.Lock()
    for path, older in (("/openapi.json", False), ("/openapi-older.json", True)):
        _add(app, path, _DocumentPath(app, settings, lock, older=older).answer)
    for asset in ASSETS:
        _add(app, asset.path, _asset_path(asset))


class _DocumentPath:
    """Answers with one document, which is built when it is first asked for."""

    def __init__(
        self, app: Starlette, settings: Settings, lock: asyncio.Lock, *, older: bool
    ) -> None:
        self._app = app
        self._settings = settings
        self._lock = lock
        self._older = older
        self._built: dict[str, Any] | None = None

    async def answer(self, request: Request) -> Response:
        built = await self._document()
        prefix = prefix_of(request.scope)
        servers = {"servers": [{"url": prefix}]} if prefix else {}
        headers = {**SECURITY_HEADERS, "Cache-Control": "no-cache"}
        content = json_text.text(built | servers)
        return Response(content, headers=headers, media_type="application/json")

    async def _document(self) -> dict[str, Any]:
        # It takes a second with its imports, so it is built in a thread, and only once.
        async with self._lock:
            if self._built is None:
                self._built = await asyncio.to_thread(self._build)
            return self._built

    def _build(self) -> dict[str, Any]:
        from kato_service.api.documents.document import document

        return document(self._app, self._settings, older=self._older)


def _asset_path(asset: Asset) -> Endpoint:
    async def answer(request: Request) -> Response:
        return served(asset, request)

    return answer


def _add(app: Starlette, path: str, endpoint: Endpoint) -> None:
    app.router.routes.append(Route(path, endpoint, methods=["GET"]))
    guard(app.router.routes[-1], Need(Scope.OPEN, any_query=True))
