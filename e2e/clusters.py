"""Where the platform goes: the cluster of KUBECONFIG (or of CLUSTER=current), else a test node.

What goes there is built from this checkout, or comes from the folder of a release (`make dist`).
"""

import json
import os
import platform
import shutil
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands import ROOT, VERSION, PlatformError, run, run_visibly, say

TESTBED = ROOT / "e2e" / "testbed"
IMAGES_DIR = ROOT / ".cache" / "images"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "unknown")
"""Of this machine, as images name it."""
PROGRAMS = ("service", "operator")
STANDINS = {
    "redis": "localhost/kato-standin-redis:1",
    "mongodb": "localhost/kato-standin-mongodb:1",
    "qdrant": "localhost/kato-standin-qdrant:1",
}


@dataclass(frozen=True)
class Cluster:
    """A cluster, and the images that the platform uses on it."""

    images: Mapping[str, str]
    """Image by component: service, operator and, on the test node, the stand-ins for stores."""
    env: Mapping[str, str] = field(default_factory=dict)
    """KUBECONFIG and PATH of the test node; empty for the current cluster."""
    is_test_node: bool = True
    dist: Path | None = None
    """The folder of the release that is used instead of this checkout."""

    def tool(self, name: str) -> str:
        found = shutil.which(name, path=self.env.get("PATH"))
        if found is None:
            raise PlatformError(
                f"{name} is not on PATH; install it, or unset CLUSTER and KUBECONFIG"
            )
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
    """Whether the environment names a cluster other than the test node."""
    named = os.environ.get("KUBECONFIG", "")
    is_other = bool(named) and named != node_env()["KUBECONFIG"]
    return is_other or os.environ.get("CLUSTER") == "current"


def start_cluster(dist: Path | None = None) -> Cluster:
    """A running cluster with images: from the release in *dist*, or from this checkout."""
    return current_cluster(dist) if wants_current_cluster() else start_test_node(dist)


def running_cluster() -> Cluster:
    return Cluster(images={}, is_test_node=False) if wants_current_cluster() else running_node()


def node_env() -> dict[str, str]:
    """KUBECONFIG and PATH of the test node, as testbed.py prints them."""
    env = {}
    for line in run(sys.executable, TESTBED / "testbed.py", "env").splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        env[name] = value.strip("\"'").replace("$PATH", os.environ["PATH"])
    return env


def running_node(dist: Path | None = None) -> Cluster:
    """The test node, once it runs."""
    images = {name: f"localhost/kato-{name}:{VERSION}" for name in PROGRAMS}
    if dist:
        images = {name: image_name(archive) for name, archive in image_archives(dist).items()}
    return Cluster(images={**images, **STANDINS}, env=node_env(), dist=dist)


def start_test_node(dist: Path | None = None) -> Cluster:
    run_visibly(sys.executable, TESTBED / "testbed.py", "packages", "--node")
    say("building images (minutes the first time; later from .cache/)")
    released = ("--dist", dist) if dist else ()
    run_visibly(sys.executable, TESTBED / "images.py", "--out", IMAGES_DIR, *released)
    say("starting the test node")
    tars = sorted(IMAGES_DIR.glob("*.tar"))
    if dist:
        own = [tar for tar in tars if tar.name.startswith(("kato-pause", "kato-standin"))]
        tars = [*own, *image_archives(dist).values()]
    run_visibly(sys.executable, TESTBED / "testbed.py", "up", *tars)
    return running_node(dist)


def current_cluster(dist: Path | None = None) -> Cluster:
    """The cluster that kubectl points at, with images that it can pull."""
    prefix = os.environ.get("IMAGES", "").rstrip("/")
    cluster = Cluster(images={}, is_test_node=False)
    context = cluster.kubectl("config", "current-context").strip()
    say(f"using the current cluster (context {context})")
    if not prefix and not context.startswith("kind-"):
        raise PlatformError(
            "this cluster cannot pull images from this machine: name a registry that it can pull\n"
            "from and you can push to: make up CLUSTER=current IMAGES=registry.example/team"
        )
    images = {name: f"{prefix or 'localhost'}/kato-{name}:{VERSION}" for name in PROGRAMS}
    for target, image in images.items():
        _make_or_load(target, image, dist)
        if prefix:
            run("docker", "push", image, timeout_s=1800)
        else:
            name = context.removeprefix("kind-")
            run("kind", "load", "docker-image", image, "--name", name, timeout_s=600)
    return Cluster(images=images, is_test_node=False, dist=dist)


def _make_or_load(target: str, image: str, dist: Path | None) -> None:
    """Give docker *image*: built from this checkout, or loaded from a release."""
    if dist is None:
        say(f"docker build --target {target} → {image}")
        run("docker", "build", "--target", target, "-t", image, ROOT, timeout_s=1800)
        return
    archive = image_archives(dist)[target]
    say(f"docker load {archive.name} → {image}")
    run("docker", "load", "--input", archive, timeout_s=600)
    run("docker", "tag", image_name(archive), image)


def image_archives(dist: Path) -> dict[str, Path]:
    """The archives of a release for this machine's architecture, by program.

    Raises:
        PlatformError: One is missing.
    """
    archives = {name: dist / f"kato-{name}-{VERSION}-linux-{ARCHITECTURE}.tar" for name in PROGRAMS}
    for archive in archives.values():
        if not archive.is_file():
            raise PlatformError(f"{archive}: no such file; build the release with: make dist")
    return archives


def image_name(archive: Path) -> str:
    """The name that an image is loaded under."""
    with tarfile.open(archive) as tar:
        content = tar.extractfile("manifest.json")
        assert content is not None
        name: str = json.load(content)[0]["RepoTags"][0]
    return name
