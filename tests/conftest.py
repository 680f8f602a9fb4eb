"""Fixtures for all tests: real servers, processes of the service, a proxy, a token issuer."""

import gc
import ssl
from zlib import crc32

import httpx
import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["support.servers", "support.services", "support.proxy", "support.issuer"]

settings.register_profile(
    "machines differ", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("machines differ")
API_SERVERS = 2
"""Groups of the tests of the operator: a Kubernetes API server, which each worker would start for
itself, takes a sixteenth of a processor while nobody asks it anything."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Divide the tests among workers so that little is started twice, and none waits at the end.

    Workers take groups first, then single tests in this order. Modules of integration tests start
    services of their own: such a module is a group.
    """
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str | None:
    """The group that the place of a test puts it in."""
    module, marker = item.path.stem, item.get_closest_marker("xdist_group")
    if "integration" not in item.path.parts or marker is not None:
        return None
    if item.get_closest_marker("apiserver") is not None:
        return f"API server {crc32(module.encode()) % API_SERVERS}"
    return module


def pytest_collection_finish() -> None:
    """Leave what was collected out of garbage collections: they took a sixth of the time."""
    gc.collect()
    gc.freeze()


def _read_trusted_certificates_once() -> None:
    """Let all HTTP clients of the tests share one TLS context.

    Each would read some 140 certificates for itself otherwise: 35 ms of processor time, thousands
    of times, for connections that need no TLS.
    """
    context = ssl.create_default_context()
    functions = (httpx.get, httpx.post, httpx.put, httpx.patch, httpx.delete, httpx.head)
    clients = (httpx.Client.__init__, httpx.AsyncClient.__init__)
    for function in (*functions, *clients, httpx.options, httpx.request):
        assert function.__kwdefaults__["verify"] is True
        function.__kwdefaults__["verify"] = context


_read_trusted_certificates_once()
