"""The cluster of the e2e tests, and clients of the instances on it."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from clusters import ARCHITECTURE, Cluster, wants_current_cluster
from commands import ROOT, run_visibly
from forwarding import Client, Forward
from kato_platform import platform

RELEASE = ROOT / ".cache" / "e2e-dist"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Test the release last: it removes the chart, and the CRD with all instances."""
    items.sort(key=lambda item: item.path.stem == "test_release")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster with the chart installed; a test node is removed afterwards.

    The test node runs what is released: the chart and images of `make dist`. A cluster that
    KUBECONFIG or CLUSTER names runs images that docker builds: buildah may be missing there.
    """
    with platform(None if wants_current_cluster() else build_release()) as found:
        yield found


def build_release() -> Path:
    """A release of this checkout, for this machine's architecture alone."""
    command = (sys.executable, ROOT / "release" / "dist.py", "--out", RELEASE)
    run_visibly(*command, "--arch", ARCHITECTURE)
    return RELEASE


@pytest.fixture
def connect(cluster: Cluster) -> Iterator[Any]:
    """A function for clients: connect("prod") or connect("prod", "pod/prod-…")."""
    forwards: list[Forward] = []

    def connected(name: str, target: str = "", namespace: str = "default") -> Client:
        forward = Forward(cluster, target or f"service/{name}", namespace)
        forwards.append(forward)
        return Client(forward)

    yield connected
    for forward in forwards:
        with suppress(OSError):
            forward.close()
