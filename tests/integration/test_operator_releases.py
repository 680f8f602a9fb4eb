"""More than one release of the chart in a cluster, with Helm on a real API server."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from subprocess import CompletedProcess
from typing import Any
from uuid import uuid4

import httpx
import pytest
from apiserver import MERGE
from rendered_chart import CHART, helm

pytestmark = pytest.mark.apiserver

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/katoinstances.kato.dev"
WITHOUT_CRD = ("--set", "crds.install=false")
Install = Callable[..., CompletedProcess[str]]


@pytest.fixture
def other(kubernetes: httpx.Client) -> str:
    """A second namespace."""
    name = f"test-{uuid4().hex[:8]}"
    kubernetes.post("/api/v1/namespaces", json={"metadata": {"name": name}})
    return name


@pytest.fixture
def install(control_plane: Any, kubernetes: httpx.Client) -> Iterator[Install]:
    """Installs or upgrades the chart as a release; afterwards the cluster is as it was."""
    place = ("--kubeconfig", str(control_plane.kubeconfig), "--namespace")
    installed: list[tuple[str, str]] = []

    def run(release: str, namespace: str, *flags: str) -> CompletedProcess[str]:
        arguments = ("upgrade", "--install", release, str(CHART), *place, namespace, *flags)
        done = helm(*arguments)
        if done.returncode == 0 and (release, namespace) not in installed:
            installed.append((release, namespace))
        return done

    yield run
    for release, namespace in installed:
        assert helm("uninstall", release, *place, namespace).returncode == 0
    owner = {f"meta.helm.sh/release-{part}": None for part in ("name", "namespace")}
    meta = {"annotations": owner, "labels": {"app.kubernetes.io/managed-by": None}}
    kept = kubernetes.patch(CRD, json={"metadata": meta}, headers=MERGE)
    assert kept.status_code == 200, "the CRD stays when its release goes"


def test_only_the_crd_cannot_belong_to_two_releases(
    control_plane: Any, kubernetes: httpx.Client, namespace: str, other: str, install: Install
) -> None:
    before = kubernetes.get(CRD).json()
    refused = install("one", namespace)
    assert "belongs to no release (kubectl or another tool has made it)" in refused.stderr
    hand_over(control_plane, refused.stderr)
    accepted = install("one", namespace)
    assert accepted.returncode == 0, accepted.stderr
    assert "The CRD belongs to this release" in accepted.stdout

    refused = install("one", other)
    owner = f'the release "one" in the namespace "{namespace}"'
    assert f'belongs to {owner}, not to "one" in the namespace "{other}"' in refused.stderr
    accepted = install("one", other, *WITHOUT_CRD)
    assert accepted.returncode == 0, accepted.stderr
    assert "The CRD does not belong to this release" in accepted.stdout

    hand_over(control_plane, refused.stderr)
    assert install("one", other).returncode == 0, "the CRD has changed hands"
    after = kubernetes.get(CRD).json()
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])


def hand_over(control_plane: Any, message: str) -> None:
    """Run the commands that a refusal gives."""
    commands = re.findall(r"^\s*kubectl (.+)$", message, re.MULTILINE)
    assert len(commands) == 2, json.dumps(message)
    for command in commands:
        control_plane.kubectl(*shlex.split(command))
