"""A release as its users meet it: install.yaml, two image archives, and nothing else.

Runs after test_platform.py, which has the same release installed by Helm, and takes that away.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chart import RELEASE, SYSTEM_NAMESPACE
from clusters import PROGRAMS, Cluster, image_archives
from commands import ROOT, VERSION, run
from instances import apply, name_in, wait_ready
from oci_archive import image_config
from pod_programs import learn_license

EMBEDDED = ROOT / "examples" / "embedded.yaml"
NAME = name_in(EMBEDDED)
LABEL = "org.opencontainers.image."
LIST_DISTRIBUTIONS = (
    "import importlib.metadata as m, json;"
    " print(json.dumps({d.name: d.version for d in m.distributions()}))"
)


@pytest.fixture(scope="module")
def dist(cluster: Cluster) -> Path:
    """The folder of the release that runs on the cluster."""
    if cluster.dist is None:
        pytest.skip("only the test node runs a release")
    return cluster.dist


@pytest.fixture(scope="module")
def installed(cluster: Cluster, dist: Path) -> Iterator[Cluster]:
    """The cluster with nothing of KATO but what `install.yaml` holds."""
    cluster.kubectl("delete", "katoinstance", "--all", "--timeout=120s", timeout_s=130)
    cluster.helm("uninstall", RELEASE, "--namespace", SYSTEM_NAMESPACE, "--wait")
    cluster.kubectl("delete", "crd", "katoinstances.kato.dev", "--timeout=60s")
    cluster.kubectl("delete", "namespace", SYSTEM_NAMESPACE, "--timeout=60s")
    manifest = str(dist / "install.yaml")
    cluster.kubectl("apply", "--server-side", "-f", manifest)
    rollout = ("rollout", "status", f"deployment/{RELEASE}-operator", "-n", SYSTEM_NAMESPACE)
    cluster.kubectl(*rollout, "--timeout=120s", timeout_s=130)
    yield cluster
    cluster.kubectl("delete", "-f", manifest, "--timeout=120s", timeout_s=130)


def components(sbom: Path) -> dict[str, str]:
    """Names and versions, with the component that the document is about."""
    document: dict[str, Any] = json.loads(sbom.read_text(encoding="utf-8"))
    listed = [*document["components"], document["metadata"]["component"]]
    return {component["name"]: component["version"] for component in listed}


def normalised(name: str) -> str:
    """As an index compares names of distributions."""
    return re.sub(r"[-_.]+", "-", name).lower()


def in_pod(cluster: Cluster, deployment: str, namespace: str) -> dict[str, str]:
    """The distributions in the image that a deployment's pod runs."""
    place = (f"deployment/{deployment}", "-n", namespace)
    return dict(
        json.loads(cluster.kubectl("exec", *place, "--", "python3", "-c", LIST_DISTRIBUTIONS))
    )


def test_install_yaml_and_the_images_suffice_for_a_prediction(installed: Cluster) -> None:
    apply(installed, EMBEDDED)
    wait_ready(installed, NAME)
    url = installed.get("katoinstance", NAME)["status"]["endpoints"]["http"]
    assert learn_license(installed, url).count("future ") == 3


def test_the_sboms_list_the_content_of_the_images(installed: Cluster, dist: Path) -> None:
    places = {"service": (NAME, "default"), "operator": (f"{RELEASE}-operator", SYSTEM_NAMESPACE)}
    for program, archive in image_archives(dist).items():
        listed = components(dist / f"{archive.stem}.cdx.json")
        assert listed == in_pod(installed, *places[program])


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_distribution_in_an_image_is_pinned(dist: Path, program: str) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {normalised(name): pin for name, _, pin in (line.partition("==") for line in lines)}
    listed = components(dist / f"{image_archives(dist)[program].stem}.cdx.json")
    del listed["kato"]
    assert listed == {name: pins.get(normalised(name)) for name in listed}


@pytest.mark.parametrize("program", PROGRAMS)
def test_images_carry_version_revision_and_licence(dist: Path, program: str) -> None:
    config = image_config(image_archives(dist)[program])["config"]
    assert config["Labels"][f"{LABEL}version"] == VERSION
    assert config["Labels"][f"{LABEL}licenses"] == "Apache-2.0"
    commit = run("git", "-C", ROOT, "rev-parse", "HEAD").strip()
    assert config["Labels"][f"{LABEL}revision"].removesuffix("-dirty") == commit


@pytest.mark.parametrize("program", PROGRAMS)
def test_images_hold_nothing_of_the_build_machine(dist: Path, program: str) -> None:
    config = image_config(image_archives(dist)[program])["config"]
    names = {line.partition("=")[0] for line in config["Env"]}
    assert names <= {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "DATA_DIR"}


def test_the_checksums_match_the_files(dist: Path) -> None:
    shown = run("sh", "-c", f"cd {dist} && sha256sum --check SHA256SUMS")
    checked = {line.removesuffix(": OK") for line in shown.splitlines()}
    assert checked == {file.name for file in dist.iterdir()} - {"SHA256SUMS"}
