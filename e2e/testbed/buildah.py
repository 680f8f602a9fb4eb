"""Images from Dockerfiles by buildah, on a debootstrapped base: no registry is needed."""

import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path

from processes import TestbedError, run_tool, say

BASE_PACKAGES = "python3,python3-venv,ca-certificates"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Of the kernel and of images."""
EMULATORS = {"amd64": "qemu-x86_64", "arm64": "qemu-aarch64"}
"""Names of the kernel's entries for programs of another architecture."""
BINFMT = Path("/proc/sys/fs/binfmt_misc")
_UNNEEDED = (
    *("var/cache/apt", "var/lib/apt/lists", "var/log", "var/cache/ldconfig"),
    *("usr/share/doc", "usr/share/man", "usr/share/locale"),
    *("etc/hostname", "etc/resolv.conf"),  # debootstrap copies this machine's
)
_PIP_FILES = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
_PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "cert", "timeout")


def native_architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def can_run(architecture: str, binfmt: Path = BINFMT) -> bool:
    """Whether this machine runs programs of the architecture, also in a container of its own.

    The kernel has to have opened the emulator when it was registered (flag F): a container does
    not hold it.
    """
    if architecture == native_architecture():
        return True
    entry = binfmt / EMULATORS.get(architecture, "unknown")
    words = entry.read_text().splitlines() if entry.is_file() else []
    flags = next((line for line in words if line.startswith("flags:")), "")
    return "enabled" in words and "F" in flags


def base_for(architecture: str) -> str:
    """The name of the base image, as `require_base` makes it."""
    suffix = "" if architecture == native_architecture() else f"-{architecture}"
    return f"localhost/kato-base{suffix}:2"


BASE = base_for(native_architecture())


def build(
    dockerfile: Path,
    context: Path,
    name: str,
    *,
    base: str,
    target: str = "",
    options: Sequence[str] = (),
) -> str:
    """Build an image and keep it in buildah's storage under *name*; its id."""
    chosen = ("--target", target) if target else ()
    with _pip_mounts() as mounts, tempfile.NamedTemporaryFile("r") as identity:
        buildah(
            *("bud", "-q", "--layers=false", "--pull=false", "--build-arg", f"BASE={base}"),
            *(*chosen, *mounts, *options, "-f", str(dockerfile), "-t", name),
            *("--iidfile", identity.name, str(context)),
        )
        return Path(identity.name).read_text().strip()


def require_root() -> None:
    """Raises TestbedError for anybody else, for whom buildah would end in the middle of a build."""
    if os.geteuid() != 0:
        raise TestbedError("building images needs root: use sudo")


def require_base(architecture: str, work: Path) -> None:
    """The base image is in buildah's storage; made there where it is missing."""
    if not is_known(base_for(architecture)):
        _make_base(architecture, work / f"base-{architecture}")


def is_known(name: str) -> bool:
    """Whether an image is in buildah's storage."""
    command = ["buildah", "inspect", "--type", "image", name]
    return not subprocess.run(command, env=_env(), capture_output=True, check=False).returncode


def buildah(*arguments: str) -> str:
    """Run buildah; its standard output."""
    return run_tool(["buildah", *arguments], timeout_s=3600, env=_env())


def _make_base(architecture: str, tree: Path) -> None:
    started = time.monotonic()
    say(f"building the base image for {architecture} with debootstrap ({_duration(architecture)})")
    shutil.rmtree(tree, ignore_errors=True)
    options = ["--variant=minbase", f"--arch={architecture}", f"--include={BASE_PACKAGES}"]
    run_tool(["debootstrap", *options, "bookworm", str(tree)], timeout_s=3600)
    # The commit below gives every file the same time, and Python would compile anew what seems to
    # be older or newer than its source.
    compiled = ("python3", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash")
    folders = ("/usr/lib/python3", "/usr/lib/python3.11")
    run_tool(["chroot", str(tree), *compiled, *folders], timeout_s=3600)
    for unneeded in _UNNEEDED:
        path = tree / unneeded
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (tree / "var/log").mkdir()
    container = buildah("from", "--arch", architecture, "scratch").strip()
    buildah("copy", "-q", container, str(tree), "/")
    buildah("commit", "-q", "--timestamp", "0", container, base_for(architecture))
    buildah("rm", container)
    shutil.rmtree(tree, ignore_errors=True)
    say(f"base image built in {time.monotonic() - started:.0f} s")


def _duration(architecture: str) -> str:
    return "about a minute" if architecture == native_architecture() else "10 minutes: emulated"


@contextmanager
def _pip_mounts() -> Iterator[list[str]]:
    """Mounts by which pip inside finds the host's index; nothing of them stays in the image."""
    options = _pip_options()
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "pip.conf"
        lines = (f"{name} = {value}\n" for name, value in options.items())
        configuration.write_text("[global]\n" + "".join(lines))
        mounts = ["-v", f"{configuration}:/etc/pip.conf:ro"]
        if certificates := options.get("cert"):
            mounts += ["-v", f"{certificates}:{certificates}:ro"]
        yield mounts


def _pip_options() -> dict[str, str]:
    """Of the host's configuration files, and of its environment, which wins."""
    found = ConfigParser(interpolation=None)
    found.read([Path(name).expanduser() for name in _PIP_FILES])
    given = dict(found["global"]) if found.has_section("global") else {}
    for name in _PIP_OPTIONS:
        variable = f"PIP_{name.upper().replace('-', '_')}"
        if value := os.environ.get(variable):
            given[name] = value
    return {name: given[name] for name in _PIP_OPTIONS if name in given}


def _env() -> dict[str, str]:
    return {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
