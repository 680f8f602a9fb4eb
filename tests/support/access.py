"""Callers of a service: files of named keys, clients that send credentials, audit lines."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import httpx

from support.services import ServiceProcess
from support.waiting import until

Caller = Callable[[str | None], httpx.Client]


def key_line(name: str, *scopes: str, key: str | None = None, user: str | None = None) -> str:
    """The line of a key, which is its name unless it is given."""
    digest = sha256((key or name).encode()).hexdigest()
    bound = {} if user is None else {"user": user}
    return json.dumps({"name": name, "sha256": digest, "scopes": list(scopes), **bound})


@contextmanager
def callers(url: str) -> Iterator[Caller]:
    """``caller(key)``: a client that sends this key; None: it sends none."""
    clients: dict[str | None, httpx.Client] = {}

    def caller(key: str | None) -> httpx.Client:
        if key not in clients:
            headers = {} if key is None else {"x-api-key": key}
            clients[key] = httpx.Client(base_url=url, headers=headers, timeout=60, verify=False)
        return clients[key]

    try:
        yield caller
    finally:
        for client in clients.values():
            client.close()


def code_of(answer: httpx.Response) -> str:
    """The code of an error."""
    found: str = answer.json()["error"]["code"]
    return found


def audited(service: ServiceProcess) -> list[Mapping[str, Any]]:
    """The lines of the audit log so far."""
    lines = (json.loads(line) for line in service.log.splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == "audit"]


def await_audited(service: ServiceProcess, *actions: str) -> list[Mapping[str, Any]]:
    """The lines of the audit log, once each of *actions* was done; they follow the answers."""

    def look() -> list[Mapping[str, Any]] | None:
        lines = audited(service)
        done = {line["action"] for line in lines if line["outcome"] == "done"}
        return lines if done >= set(actions) else None

    return until(look, f"{actions} in the audit log")
