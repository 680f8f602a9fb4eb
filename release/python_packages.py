"""The sdist, and the wheel that is built from it."""

import shutil
import sys
import zipfile
from pathlib import Path

from archives import unpack, write_tar
from processes import TestbedError, run_tool
from sources import Sources

ENGINE = "kato_service/search/_engine.abi3.so"


def build_sdist(source: Sources, work: Path, out: Path) -> tuple[Path, Path]:
    """The sdist below *out*, from the sources in *work* `/exported`; the folder it unpacks to."""
    _build(source, "--sdist", work / "exported", work / "sdist-made")
    (made,) = (work / "sdist-made").glob("*.tar.gz")
    folder = unpack(made, work / "sdist")
    # setuptools writes the times of the checkout into it.
    sdist = out / made.name
    write_tar(sdist, folder, epoch=source.epoch, prefix=f"{folder.name}/", compressed=True)
    return sdist, folder


def build_wheel(source: Sources, unpacked: Path, work: Path, out: Path) -> Path:
    """The wheel of this machine's architecture.

    Raises:
        TestbedError: It has no compiled engine: there is no C compiler.
    """
    # In a copy: the compiler's results must not get into images that are built from the folder.
    copy = shutil.copytree(unpacked, work / "source")
    _build(source, "--wheel", copy, work / "made")
    (made,) = (work / "made").glob("*.whl")
    if ENGINE not in zipfile.ZipFile(made).namelist():
        raise TestbedError(
            f"the wheel lacks the compiled engine ({ENGINE}): install a C compiler and Python's"
            " headers (as root: apt-get install gcc libc6-dev python3-dev)"
        )
    return Path(shutil.copy2(made, out / made.name))


def _build(source: Sources, what: str, folder: Path, out: Path) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", what, "--outdir", str(out)]
    # Without debug information, which would hold the path of a temporary folder.
    run_tool([*command, str(folder)], env={**source.environment, "CFLAGS": "-g0"})
