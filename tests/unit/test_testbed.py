"""What the test node takes away when it goes: its own, and nothing of others."""

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

E2E = Path(__file__).resolve().parents[2] / "e2e"
RULES = """\
*filter
:INPUT ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
-A DOCKER -d 172.17.0.2/32 -j ACCEPT
COMMIT
"""


def loaded(source: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that is on no path."""
    spec = importlib.util.spec_from_file_location(f"{source.stem}_unit", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def testbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, whose CNI cache is below a directory of this test."""
    module = loaded(E2E / "testbed" / "testbed.py", monkeypatch)
    monkeypatch.setattr(module, "CNI_CACHE", tmp_path / "cni")
    return module


def noted(directory: Path, name: str, sandbox: str) -> Path:
    """What CNI notes of one container."""
    file = directory / "cni" / "results" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"result": {"interfaces": [{"sandbox": sandbox}]}}))
    return file


def test_rules_of_others_stay_as_they_are(testbed: ModuleType) -> None:
    assert testbed.rules_of_others(RULES) == (
        "*filter\n:INPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n"
        "-A DOCKER -d 172.17.0.2/32 -j ACCEPT\nCOMMIT\n"
    )


def test_the_rules_of_both_families_are_removed(
    testbed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for family in ("iptables", "ip6tables"):
        (programs / f"{family}-save").write_text(f"#!/bin/sh\ncat <<E\n{RULES}E\n")
        (programs / f"{family}-restore").write_text(f"#!/bin/sh\ncat > {tmp_path}/{family}\n")
    (programs / "ip").write_text("#!/bin/sh\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    testbed.Node(state=tmp_path / "node")._remove_network()
    restored = [(tmp_path / family).read_text() for family in ("iptables", "ip6tables")]
    assert restored == [testbed.rules_of_others(RULES)] * 2


def test_only_our_own_notes_of_cni_are_removed(
    testbed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = testbed.Node(state=tmp_path / "node")
    ours = noted(tmp_path, "kato-1-eth0", f"{node.state}/containerd/state/netns/cni-1")
    others = noted(tmp_path, "podman-2-eth0", "/run/netns/cni-2")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(testbed.subprocess, "run", lambda *_, **__: None)
    node._remove_network()
    assert (ours.exists(), others.exists()) == (False, True)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Callable[[Path], int]]:
    """Starts a process that could be containerd, in a directory; its id."""
    program = tmp_path / "containerd"
    program.symlink_to("/bin/sleep")
    started: list[subprocess.Popen[bytes]] = []

    def start(directory: Path) -> int:
        started.append(subprocess.Popen([program, "60"], cwd=directory))
        command = Path(f"/proc/{started[-1].pid}/cmdline")
        end = time.monotonic() + 60
        while not command.read_bytes() and time.monotonic() < end:
            time.sleep(0.01)  # it has no command line yet for a moment after it began
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait(timeout=10)


def test_a_process_of_others_that_got_an_old_id_is_not_ours(
    testbed: ModuleType, tmp_path: Path, sleeper: Callable[[Path], int]
) -> None:
    node = testbed.Node(state=tmp_path / "node")
    node.state.mkdir()
    ours, others = sleeper(node.state), sleeper(tmp_path)
    (node.state / "containerd.pid").write_text(str(ours))
    assert node._pid("containerd") == ours
    (node.state / "containerd.pid").write_text(str(others))
    assert node._pid("containerd") is None


@pytest.mark.parametrize(("is_test_node", "downs"), [(True, 1), (False, 0)])
def test_a_test_node_that_did_not_come_up_is_taken_away(
    monkeypatch: pytest.MonkeyPatch, is_test_node: bool, downs: int
) -> None:
    module = loaded(E2E / "kato_platform.py", monkeypatch)
    gone: list[bool] = []

    def fail() -> None:
        raise module.PlatformError("node testbed Ready: not within 120 s")

    monkeypatch.setattr(module, "wants_current_cluster", lambda: not is_test_node)
    monkeypatch.setattr(module, "start_cluster", fail)
    monkeypatch.setattr(module, "down", lambda: gone.append(True))
    with pytest.raises(module.PlatformError), module.platform():
        pass
    assert len(gone) == downs
