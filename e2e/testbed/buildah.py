"""Images from Dockerfiles by buildah, on a debootstrapped base: no registry is needed."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from processes import TestbedError, say

BASE = "localhost/kato-base:1"
BASE_PACKAGES = "python3,python3-venv,ca-certificates,redis-server"
_UNNEEDED = (
    *("var/cache/apt", "var/lib/apt/lists"),
    *("usr/share/doc", "usr/share/man", "usr/share/locale"),
)


def build(dockerfile: Path, context: Path, name: str, *, base: str, target: str = "") -> None:
    """Build one image and keep it in buildah's storage under *name*."""
    chosen = ["--target", target] if target else []
    buildah(
        *("bud", "-q", "--layers=false", "--build-arg", f"BASE={base}", *chosen, *_pip_mounts()),
        *("-f", str(dockerfile), "-t", name, str(context)),
    )


def require_image(name: str, archive: Path) -> None:
    """The image is in buildah's storage: there already, made, or read back from its archive."""
    if _is_known(name):
        return
    if archive.exists():
        buildah("pull", "-q", f"docker-archive:{archive}")
        return
    _make_base(archive.parent)


def buildah(*arguments: str) -> str:
    """Run buildah; its standard output."""
    return _run(["buildah", *arguments], timeout_s=1800, env=_env())


def _is_known(name: str) -> bool:
    command = ["buildah", "inspect", "--type", "image", name]
    return not subprocess.run(command, env=_env(), capture_output=True, check=False).returncode


def _make_base(out: Path) -> None:
    started = time.monotonic()
    say("making the base image (debootstrap, under a minute)")
    tree = out / "base"
    shutil.rmtree(tree, ignore_errors=True)
    _run(
        ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", str(tree)],
        timeout_s=900,
    )
    for unneeded in _UNNEEDED:
        shutil.rmtree(tree / unneeded, ignore_errors=True)
    container = buildah("from", "scratch").strip()
    buildah("copy", "-q", container, str(tree), "/")
    buildah("commit", "-q", container, BASE)
    buildah("rm", container)
    shutil.rmtree(tree, ignore_errors=True)
    say(f"base image made in {time.monotonic() - started:.0f} s")


def _pip_mounts() -> list[str]:
    """The host's pip configuration and certificates, so that pip inside finds its index."""
    given = [
        "/etc/pip.conf",
        os.environ.get("PIP_CERT", ""),
        str(Path.home() / ".config/pip/pip.conf"),
    ]
    found = [path for path in given if path and Path(path).is_file()]
    mounts = [
        part
        for path in found
        for part in ("-v", f"{path}:{'/etc/pip.conf' if path.endswith('pip.conf') else path}:ro")
    ]
    variables = [
        name
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT")
        if os.environ.get(name)
    ]
    return mounts + [part for name in variables for part in ("--env", f"{name}={os.environ[name]}")]


def _env() -> dict[str, str]:
    return {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}


def _run(command: Sequence[str], *, timeout_s: float, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, env=env, check=False
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise TestbedError(f"{' '.join(command[:3])} … failed:\n{said}")
    return done.stdout
