"""Where the platform goes: the cluster of KUBECONFIG (or of CLUSTER=current), else a test node."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from commands import ROOT, VERSION, PlatformError, run, run_visibly, say

TESTBED = ROOT / "e2e" / "testbed"
IMAGES_DIR = ROOT / ".cache" / "images"
STANDINS = {
    "redis": "localhost/kato-standin-redis:1",
    "mongodb": "localhost/kato-standin-mongodb:1",
    "qdrant": "localhost/kato-standin-qdrant:1",
}


@dataclass(frozen=True)
class Cluster:
    """A cluster, and the images the platform runs on it."""

    images: Mapping[str, str]
    """component → image: service, operator and, on the test node, the stores' stand-ins."""
    env: Mapping[str, str] = field(default_factory=dict)
    """KUBECONFIG and PATH of the test node; empty for the current cluster."""
    is_test_node: bool = True

    def tool(self, name: str) -> str:
        found = shutil.which(name, path=self.env.get("PATH"))
        if found is None:
            raise PlatformError(f"{name} is not on PATH; install it, or leave CLUSTER unset")
        return found

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout_s: float = 120) -> str:
        return run(self.tool("kubectl"), *arguments, stdin=stdin, timeout_s=timeout_s, env=self.env)

    def helm(self, *arguments: str, timeout_s: float = 180) -> str:
        return run(self.tool("helm"), *arguments, timeout_s=timeout_s, env=self.env)

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.kubectl("get", kind, name, "-n", namespace, "-o", "json")
        )
        return found


def wants_current_cluster() -> bool:
    """Whether a cluster is named, other than the test node that `up` tells to export."""
    named = os.environ.get("KUBECONFIG", "")
    is_other = bool(named) and named != test_node_env()["KUBECONFIG"]
    return is_other or os.environ.get("CLUSTER") == "current"


def start_cluster() -> Cluster:
    return current_cluster() if wants_current_cluster() else start_test_node()


def running_cluster() -> Cluster:
    return Cluster(images={}, is_test_node=False) if wants_current_cluster() else test_node()


def test_node_env() -> dict[str, str]:
    """KUBECONFIG and PATH of the test node, as testbed.py prints them."""
    env = {}
    for line in run(sys.executable, TESTBED / "testbed.py", "env").splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        env[name] = value.strip("\"'").replace("$PATH", os.environ["PATH"])
    return env


def test_node() -> Cluster:
    """The running test node."""
    images = {"service": f"localhost/kato-service:{VERSION}"}
    images |= {"operator": f"localhost/kato-operator:{VERSION}", **STANDINS}
    return Cluster(images=images, env=test_node_env())


def start_test_node() -> Cluster:
    run_visibly(sys.executable, TESTBED / "testbed.py", "packages", "--node")
    say("building images (the first time takes minutes; cached under .cache/)")
    run_visibly(sys.executable, TESTBED / "images.py", "--out", IMAGES_DIR)
    say("starting the test node")
    tars = sorted(IMAGES_DIR.glob("*.tar"))
    run_visibly(sys.executable, TESTBED / "testbed.py", "up", *tars)
    return test_node()


def current_cluster() -> Cluster:
    """The cluster kubectl points at, with images it can reach."""
    prefix = os.environ.get("IMAGES", "").rstrip("/")
    cluster = Cluster(images={}, is_test_node=False)
    context = cluster.kubectl("config", "current-context").strip()
    say(f"using the current cluster (context {context})")
    if not prefix and not context.startswith("kind-"):
        raise PlatformError(
            "this cluster cannot see images built here: name a registry it can pull from and you\n"
            "can push to, e.g. `make up CLUSTER=current IMAGES=registry.example/team`"
        )
    images = {
        name: f"{prefix or 'localhost'}/kato-{name}:{VERSION}" for name in ("service", "operator")
    }
    for target, image in images.items():
        say(f"docker build --target {target} → {image}")
        run("docker", "build", "--target", target, "-t", image, ROOT, timeout_s=1800)
        if prefix:
            run("docker", "push", image, timeout_s=1800)
        else:
            name = context.removeprefix("kind-")
            run("kind", "load", "docker-image", image, "--name", name, timeout_s=600)
    return Cluster(images=images, is_test_node=False)
