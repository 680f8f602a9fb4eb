"""The sdists of KATO and of its Python client, and the wheels that are built from them."""

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
    return _sdist(source, work / "exported", work / "sdist", out)


def build_client(source: Sources, work: Path, out: Path) -> tuple[Path, Path]:
    """The sdist and the wheel of the Python client below *out*, from the same sources."""
    sdist, unpacked = _sdist(source, work / "exported" / "client", work / "client-sdist", out)
    return sdist, _wheel(source, unpacked, work / "client-wheel", out)


def _sdist(source: Sources, sources: Path, work: Path, out: Path) -> tuple[Path, Path]:
    _build(source, "--sdist", sources, work / "made")
    (made,) = (work / "made").glob("*.tar.gz")
    folder = unpack(made, work / "unpacked")
    # setuptools writes the times of the checkout into it.
    sdist = out / made.name
    write_tar(sdist, folder, epoch=source.epoch, prefix=f"{folder.name}/", compressed=True)
    return sdist, folder


def build_wheel(source: Sources, unpacked: Path, work: Path, out: Path) -> Path:
    """The wheel of this machine's architecture.

    Raises:
        TestbedError: It has no compiled engine: there is no C compiler.
    """
    wheel = _wheel(source, unpacked, work, out)
    if ENGINE not in zipfile.ZipFile(wheel).namelist():
        raise TestbedError(
            f"the wheel lacks the compiled engine ({ENGINE}): install a C compiler and Python's"
            " headers (as root: apt-get install gcc libc6-dev python3-dev)"
        )
    return wheel


def _wheel(source: Sources, unpacked: Path, work: Path, out: Path) -> Path:
    # In a copy: the compiler's results must not get into images that are built from the folder.
    copy = shutil.copytree(unpacked, work / "source")
    _build(source, "--wheel", copy, work / "made")
    (made,) = (work / "made").glob("*.whl")
    return Path(shutil.copy2(made, out / made.name))


def _build(source: Sources, what: str, folder: Path, out: Path) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", what, "--outdir", str(out)]
    # Without debug information, which would hold the path of a temporary folder.
    run_tool([*command, str(folder)], env={**source.environment, "CFLAGS": "-g0"})
