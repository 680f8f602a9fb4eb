"""Reads kubeconfig files, as kubectl writes them."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kato_operator.environment import WrongEnvironmentError

SECTIONS = {"contexts": "context", "clusters": "cluster", "users": "user"}
PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""Fields that name a file, from the folder of the kubeconfig."""
UNSUPPORTED = ("exec", "auth-provider", "username", "tls-server-name")
"""Fields without which a cluster or user that has them cannot be used."""


@dataclass(frozen=True, slots=True)
class Context:
    """A cluster and a user, with absolute paths."""

    cluster: Mapping[str, Any]
    user: Mapping[str, Any]

    @property
    def server(self) -> str:
        """Its URL, without a slash at the end."""
        return str(self.cluster["server"]).rstrip("/")

    def pem(self, field: str) -> str:
        """The certificate or key of *field* as PEM, from the kubeconfig or its file; "" if none.

        Raises:
            WrongEnvironmentError: It cannot be read.
        """
        held = {**self.cluster, **self.user}
        try:
            if data := held.get(f"{field}-data"):
                return base64.b64decode(data, validate=True).decode("ascii")
            return Path(held[field]).read_text(encoding="ascii") if held.get(field) else ""
        except (OSError, ValueError) as exc:
            raise _wrong(f"{field} cannot be read ({exc})") from exc


def read_kubeconfig(files: Sequence[Path]) -> Context:
    """The current context of *files*; of what several of them name, the first one counts.

    Raises:
        WrongEnvironmentError: A file is none, or the context is missing or needs what there is not.
    """
    current = ""
    found: dict[str, dict[str, dict[str, Any]]] = {section: {} for section in SECTIONS}
    for file in files:
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
            current = current or content.get("current-context") or ""
            for section, field in SECTIONS.items():
                for item in content.get(section) or ():
                    held = _absolute(item.get(field) or {}, file.parent)
                    found[section].setdefault(item["name"], held)
        except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError) as exc:
            raise _wrong(f"{file} is no kubeconfig ({exc})") from exc
    return _context(current, found)


def _context(current: str, found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Context:
    if current not in found["contexts"]:
        raise _wrong(f"current-context names no context: {current!r}")
    named = found["contexts"][current]
    cluster = found["clusters"].get(named.get("cluster", ""), {})
    user = found["users"].get(named.get("user", ""), {})
    if not cluster.get("server"):
        raise _wrong(f"the context {current!r} names no cluster with a server")
    for field in UNSUPPORTED:
        if cluster.get(field) or user.get(field):
            raise _wrong(
                f"the context {current!r} needs {field}, which is not supported; accepted: token,"
                " tokenFile, client-certificate and client-key"
            )
    return Context(cluster, user)


def _absolute(held: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {
        name: str(folder.absolute() / value) if name in PATHS and value else value
        for name, value in held.items()
    }


def _wrong(problem: str) -> WrongEnvironmentError:
    return WrongEnvironmentError(f"KUBECONFIG: {problem}")
