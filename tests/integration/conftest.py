"""A service with embedded stores for the whole run, and a Kubernetes API server."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.patient import PATIENCE_S

sys.path.insert(0, str(Path(__file__).parent))
from apiserver import (  # noqa: F401 - fixtures
    control_plane,
    kubernetes,
    namespace,
    operator,
    ready,
    space,
)
from custom_resources import monitors  # noqa: F401 - a fixture
from rendered_chart import render, restricted  # noqa: F401 - fixtures
from story import begun, undisturbed  # noqa: F401 - fixtures
from talks import replica_stores, replica_urls, talk  # noqa: F401 - fixtures
from transfers import embedded, kato, target  # noqa: F401 - fixtures

NewService = Callable[..., Any]
NewSession = Callable[..., str]


@pytest.fixture(scope="session")
def shared_service(new_shared_service: NewService) -> Any:
    """A service shared by the whole run: use your own users."""
    service = new_shared_service()
    service.start()
    service.await_ready()
    return service


@pytest.fixture(scope="session")
def service_url(shared_service: Any) -> str:
    url: str = shared_service.url
    return url


@pytest.fixture(scope="session")
def quiet_url(start_shared_service: Callable[..., str]) -> str:
    """A service whose sessions can be counted: give them no lifetime that ends during the run."""
    return start_shared_service()


@pytest.fixture
def quiet_api(quiet_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=quiet_url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def api(service_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service_url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def new_session(api: httpx.Client) -> NewSession:
    """Creates a session, for a new user unless one is named; returns its id."""

    def create(**fields: Any) -> str:
        response = api.post("/v2/sessions", json={"user_id": uuid4().hex, **fields})
        assert response.status_code == 200, response.text
        session_id: str = response.json()["session_id"]
        return session_id

    return create


@pytest.fixture
def session_id(new_session: NewSession) -> str:
    return new_session()
