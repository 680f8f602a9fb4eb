"""One browser and one instance for all tests of the console.

Pictures of the views are written to build/console. `make browser-test` installs the browser.
"""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from support.browser import CHROMIUM, offline_tab
from support.console import Console
from support.console_views import started, teach, watched
from support.services import NewService, ServiceProcess


@pytest.fixture(scope="session")
def service(new_shared_service: NewService) -> ServiceProcess:
    return started(new_shared_service)


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """One tab for all: a browser takes seconds to start."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed; `make browser-test` installs it")
    with offline_tab(tmp_path_factory.mktemp("chromium")) as tab:
        yield Console(tab, "")


@pytest.fixture
def console(page: Console, service: ServiceProcess) -> Iterator[Console]:
    yield from watched(page, service.url)


@pytest.fixture
def taught(service: ServiceProcess) -> str:
    """A user who was taught something."""
    user = f"roaster-{uuid4().hex[:6]}"
    teach(service.url, user)
    return user
