"""The path below which a proxy publishes an instance.

Where the proxy removes this prefix from the paths that it passes on, only what the service says
about its own address needs it. Where the proxy leaves it, it is removed here, before anything looks
at the path.
"""

import re
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.types import Scope

from kato_service.settings.rules import path_prefix
from kato_service.settings.settings import Settings

SLASH = "\x1f"
"""Stands for a slash inside a segment of a path. No id contains it: it is not printable."""


class Prefix:
    """The rule for one instance."""

    def __init__(self, settings: Settings) -> None:
        self._root_path = settings.root_path or ""
        self._trust_forwarded = settings.trust_forwarded_host
        self.own_segments: frozenset[str] = frozenset()
        """First segments of the paths of the API. A ROOT_PATH that begins with one cannot be told
        from such a path, so it is never removed."""

    def take(self, scope: Scope) -> None:
        """Note the prefix of a request for `prefix_of`, and remove that of ROOT_PATH.

        A prefix in X-Forwarded-Prefix has been removed already. If it were removed again, clients
        could get around a proxy's rules about single paths with such a header of their own.
        """
        scope["state"]["prefix"] = self._of(scope)
        root = self._root_path
        if not root or root.split("/")[1] in self.own_segments:
            return
        if f"{scope['path']}/".startswith(f"{root}/"):
            scope["path"] = scope["path"].removeprefix(root) or "/"

    def _of(self, scope: Scope) -> str:
        """The prefix that a trusted proxy names in X-Forwarded-Prefix, else that of ROOT_PATH."""
        if not self._trust_forwarded:
            return self._root_path
        named = Headers(scope=scope).getlist("x-forwarded-prefix")
        # Each proxy on the way adds the prefix that it removed.
        parts = [part.strip() for one in named for part in one.split(",")]
        try:
            return "".join(map(path_prefix, parts)) if parts else self._root_path
        except ValueError:
            return self._root_path


def segmented(scope: Scope) -> Scope:
    """*scope* with `SLASH` in its path where the client sent a slash inside a segment (``%2F``).

    Servers decode paths, so an encoded slash looks like one between segments. Lengths are the same,
    so what was removed from the beginning of the path is not in it.
    """
    raw: bytes = scope.get("raw_path") or b""
    if b"%2f" not in raw.lower() or SLASH in scope["path"]:
        return scope
    marked = unquote(re.sub(b"%2[fF]", quote(SLASH).encode(), raw).decode("ascii", "replace"))
    path: str = scope["path"]
    if marked.replace(SLASH, "/")[-len(path) :] != path:
        return scope
    return {**scope, "path": marked[-len(path) :]}


def prefix_of(scope: Scope) -> str:
    """The prefix of a request, without a slash at its end; '' if there is none."""
    return str(scope.get("state", {}).get("prefix", ""))


def first_segments(app: Starlette) -> frozenset[str]:
    """With what the paths of the API begin: `v2`, `health`, ..."""
    paths = (str(getattr(route, "path", "")) for route in app.routes)
    return frozenset(path.split("/")[1] for path in paths if not path.startswith("/{"))
