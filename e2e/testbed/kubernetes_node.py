"""The one node: control plane, containerd, kubelet, DNS, volumes and proxy, below one directory."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import teardown
from binaries import HERE, node_binary
from control_plane import NODE, ControlPlane
from packages import NODE_PACKAGES, ensure_packages
from processes import TestbedError, filled, run, say, until

STATE = Path(
    os.environ.get("KATO_TESTBED_DIR") or Path(tempfile.gettempdir()) / "kato-testbed"
).resolve()
GATEWAY = "10.244.0.1"
CONFIGURATION = (
    *("containerd.toml", "kubelet.yaml", "Corefile", "proxy.yaml", "storage-class.yaml"),
)
USERS = {
    "admin": "/O=system:masters/CN=admin",
    "dns": "/O=system:masters/CN=dns",
    "volumes": "/O=system:masters/CN=volumes",
    "controllers": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    "kubelet": f"/O=system:nodes/CN=system:node:{NODE}",
    "kubelet-client": "/O=system:masters/CN=kube-apiserver-kubelet",
}
PARTS = (
    *("etcd", "kube-apiserver", "containerd", "kube-controller-manager", "kube-scheduler"),
    *("kubelet", "coredns", "provisioner", "kube-proxy"),
)


@dataclass(frozen=True)
class Node:
    """A node that `up` starts and `down` takes away again, with everything it left."""

    state: Path = STATE
    plane: ControlPlane = field(default_factory=lambda: ControlPlane(STATE, address=GATEWAY))

    def up(self, images: Sequence[Path]) -> None:
        if not self.is_running:
            _require_root("a Kubernetes node")
            ensure_packages(NODE_PACKAGES)
            self.down()  # removes leftovers of a killed node
            teardown.refuse_next_to_another_node()
            self._start(images)
        else:
            say("the node is already running")
            self.load(images)
        until(self._is_ready, f"node {NODE} to become Ready", 120)
        say(f"the node is Ready; to use it: export KUBECONFIG={self.plane.kubeconfig}")

    @property
    def is_running(self) -> bool:
        return self.pid("kubelet") is not None

    def load(self, images: Sequence[Path]) -> None:
        for image in images:
            run([*self._ctr(), "images", "import", str(image)], timeout_s=300)
            say(f"loaded {image.name}")

    def env(self) -> dict[str, str]:
        return {"KUBECONFIG": str(self.plane.kubeconfig), "PATH": f"{self.state / 'bin'}:$PATH"}

    def down(self) -> None:
        """Stop what `up` started and remove its mounts, links, rules and files."""
        if not self.state.exists():
            return
        self._stop("kube-proxy", "kubelet")
        self._stop_containers()
        self._stop(*reversed(PARTS))
        teardown.kill_leftovers(self.state)
        teardown.unmount(self.state)
        teardown.remove_log_links(self.state)
        teardown.remove_cgroups()
        teardown.remove_network(self.state)
        shutil.rmtree(self.state, ignore_errors=True)

    def pid(self, part: str) -> int | None:
        """The part's process id while it runs; another process may have taken over the number."""
        try:
            pid = int((self.state / f"{part}.pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            is_ours = Path(f"/proc/{pid}/cwd").readlink() == self.state.resolve()
        except (OSError, ValueError):
            return None
        return pid if is_ours and part.encode() in command else None

    def _start(self, images: Sequence[Path]) -> None:
        self._link_programs()
        _make_network()
        self.plane.make_certificates(USERS)
        self._write_configuration()
        self._spawn(self.plane.etcd())
        self._spawn(self.plane.apiserver(*self._apiserver_flags()))
        self._spawn(["containerd", "-c", str(self.state / "containerd.toml")], is_testbed=False)
        until(lambda: (self.state / "containerd.sock").exists(), "the socket of containerd", 30)
        self.load(images)
        until(self.plane.answers, "an answer of the API server", 90)
        say("the API server answers")
        for command in self._node_commands():
            self._spawn(command)
        self.plane.kubectl("apply", "-f", str(self.state / "storage-class.yaml"))

    def _link_programs(self) -> None:
        (self.state / "bin").mkdir(parents=True, exist_ok=True)
        for name in ("testbed", "kubectl", "helm"):
            link = self.state / "bin" / name
            link.unlink(missing_ok=True)
            link.symlink_to(node_binary())

    def _node_commands(self) -> list[list[str]]:
        """Start the parts that need the API server."""
        scheduler, kubelet = "scheduler.kubeconfig", "kubelet.kubeconfig"
        return [
            self.plane.controller_manager(),
            [
                *("kube-scheduler", f"--kubeconfig={scheduler}"),
                f"--authentication-kubeconfig={scheduler}",
                f"--authorization-kubeconfig={scheduler}",
                *("--leader-elect=false", "--bind-address=127.0.0.1"),
            ],
            [
                *("kubelet", f"--kubeconfig={kubelet}", "--config=kubelet.yaml"),
                *(f"--hostname-override={NODE}", f"--node-ip={GATEWAY}"),
                f"--root-dir={self.state}/kubelet",
            ],
            ["coredns", "-conf", "Corefile"],
            ["provisioner", "volumes.kubeconfig", str(self.state / "volumes"), NODE],
            ["kube-proxy", "--config=proxy.yaml"],
        ]

    def _apiserver_flags(self) -> list[str]:
        pki = self.plane.pki
        return [
            f"--advertise-address={GATEWAY}",
            "--bind-address=0.0.0.0",
            "--enable-admission-plugins=NodeRestriction",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
        ]

    def _write_configuration(self) -> None:
        (self.state / "cni").mkdir(exist_ok=True)
        values = {"STATE": str(self.state), "GATEWAY": GATEWAY, "NODE": NODE}
        for name in ("cni/10-kato.conflist", *CONFIGURATION):
            text = (HERE / "config" / name).read_text()
            (self.state / name).write_text(filled(text, {**values, "BRIDGE": teardown.BRIDGE}))

    def _spawn(self, command: list[str], *, is_testbed: bool = True) -> None:
        name = Path(command[0]).name
        (self.state / "log").mkdir(exist_ok=True)
        program = [str(node_binary())] if is_testbed else []
        with (self.state / "log" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*program, *command],
                cwd=self.state,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        (self.state / f"{name}.pid").write_text(str(process.pid))

    def _is_ready(self) -> bool:
        try:
            return " Ready" in self.plane.kubectl("get", "node", NODE, "--no-headers")
        except TestbedError:
            return False

    def _ctr(self) -> list[str]:
        return ["ctr", "-a", str(self.state / "containerd.sock"), "-n", "k8s.io"]

    def _stop(self, *parts: str) -> None:
        pids = [pid for part in parts if (pid := self.pid(part)) is not None]
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        give_up_at = time.monotonic() + 5
        while time.monotonic() < give_up_at and any(Path(f"/proc/{pid}").exists() for pid in pids):
            time.sleep(0.1)
        for pid in pids:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)

    def _stop_containers(self) -> None:
        if self.pid("containerd") is None:
            return
        for task in run([*self._ctr(), "task", "ls", "-q"]).split():
            subprocess.run(
                [*self._ctr(), "task", "kill", "-s", "KILL", task], capture_output=True, check=False
            )


def _make_network() -> None:
    """Create the bridge first: its address is the node's address."""
    bridge = teardown.BRIDGE
    if subprocess.run(["ip", "link", "show", bridge], capture_output=True, check=False).returncode:
        run(["ip", "link", "add", bridge, "type", "bridge"])
        run(["ip", "addr", "add", f"{GATEWAY}/24", "dev", bridge])
        run(["ip", "link", "set", bridge, "up"])
    run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    if shutil.which("modprobe"):  # a kernel without modules does not need it
        subprocess.run(["modprobe", "br_netfilter"], capture_output=True, check=False)
    subprocess.run(
        ["sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"],
        capture_output=True,
        check=False,
    )


def _require_root(what: str) -> None:
    if os.geteuid() != 0 or sys.platform != "linux":
        raise TestbedError(
            f"{what} needs root on Linux: use sudo, or your own cluster (KUBECONFIG)"
        )
