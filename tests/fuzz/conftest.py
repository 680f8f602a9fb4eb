"""The seed of generated input, and the services that receive it."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fuzz.watching import ADMIN_KEY, CASES, SEED, Variant, Watched, watched
from support.access import key_line
from support.services import NewService, ServiceProcess

USER_KEY = "a-key-of-one-user"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of every random decision; a failure shows the command that repeats them."""
    test = request.node.nodeid.partition("::")[2]
    selected = shlex.quote(f"-k '{test.replace('[', ' and ').rstrip(']')}'")
    print(f"to repeat: FUZZ_CASES={CASES} SEED={SEED} make fuzz PYTEST_ARGS={selected}")  # noqa: T201 - pytest shows it with a failure
    return SEED


@pytest.fixture(params=["open", "keys", "redis"])
def variant(request: pytest.FixtureRequest, tmp_path: Path) -> Variant:
    """An instance open to everybody, one with keys, and one with its sessions in Redis."""
    if request.param == "keys":
        keys = tmp_path / "keys.jsonl"
        lines = [
            key_line("admin", "admin", key=ADMIN_KEY),
            key_line("one-user", "write", "metrics", key=USER_KEY, user="fuzz"),
        ]
        keys.write_text("\n".join(lines), encoding="utf-8")
        return Variant("keys", {"API_KEYS_FILE": str(keys)}, {"X-API-Key": USER_KEY})
    if request.param == "redis":
        return Variant("redis", {"REDIS_URL": request.getfixturevalue("redis_server").url})
    return Variant("open")


@pytest.fixture
def watched_service(new_service: NewService, variant: Variant) -> Watched:
    """``with watched_service() as service:`` what is sent in this block must leave no trace: see
    `fuzz.watching.watched`."""

    @contextmanager
    def start() -> Iterator[ServiceProcess]:
        service: Any = new_service(**variant.variables)
        service.start()
        service.await_ready()
        with watched(service):
            yield service

    return start
