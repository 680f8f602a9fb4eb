"""Which pages of browsers may call, and what they may read of the answers (decision 0031).

A page can send requests to every address that its reader's machine reaches. Browsers name the page
in headers that no script can change: `Origin`, `Sec-Fetch-*` and `Host`.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address

from starlette.responses import Response
from starlette.types import Scope

from kato_service.errors import CrossOriginError, HostNotAllowedError, MalformedRequestError
from kato_service.settings.settings import Settings

Fields = Mapping[bytes, list[str]]

_READ = frozenset(
    name.encode()
    for name in (
        *("host", "x-forwarded-host", "origin"),
        *("sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"),
        *("access-control-request-method", "access-control-request-headers"),
    )
)
_HOST = re.compile(r"(?P<name>\[[\da-fA-F:.]+\]|[^\s:/?#@\[\]\\,]+)(:(?P<port>\d{0,5}))?")
_LONGEST_HOST = 255 + len(":65535")
"""Characters of a Host header with the longest name that DNS has."""
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/]+)")
_PORTS = {"http": "80", "https": "443"}
_OWN_SITE = frozenset({"none", "same-origin"})
"""Values of Sec-Fetch-Site of a person who typed the address, and of our own pages."""
_DOCUMENTS = re.compile(r"/(docs|redoc|console)(/.*)?")
"""Pages that a link on another site may open."""
_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
_PREFLIGHT_AGE_S = 600
_EXPOSED = (
    "X-Request-ID, X-Session-ID, Retry-After, WWW-Authenticate, RateLimit-Limit,"
    " RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, RateLimit"
)
"""Headers of answers that a page may read."""


class CrossOrigin:
    """The rules for one instance."""

    def __init__(self, settings: Settings) -> None:
        self._origins = frozenset(one.lower().rstrip("/") for one in settings.cors_origins)
        self._every_origin = "*" in self._origins
        listed = (_ORIGIN.fullmatch(origin) for origin in self._origins)
        self._listed_hosts = frozenset(found["host"] for found in listed if found)
        self._keyed = settings.auth != "none"
        self._only_loopback = not self._keyed and is_loopback(settings.host)
        self._trust_forwarded_host = settings.trust_forwarded_host

    def check(self, scope: Scope) -> None:
        """Let pass what a program, or a page that may call, sent.

        An instance with authentication leaves requests to it: no foreign page has credentials. Only
        WebSockets and preflights are still checked: nothing else keeps a page from reading those.

        Raises:
            MalformedRequestError: There is not exactly one Host that can be one.
            HostNotAllowedError: The instance listens on loopback, and this is another name.
            CrossOriginError: A page of another origin sent it.
        """
        fields = _fields(scope)
        host = _host(fields, scope)
        if self._only_loopback and not self._is_own(host):
            raise HostNotAllowedError(
                "this instance listens on a loopback address and answers only requests for"
                " localhost; use http://localhost, or list the address in CORS_ORIGINS"
            )
        if self._keyed and scope["type"] != "websocket" and not _is_preflight(scope, fields):
            return
        if self._is_foreign(scope, fields, host):
            raise CrossOriginError(
                "a page of another origin sent this request; to allow that, add its origin to"
                " CORS_ORIGINS of this instance"
            )

    def preflight(self, scope: Scope) -> Response | None:
        """The answer to a preflight that `check` let pass; None if this is no preflight."""
        if scope["method"] != "OPTIONS" or not (self._origins and self._allowed(scope)):
            return None
        fields = _fields(scope)
        if not _is_preflight(scope, fields):
            return None
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Max-Age": str(_PREFLIGHT_AGE_S),
        }
        if asked := fields.get(b"access-control-request-headers"):
            headers["Access-Control-Allow-Headers"] = ", ".join(asked)
        return Response(status_code=204, headers=headers)

    def headers(self, scope: Scope) -> Iterator[tuple[str, str]]:
        """Headers that let the page behind a request read its answer."""
        if not self._origins or (origin := self._allowed(scope)) is None:
            return
        yield "Access-Control-Allow-Origin", "*" if self._every_origin else origin
        yield "Access-Control-Expose-Headers", _EXPOSED
        if not self._every_origin:
            yield "Vary", "Origin"

    def _allowed(self, scope: Scope) -> str | None:
        """The origin of the page that sent a request, if CORS_ORIGINS lists it."""
        given = _fields(scope).get(b"origin", [])
        return given[0] if len(given) == 1 and self._is_listed(given[0]) else None

    def _is_listed(self, origin: str) -> bool:
        # Every sandboxed frame has the origin "null", whoever made it: only * includes it.
        return self._every_origin or (origin != "null" and origin.lower() in self._origins)

    def _is_own(self, host: str) -> bool:
        """Whether *host* is a name of loopback, or one that CORS_ORIGINS names."""
        return self._every_origin or _means_loopback(host) or host.lower() in self._listed_hosts

    def _is_foreign(self, scope: Scope, fields: Fields, host: str) -> bool:
        origins = fields.get(b"origin", [])
        if self._every_origin or (len(origins) == 1 and self._is_listed(origins[0])):
            return False
        hosts = [host, *(fields.get(b"x-forwarded-host", ()) if self._trust_forwarded_host else ())]
        if origins and not (len(origins) == 1 and any(_same(origins[0], one) for one in hosts)):
            return True
        sites = fields.get(b"sec-fetch-site", ())
        return not _OWN_SITE.issuperset(sites) and not _opens_document(scope, fields)


def is_loopback(host: str) -> bool:
    """Whether *host*, without a port, can only mean this machine."""
    name = host.lower().strip("[]").rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _fields(scope: Scope) -> Fields:
    found: dict[bytes, list[str]] = {}
    for name, value in scope["headers"]:
        if name in _READ:
            found.setdefault(name, []).append(value.decode("latin-1"))
    return found


def _host(fields: Fields, scope: Scope) -> str:
    hosts = fields.get(b"host", [])
    if not hosts and scope.get("http_version") == "1.0":
        return "localhost"  # HTTP/1.0 has no Host, and no browser speaks it
    if len(hosts) != 1 or not _name(hosts[0]):
        raise MalformedRequestError("send exactly one Host header, with a host and perhaps a port")
    return hosts[0]


def _name(host: str) -> str:
    """The host of a Host header, without its port; '' if it can be none."""
    return _name_of_short(host) if len(host) <= _LONGEST_HOST else ""


@lru_cache(maxsize=256)
def _name_of_short(host: str) -> str:
    found = _HOST.fullmatch(host)
    return found["name"] if found else ""


@lru_cache(maxsize=256)
def _means_loopback(host: str) -> bool:
    """Whether a Host header that `_host` let pass means this machine."""
    return is_loopback(_name(host))


def _same(origin: str, host: str) -> bool:
    """Whether *origin* names *host*: the scheme may differ, as a proxy may end TLS."""
    known = _ORIGIN.fullmatch(origin.lower())
    if known is None:
        return False
    port = _PORTS[known["scheme"]]
    return _with_port(known["host"], port) == _with_port(host.lower(), port)


def _with_port(host: str, default: str) -> tuple[str, str] | None:
    found = _HOST.fullmatch(host)
    return (found["name"], found["port"] or default) if found else None


def _is_preflight(scope: Scope, fields: Fields) -> bool:
    if scope["type"] != "http" or scope["method"] != "OPTIONS":
        return False
    return b"origin" in fields and b"access-control-request-method" in fields


def _opens_document(scope: Scope, fields: Fields) -> bool:
    """Whether a person followed a link to a page for people, in a tab of its own."""
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and fields.get(b"sec-fetch-mode") == ["navigate"]
        and fields.get(b"sec-fetch-dest") == ["document"]
        and _DOCUMENTS.fullmatch(scope["path"]) is not None
    )
