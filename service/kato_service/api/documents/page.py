"""The page that shows the documents: Swagger UI, from files of this package (decision 0041).

It asks nobody but the instance that serves it, and every address in it is relative, so that it
works without internet and below any path.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PIECE_BYTES = 64 * 1024
"""Bytes that wait for a slow reader at once."""
HTML = "text/html; charset=utf-8"
CSS = "text/css; charset=utf-8"
JAVASCRIPT = "text/javascript; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page."""

    path: str
    """Where the service has it."""
    file: str
    """Its name below `assets`."""
    media_type: str
    package: str = __package__
    """The package that has the folder `assets`."""
    headers: Mapping[str, str] = field(default_factory=lambda: SECURITY_HEADERS)


PAGE = Asset("/docs", "page.html", HTML)
ASSETS = (
    PAGE,
    Asset("/redoc", PAGE.file, PAGE.media_type),  # there was another page at this path
    Asset("/docs/page.css", "page.css", CSS),
    Asset("/docs/page.js", "page.js", JAVASCRIPT),
    Asset("/docs/icon.svg", "icon.svg", "image/svg+xml"),
    Asset("/docs/swagger-ui.css", "swagger-ui/swagger-ui.css", CSS),
    Asset("/docs/swagger-ui-bundle.js", "swagger-ui/swagger-ui-bundle.js", JAVASCRIPT),
    Asset(
        "/docs/swagger-ui-standalone-preset.js",
        "swagger-ui/swagger-ui-standalone-preset.js",
        JAVASCRIPT,
    ),
)


def served(asset: Asset, request: Request) -> Response:
    """The file, or 304 if the browser has it already."""
    content, tag = _content(asset.package, asset.file)
    headers = {**asset.headers, "ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(len(content))
    return StreamingResponse(_pieces(content), headers=headers, media_type=asset.media_type)


@cache
def _content(package: str, file: str) -> tuple[bytes, str]:
    """The bytes of a file of a package, and the tag that changes with them."""
    content = files(package).joinpath("assets", file).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE_BYTES):
        yield content[start : start + _PIECE_BYTES]
