"""The paths of the console, which are open to everybody: they hold nothing of any user.

The page is one more client of the HTTP API. It sends the key that a person gave it, and may do what
this key may do (decision 0085).
"""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kato_service.access.scopes import Scope
from kato_service.api.documents.page import CSS, HTML, JAVASCRIPT, SECURITY_HEADERS, Asset, served
from kato_service.api.intake.guards import Need, guard
from kato_service.settings.settings import Settings

HEADERS = {
    **SECURITY_HEADERS,
    # Stricter than that of /docs: the page cannot turn any text into markup or code.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
}
_MODULES = (
    *("main", "shell", "state", "api", "live", "dom", "pieces"),
    *("talk", "composer", "lanes", "explain", "compare"),
    *("knowledge", "patterns", "pattern", "graph", "growth", "undo", "importing", "moving"),
    *("instance", "teach"),
)


def _asset(path: str, file: str, media_type: str) -> Asset:
    return Asset(path, file, media_type, package=__package__, headers=HEADERS)


PAGE = _asset("/console", "index.html", HTML)
ASSETS = (
    PAGE,
    _asset("/console/style.css", "style.css", CSS),
    _asset("/console/icon.svg", "icon.svg", "image/svg+xml"),
    *(_asset(f"/console/{name}.js", f"{name}.js", JAVASCRIPT) for name in _MODULES),
)


def add_console(app: Starlette, settings: Settings) -> None:
    """Add the paths of this module, unless the instance has none of what the page calls."""
    if not (settings.enable_console and settings.enable_v2_features):
        return
    for asset in ASSETS:
        app.router.routes.append(Route(asset.path, _answer(asset), methods=["GET"]))
        guard(app.router.routes[-1], Need(Scope.OPEN, any_query=True))


def _answer(asset: Asset) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return served(asset, request)

    return answer
