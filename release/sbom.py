"""What is in an image, as a CycloneDX document: every Python distribution, by cyclonedx-py."""

import shutil
import sys
import venv
from pathlib import Path

from processes import run_tool
from sources import Sources


def write_sbom(source: Sources, site_packages: Path, work: Path, target: Path) -> None:
    """List the distributions whose metadata is in *site_packages*, an image's folder.

    cyclonedx-py asks an interpreter where its packages are. The image's may be of another
    architecture, so a bare environment of this machine shows it a copy of their metadata.
    """
    shutil.rmtree(work, ignore_errors=True)
    venv.create(work, with_pip=False)
    (shown,) = (work / "lib").glob("python*/site-packages")
    for metadata in site_packages.glob("*.dist-info"):
        shutil.copytree(metadata, shown / metadata.name)
    command = [sys.executable, "-m", "cyclonedx_py", "environment", str(work)]
    described = ["--pyproject", str(source.root / "pyproject.toml")]
    written = ["--output-reproducible", "--of", "JSON", "-o", str(target)]
    run_tool([*command, *described, *written], env=source.environment)
    shutil.rmtree(work)
