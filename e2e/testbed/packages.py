"""Debian packages that the other commands need."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from processes import TestbedError, run, say

NODE_PACKAGES = (
    *("containerd", "runc", "containernetworking-plugins", "iptables", "iproute2"),
    *("buildah", "debootstrap", "openssl"),
)


LOCKED = "/var/lib/dpkg"
"""The folder that is locked while packages are installed: apt-get fails beside another one."""
LOCK_PATIENCE_S = 1800.0


def ensure_packages(names: Sequence[str]) -> None:
    """Install Debian packages that are missing.

    Raises:
        TestbedError: Not root, or not a Debian-like machine; names the missing packages.
    """
    if not (missing := _missing(names)):
        return
    wanted = " ".join(missing)
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise TestbedError(f"packages are missing: run as root: apt-get install {wanted}")
    with _alone():
        if missing := _missing(names):
            _install(missing)


def _install(missing: Sequence[str]) -> None:
    say(f"installing {' '.join(missing)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], timeout_s=600, env=env)
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    run(command, timeout_s=900, env=env)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other of our commands installs packages."""
    folder = os.open(LOCKED, os.O_RDONLY)
    give_up_at = time.monotonic() + LOCK_PATIENCE_S
    try:
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as exc:
                if time.monotonic() > give_up_at:
                    raise TestbedError("another command still installs packages; retry") from exc
                time.sleep(0.5)
        yield
    finally:
        os.close(folder)


def _missing(names: Sequence[str]) -> list[str]:
    return [name for name in names if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    if shutil.which("dpkg-query") is None:
        return shutil.which(name) is not None
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", name], capture_output=True, text=True, check=False
    )
    return done.returncode == 0 and done.stdout.endswith(" installed")
