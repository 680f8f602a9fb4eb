"""etcd and kube-apiserver: how they are started, and a pair of them for tests without a node."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from binaries import node_binary
from certificates import Certificates
from processes import TestbedError, die_with_parent, free_port, run, until

NODE = "testbed"


@dataclass(frozen=True)
class ControlPlane:
    """etcd and kube-apiserver in one directory, with their certificates."""

    directory: Path
    address: str = "127.0.0.1"
    port: int = 6443
    etcd_port: int = 12379
    etcd_peer_port: int = 12380

    @property
    def pki(self) -> Path:
        return self.directory / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "admin.kubeconfig"

    def make_certificates(self, users: dict[str, str]) -> None:
        """Create a CA, a server certificate, and a client certificate and kubeconfig per user."""
        server = f"https://{self.address}:{self.port}"
        Certificates(self.pki, self.address, NODE).make(users, server)

    def etcd(self) -> list[str]:
        client, peer = (
            f"http://127.0.0.1:{port}" for port in (self.etcd_port, self.etcd_peer_port)
        )
        return [
            *("etcd", "--data-dir", str(self.directory / "etcd"), "--unsafe-no-fsync"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"default={peer}", "--log-level", "warn"),
        ]

    def apiserver(self, *more: str) -> list[str]:
        return [
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self.pki}/apiserver.crt",
            f"--tls-private-key-file={self.pki}/apiserver.key",
            f"--client-ca-file={self.pki}/ca.crt",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.pki}/sa.pub",
            f"--service-account-signing-key-file={self.pki}/sa.key",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            *more,
        ]

    def controller_manager(self) -> list[str]:
        config = self.directory / "controllers.kubeconfig"
        return [
            *("kube-controller-manager", f"--kubeconfig={config}"),
            f"--authentication-kubeconfig={config}",
            *(f"--authorization-kubeconfig={config}", f"--root-ca-file={self.pki}/ca.crt"),
            f"--service-account-private-key-file={self.pki}/sa.key",
            "--use-service-account-credentials=true",
            *("--leader-elect=false", "--bind-address=127.0.0.1"),
        ]

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        command = [str(node_binary()), "kubectl", "--kubeconfig", str(self.kubeconfig)]
        return run([*command, *arguments], stdin=stdin, timeout_s=60)

    def install_crd(self, file: Path) -> None:
        """Apply a CRD, and wait until its kind is served.

        `kubectl wait` fails at once while a CRD has no conditions yet.
        """
        self.kubectl("apply", "--server-side", "-f", str(file))

        def is_established() -> bool:
            found = json.loads(self.kubectl("get", "-f", str(file), "-o", "json"))
            conditions = found.get("status", {}).get("conditions") or ()
            return any((it["type"], it["status"]) == ("Established", "True") for it in conditions)

        until(is_established, f"{file.name} being established", 30)

    def answers(self) -> bool:
        try:
            return self.kubectl("get", "--raw", "/readyz", "--request-timeout=2s") == "ok"
        except (TestbedError, subprocess.TimeoutExpired):
            return False


@contextmanager
def api_server(
    directory: Path, *, controller_manager: bool = True, flags: tuple[str, ...] = ()
) -> Iterator[ControlPlane]:
    """A real API server without nodes, on free ports of 127.0.0.1; stopped on exit.

    Args:
        flags: More arguments of kube-apiserver.
    """
    plane = ControlPlane(
        directory, port=free_port(), etcd_port=free_port(), etcd_peer_port=free_port()
    )
    users = {
        "admin": "/O=system:masters/CN=admin",
        "controllers": "/CN=system:kube-controller-manager",
    }
    plane.make_certificates(users)
    started: list[subprocess.Popen[bytes]] = []
    local = (
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
    )
    try:
        started.extend(
            _started(command, directory)
            for command in (plane.etcd(), plane.apiserver(*local, *flags))
        )
        until(plane.answers, "an answer of the API server", 90)
        if controller_manager:
            started.append(_started([*plane.controller_manager(), "--secure-port=0"], directory))
        yield plane
    finally:
        _stop(started)


def _stop(started: list[subprocess.Popen[bytes]]) -> None:
    for process in reversed(started):
        process.terminate()
    for process in started:
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def _started(command: list[str], directory: Path) -> subprocess.Popen[bytes]:
    with (directory / f"{command[0]}.log").open("ab") as log:
        return subprocess.Popen(
            [str(node_binary()), *command],
            stdout=log,
            stderr=log,
            cwd=directory,
            preexec_fn=die_with_parent,
        )
