"""A service with embedded stores for the whole run, and a Kubernetes API server."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from apiserver import (  # noqa: F401 - fixtures
    control_plane,
    kubernetes,
    namespace,
    operator,
    ready,
    space,
)
from transfers import embedded, kato, target  # noqa: F401 - fixtures

StartService = Callable[..., str]
NewSession = Callable[..., str]


@pytest.fixture(scope="session")
def service_url(start_service: StartService) -> str:
    """A service shared by the whole run: use users of your own."""
    return start_service()


@pytest.fixture
def api(service_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service_url, timeout=20) as client:
        yield client


@pytest.fixture
def new_session(api: httpx.Client) -> NewSession:
    """Creates a session, of a new user unless one is named; answers its id."""

    def create(**fields: Any) -> str:
        response = api.post("/v2/sessions", json={"user_id": uuid4().hex, **fields})
        assert response.status_code == 200, response.text
        session_id: str = response.json()["session_id"]
        return session_id

    return create


@pytest.fixture
def session_id(new_session: NewSession) -> str:
    return new_session()
