"""What `make dist` builds in addition to images: wheel, sdist, chart archive and install.yaml."""

import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiserver import REPOSITORY, Manifest

from archives import unpack
from chart_and_manifest import NAMESPACE, rendered
from control_plane import ControlPlane
from dist import build_packages
from python_packages import ENGINE
from release_images import image_names
from sources import sources
from support import yaml_text

pytestmark = pytest.mark.apiserver
PEOPLE = ("view", "edit", "admin")

CHART = REPOSITORY / "charts" / "kato"
IMAGES = image_names(sources().version, "localhost")


@dataclass(frozen=True)
class Packages:
    out: Path
    unpacked: Path
    """The sdist's content."""

    def only(self, pattern: str) -> Path:
        (found,) = self.out.glob(pattern)
        return found


@pytest.fixture(scope="module")
def packages(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The packages of this checkout, built as `make dist` does; Helm comes with the API server."""
    work, out = (tmp_path_factory.mktemp(name) for name in ("work", "dist"))
    source = sources()
    source.export(work / "exported")
    return Packages(out, build_packages(source, work, out, prefix="localhost"))


@pytest.fixture(scope="module")
def wheel(packages: Packages) -> zipfile.ZipFile:
    return zipfile.ZipFile(packages.only("kato-*.whl"))


@pytest.fixture(scope="module")
def manifests(packages: Packages) -> list[Manifest]:
    return objects((packages.out / "install.yaml").read_text(encoding="utf-8"))


def objects(text: str) -> list[Manifest]:
    return yaml_text.documents(text)


def tracked(*folders: str) -> set[str]:
    """Python modules of the repository below *folders*, as they are imported."""
    listed = subprocess.run(
        ["git", "-C", REPOSITORY, "ls-files", *folders], check=True, capture_output=True, text=True
    )
    names = (line.partition("/")[2] for line in listed.stdout.splitlines())
    return {name for name in names if name.endswith(".py")}


def test_the_wheel_holds_all_modules_of_both_programs_and_nothing_else(
    wheel: zipfile.ZipFile,
) -> None:
    names = set(wheel.namelist())
    assert {name for name in names if name.endswith(".py")} == tracked("operator", "service")
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"kato_operator", "kato_service", f"kato-{sources().version}.dist-info"}


def test_the_wheel_of_the_client_holds_its_modules_and_nothing_else(packages: Packages) -> None:
    wheel = zipfile.ZipFile(packages.only("kato_client-*.whl"))
    names = set(wheel.namelist())
    assert {name for name in names if name.endswith(".py")} == {
        name for name in tracked("client") if name.startswith("kato_client/")
    }
    version = sources().version
    assert {name.partition("/")[0] for name in names} == {
        "kato_client",
        f"kato_client-{version}.dist-info",
    }
    assert {"kato_client/py.typed", f"kato_client-{version}.dist-info/licenses/LICENSE"} < names
    unpacked = packages.only("kato_client-*.tar.gz")
    assert unpacked.name == f"kato_client-{version}.tar.gz"


@pytest.mark.parametrize(
    ("page", "parts"),
    [
        ("documents", {"page.html", "swagger-ui/LICENSE"}),
        ("console", {"index.html", "main.js"}),
    ],
)
def test_the_wheel_holds_the_pages_with_the_licences_of_their_parts(
    wheel: zipfile.ZipFile, page: str, parts: set[str]
) -> None:
    folder = f"kato_service/api/{page}/assets/"
    listed = subprocess.run(
        ["git", "-C", REPOSITORY, "ls-files", f"service/{folder}"],
        check=True,
        capture_output=True,
        text=True,
    )
    files = {line.removeprefix("service/") for line in listed.stdout.splitlines()}
    assert {name for name in wheel.namelist() if name.startswith(folder)} == files
    assert {f"{folder}{part}" for part in parts} < files


def test_the_wheel_carries_version_and_licence(wheel: zipfile.ZipFile) -> None:
    info = f"kato-{sources().version}.dist-info"
    metadata = message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert (metadata["Version"], metadata["License-Expression"]) == (
        sources().version,
        "Apache-2.0",
    )
    assert f"{info}/licenses/LICENSE" in wheel.namelist()


def test_the_programs_and_engine_of_the_wheel_run(
    packages: Packages, wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    assert ENGINE in wheel.namelist()
    wheel.extractall(tmp_path)
    code = (
        "import kato_service.search._engine as engine, kato_operator, kato_service.__main__;"
        " print(engine.__file__, kato_operator.__version__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(tmp_path / ENGINE), sources().version]


def test_the_sdist_holds_everything_that_images_are_built_from(
    packages: Packages, tmp_path: Path
) -> None:
    unpacked = unpack(packages.only("kato-*.tar.gz"), tmp_path)
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    copied = [line.split()[1:-1] for line in text.splitlines() if re.match(r"COPY [^-]", line)]
    assert copied
    for name in {"Dockerfile", *(name for line in copied for name in line)}:
        assert (unpacked / name).exists(), name


def test_the_same_commit_gives_the_same_sdist(packages: Packages, tmp_path: Path) -> None:
    from python_packages import build_sdist

    source = sources()
    source.export(tmp_path / "exported")
    again, _ = build_sdist(source, tmp_path, tmp_path)
    assert again.read_bytes() == packages.only("kato-*.tar.gz").read_bytes()


def test_the_chart_archive_holds_the_chart(packages: Packages, tmp_path: Path) -> None:
    unpacked = unpack(packages.only("*.tgz"), tmp_path)
    for path in (path for path in CHART.rglob("*") if path.is_file()):
        packed = unpacked / path.relative_to(CHART)
        if path.name == "Chart.yaml":  # Helm rewrites it
            texts = packed.read_text(), path.read_text()
            assert yaml_text.loaded(texts[0]) == yaml_text.loaded(texts[1])
        elif path.name != ".helmignore":
            assert packed.read_bytes() == path.read_bytes(), path


def test_install_yaml_is_a_namespace_and_the_rendered_chart(manifests: list[Manifest]) -> None:
    namespace, *rest = manifests
    assert (namespace["kind"], namespace["metadata"]) == ("Namespace", {"name": NAMESPACE})
    assert rest == objects(rendered(CHART, IMAGES))


def test_install_yaml_runs_the_images_of_the_release(manifests: list[Manifest]) -> None:
    (deployment,) = (item for item in manifests if item["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == IMAGES["operator"]
    values = {item["name"]: item.get("value", "") for item in container["env"]}
    defaults = json.loads(values["KATO_OPERATOR_DEFAULT_IMAGES"])
    assert defaults == {"service": IMAGES["service"], "agent": IMAGES["operator"]}


def test_install_yaml_can_be_applied_repeatedly(
    control_plane: ControlPlane, kubernetes: httpx.Client, packages: Packages
) -> None:
    def applied() -> Any:
        file = str(packages.out / "install.yaml")
        control_plane.kubectl("apply", "--server-side", "-f", file)
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/kato-operator"
        return kubernetes.get(path).raise_for_status().json()["metadata"]["resourceVersion"]

    try:
        assert applied() == applied()
    finally:
        roles = [f"clusterrole/{NAMESPACE}:kato-{name}" for name in (*PEOPLE, "operator")]
        rights = (*roles, f"clusterrolebinding/{NAMESPACE}:kato-operator")
        control_plane.kubectl("delete", *rights, f"namespace/{NAMESPACE}", "--wait=false")
