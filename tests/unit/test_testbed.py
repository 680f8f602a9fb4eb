"""What `down` removes of the test node: its own parts, and nothing of others."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kato_platform
import teardown
from commands import PlatformError
from kubernetes_node import Node

RULES = """\
*filter
:INPUT ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
-A DOCKER -d 172.17.0.2/32 -j ACCEPT
COMMIT
"""


def noted(cni_cache: Path, name: str, sandbox: str) -> Path:
    """The result that CNI records for one container."""
    file = cni_cache / "results" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"result": {"interfaces": [{"sandbox": sandbox}]}}))
    return file


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that come first on PATH; `ip` does nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program(folder, "ip", "")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_rules_of_others_stay_as_they_are() -> None:
    assert teardown.rules_of_others(RULES) == (
        "*filter\n:INPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n"
        "-A DOCKER -d 172.17.0.2/32 -j ACCEPT\nCOMMIT\n"
    )


def test_the_rules_of_both_families_are_removed(tmp_path: Path, programs: Path) -> None:
    for family in ("iptables", "ip6tables"):
        program(programs, f"{family}-save", f"cat <<E\n{RULES}E")
        program(programs, f"{family}-restore", f"cat > {tmp_path}/{family}")
    teardown.remove_network(tmp_path / "node", tmp_path / "cni")
    restored = [(tmp_path / family).read_text() for family in ("iptables", "ip6tables")]
    assert restored == [teardown.rules_of_others(RULES)] * 2


def test_only_our_own_notes_of_cni_are_removed(tmp_path: Path, programs: Path) -> None:
    for family in ("iptables", "ip6tables"):
        program(programs, f"{family}-save", "")
    node, cni_cache = tmp_path / "node", tmp_path / "cni"
    ours = noted(cni_cache, "kato-1-eth0", f"{node}/containerd/state/netns/cni-1")
    others = noted(cni_cache, "podman-2-eth0", "/run/netns/cni-2")
    teardown.remove_network(node, cni_cache)
    assert (ours.exists(), others.exists()) == (False, True)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Callable[[Path], int]]:
    """Starts a process that looks like containerd in a directory; returns its id."""
    sleep = tmp_path / "containerd"
    sleep.symlink_to("/bin/sleep")
    started: list[subprocess.Popen[bytes]] = []

    def start(directory: Path) -> int:
        started.append(subprocess.Popen([sleep, "60"], cwd=directory))
        command = Path(f"/proc/{started[-1].pid}/cmdline")
        end = time.monotonic() + 60
        while not command.read_bytes() and time.monotonic() < end:
            time.sleep(0.01)  # it has no command line yet for a moment after it began
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait(timeout=10)


def test_a_foreign_process_that_reuses_an_old_id_is_not_ours(
    tmp_path: Path, sleeper: Callable[[Path], int]
) -> None:
    node = Node(state=tmp_path / "node")
    node.state.mkdir()
    ours, others = sleeper(node.state), sleeper(tmp_path)
    (node.state / "containerd.pid").write_text(str(ours))
    assert node.pid("containerd") == ours
    (node.state / "containerd.pid").write_text(str(others))
    assert node.pid("containerd") is None


@pytest.mark.parametrize(("is_test_node", "downs"), [(True, 1), (False, 0)])
def test_a_test_node_that_failed_to_start_is_removed(
    monkeypatch: pytest.MonkeyPatch, is_test_node: bool, downs: int
) -> None:
    gone: list[bool] = []

    def fail(_dist: Path | None) -> None:
        raise PlatformError("node testbed Ready: not within 120 s")

    monkeypatch.setattr(kato_platform, "wants_current_cluster", lambda: not is_test_node)
    monkeypatch.setattr(kato_platform, "start_cluster", fail)
    monkeypatch.setattr(kato_platform, "down", lambda: gone.append(True))
    with pytest.raises(PlatformError), kato_platform.platform():
        pass
    assert len(gone) == downs
