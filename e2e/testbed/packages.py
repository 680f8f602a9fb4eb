"""Debian packages that the other commands need."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from processes import TestbedError, run, say

NODE_PACKAGES = (
    *("containerd", "runc", "containernetworking-plugins", "iptables", "iproute2"),
    *("buildah", "debootstrap", "openssl"),
)
LOCKED = "/var/lib/dpkg"
"""The folder that is locked while packages are installed: apt-get fails beside another one. What
the packages start does not inherit the lock."""
LOCK_PATIENCE_S = 1800


def ensure_packages(names: Sequence[str]) -> None:
    """Install Debian packages that are missing.

    Raises:
        TestbedError: Not root, or not a Debian-like machine; names the missing packages.
    """
    missing = [name for name in names if not _is_installed(name)]
    if not missing:
        return
    wanted = " ".join(missing)
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise TestbedError(f"packages are missing: run as root: apt-get install {wanted}")
    say(f"installing {wanted}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    alone = ["flock", "--verbose", "--close", "--wait", str(LOCK_PATIENCE_S), LOCKED, "apt-get"]
    run([*alone, "update", "-q"], timeout_s=600 + LOCK_PATIENCE_S, env=env)
    command = [*alone, "install", "-y", "-q", "--no-install-recommends", *missing]
    run(command, timeout_s=900 + LOCK_PATIENCE_S, env=env)


def _is_installed(name: str) -> bool:
    if shutil.which("dpkg-query") is None:
        return shutil.which(name) is not None
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", name], capture_output=True, text=True, check=False
    )
    return done.returncode == 0 and done.stdout.endswith(" installed")
