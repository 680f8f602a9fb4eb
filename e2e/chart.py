"""The Helm chart on a cluster."""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from clusters import TESTBED, Cluster
from commands import ROOT, VERSION, run, say

CHART = ROOT / "charts" / "kato"
RELEASE = "kato"
SYSTEM_NAMESPACE = "kato-system"


def chart_values(cluster: Cluster) -> dict[str, Any]:
    repository, _, tag = cluster.images["operator"].rpartition(":")
    defaults = {k: v for k, v in cluster.images.items() if k != "operator"}
    return {
        "image": {"repository": repository, "tag": tag},
        "defaultImages": {**defaults, "agent": cluster.images["operator"]},
    }


def install_chart(cluster: Cluster) -> None:
    chart = cluster.dist / f"kato-{VERSION}.tgz" if cluster.dist else CHART
    shown = Path(os.path.relpath(chart, ROOT))
    say(f"helm upgrade --install {RELEASE} {shown} (namespace {SYSTEM_NAMESPACE})")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as values:
        json.dump(chart_values(cluster), values)
        values.flush()
        cluster.helm(
            *("upgrade", "--install", RELEASE, str(chart), "--namespace", SYSTEM_NAMESPACE),
            *("--create-namespace", "-f", values.name, "--wait", "--timeout", "150s"),
        )


def lint_chart() -> None:
    """Lint and render the chart, with the test node's Helm if there is none on PATH."""
    helm: list[str | Path] = ["helm"]
    if shutil.which("helm") is None:
        helm = [node_binary(), "helm"]
    print(run(*helm, "lint", "--strict", CHART).strip())
    rendered = run(*helm, "template", RELEASE, CHART, "--namespace", SYSTEM_NAMESPACE)
    print(f"rendered {rendered.count('kind:')} objects")


def node_binary() -> str:
    """The path of the test node's binary; progress lines of a build precede it."""
    lines = run(sys.executable, TESTBED / "testbed.py", "binaries", timeout_s=3600).splitlines()
    return next(line.removeprefix("testbed ") for line in lines if line.startswith("testbed "))
