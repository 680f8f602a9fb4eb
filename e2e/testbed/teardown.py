"""Removes what a test node leaves on its machine, and nothing of others."""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from processes import TestbedError, run

BRIDGE = "kato0"
CNI_CACHE = Path("/var/lib/cni")
"""Where CNI records its results, also those of containers that are not ours."""


def kill_leftovers(state: Path) -> None:
    """Shims carry the address of our containerd; containers run below our directory."""
    ours = f"{state}/containerd.sock".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if b"containerd-shim" in command and ours in command:
                os.kill(int(process.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue


def unmount(state: Path) -> None:
    """Everything that is mounted below *state*."""
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for point in sorted((p for p in points if p.startswith(f"{state}/")), reverse=True):
        subprocess.run(["umount", "-l", point], capture_output=True, check=False)


def remove_cgroups() -> None:
    """Remove the empty cgroups of pods in every hierarchy; one in use stays."""
    hierarchies = Path("/sys/fs/cgroup")
    for root in (*hierarchies.glob("kubepods"), *hierarchies.glob("*/kubepods")):
        groups = sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True)
        for group in (*groups, root):
            with suppress(OSError):
                group.rmdir()


def remove_log_links(state: Path) -> None:
    """Remove our links from the folder where every kubelet of the machine links its logs."""
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{state}/"):
            link.unlink(missing_ok=True)


def remove_network(state: Path, cni_cache: Path = CNI_CACHE) -> None:
    """The bridge, the rules of kube-proxy, kubelet and CNI, and CNI's notes of our containers."""
    subprocess.run(["ip", "link", "del", BRIDGE], capture_output=True, check=False)
    for family in ("iptables", "ip6tables"):  # kube-proxy and kubelet write both
        _remove_rules(family)
    for result in (cni_cache / "results").glob("*"):
        if f'"{state}/'.encode() in result.read_bytes():
            result.unlink(missing_ok=True)


def _remove_rules(family: str) -> None:
    """Remove Kubernetes' rules from one family, if this kernel has it."""
    save, restore = f"{family}-save", f"{family}-restore"
    if shutil.which(save) is None:
        return
    saved = subprocess.run([save], capture_output=True, text=True, timeout=60, check=False)
    kept = rules_of_others(saved.stdout)
    if saved.returncode == 0 and kept != saved.stdout:
        run([restore], stdin=kept)


def rules_of_others(rules: str) -> str:
    """The output of `iptables-save` without chains and rules of kube-proxy, kubelet and CNI."""
    kept = (line for line in rules.splitlines() if "KUBE" not in line and "CNI-" not in line)
    return "".join(f"{line}\n" for line in kept)


def refuse_next_to_another_node() -> None:
    """Refuse a machine with another node: `down` could not tell its rules from ours.

    Raises:
        TestbedError: iptables already has rules of a kube-proxy or of CNI.
    """
    rules = run(["iptables-save"])
    if rules_of_others(rules) != rules:
        raise TestbedError(
            "iptables already has rules of a Kubernetes node or of CNI (KUBE, CNI-): use that"
            " cluster with CLUSTER=current, or use another machine"
        )
