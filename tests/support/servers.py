"""Real servers for the tests, on free ports, in their own directories, until the tests end."""

import lzma
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest

from binaries import ferretdb_binary
from support.dying import dying_with_us
from support.forked import Process

REPOSITORY = Path(__file__).parent.parent.parent
START_PATIENCE_S = 300.0
FIRST_PORT, PORTS_PER_WORKER, WORKERS = 10_000, 2_000, 10


class Killable:
    """A process that can be killed and frozen."""

    kill_patience_s: ClassVar = 30.0
    process: Process | None

    def kill9(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(self.kill_patience_s)
            self.process = None

    def freeze(self) -> None:
        """Keep the connections and answer nothing, until `thaw`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        # The signal is asynchronous: a thread on another processor might still answer.
        while not _stands_still(self.process.pid):
            time.sleep(0.001)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@dataclass
class RunningServer(Killable):
    """A server process that can be killed, frozen and restarted on its own data."""

    command: tuple[str, ...]
    port: int
    url: str
    log_path: Path
    probe: Callable[[int], bool]
    """Whether the server on the port is ready for clients."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*dying_with_us(), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        give_up_at = time.monotonic() + START_PATIENCE_S
        while not _ready(self.probe, self.port):
            if self.process.poll() is not None or time.monotonic() > give_up_at:
                self.kill9()
                raise RuntimeError(f"{self.command[0]} did not start: {_tail(self.log_path)}")
            time.sleep(0.02)


def _stands_still(pid: int) -> bool:
    """Whether all threads are stopped, or the process has ended."""
    threads = Path(f"/proc/{pid}/task").glob("*/stat")
    states = {file.read_text(errors="replace").rpartition(")")[2].split()[0] for file in threads}
    return states <= set("TtZX")


def _ready(probe: Callable[[int], bool], port: int) -> bool:
    with suppress(OSError):
        return probe(port)
    return False


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-2000:]


def free_port() -> int:
    """A port that a stopped server can take again.

    It is below those that the kernel gives to clients and proxies, and in a range that no other
    worker of pytest-xdist takes ports from.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST_PORT + worker % WORKERS * PORTS_PER_WORKER
    while True:
        port = first + secrets.randbelow(PORTS_PER_WORKER)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def _accepts(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def _redis_answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")


def _redis(directory: Path) -> RunningServer:
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed (apt-get install redis-server)")
    port = free_port()
    command = (
        *(binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)),
        *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
    )
    url = f"redis://127.0.0.1:{port}/0"
    return RunningServer(command, port, url, directory / "redis.log", _redis_answers)


def _mongo(directory: Path, binary: Path) -> RunningServer:
    """FerretDB: a stand-in for MongoDB that speaks its wire protocol."""
    port = free_port()
    command = (
        *(str(binary), "--handler=sqlite", f"--sqlite-url=file:{directory}/"),
        *(f"--state-dir={directory}/state", f"--listen-addr=127.0.0.1:{port}"),
        *("--telemetry=disable", "--debug-addr=-", "--repl-set-name=rs0"),
        *("--test-enable-new-auth", "--setup-database=admin"),
        *("--setup-username=kato", "--setup-password=secret"),
    )
    url = f"mongodb://kato:secret@127.0.0.1:{port}/?directConnection=true"
    return RunningServer(command, port, url, directory / "ferretdb.log", _accepts)


def _qdrant(directory: Path) -> RunningServer:
    """qdrant-client's own engine behind the REST calls we use: a stand-in for Qdrant."""
    program = REPOSITORY / "e2e" / "standins" / "qdrant_server.py"
    if not program.exists():
        pytest.skip(f"{program.relative_to(REPOSITORY)} does not exist")
    port = free_port()
    storage = directory / "storage"
    command = (sys.executable, str(program), "--port", str(port), "--storage", str(storage))
    url = f"http://127.0.0.1:{port}"
    return RunningServer(command, port, url, directory / "qdrant.log", _accepts)


def _unpacked(binary: Path, directory: Path) -> Path:
    if binary.suffix != ".xz":
        return binary
    plain = directory / binary.stem
    with lzma.open(binary) as packed, plain.open("wb") as out:
        shutil.copyfileobj(packed, out)
    plain.chmod(0o755)
    return plain


@pytest.fixture(scope="session")
def ferretdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The FerretDB program."""
    given = os.environ.get("KATO_FERRETDB_BIN")
    binary = Path(given) if given else ferretdb_binary()
    return _unpacked(binary, tmp_path_factory.mktemp("ferretdb-binary"))


def _running(server: RunningServer) -> Iterator[RunningServer]:
    server.start()
    yield server
    server.kill9()


@pytest.fixture(scope="session")
def _shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    yield from _running(_redis(tmp_path_factory.mktemp("redis")))


@pytest.fixture(scope="session")
def _shared_mongo(
    tmp_path_factory: pytest.TempPathFactory, ferretdb: Path
) -> Iterator[RunningServer]:
    yield from _running(_mongo(tmp_path_factory.mktemp("mongo"), ferretdb))


@pytest.fixture(scope="session")
def _shared_qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    yield from _running(_qdrant(tmp_path_factory.mktemp("qdrant")))


@dataclass
class RedisCluster:
    """Masters in the order of their slots, and a replica of the first one."""

    masters: list[RunningServer]
    replica: RunningServer

    @property
    def url(self) -> str:
        """The URL of a node that no test kills."""
        return self.masters[-1].url

    def start(self) -> None:
        for node in (*self.masters, self.replica):
            node.start()
        ends = [16384 * i // len(self.masters) for i in range(len(self.masters) + 1)]
        for i, node in enumerate(self.masters):
            _asked(node, "CLUSTER", "ADDSLOTSRANGE", ends[i], ends[i + 1] - 1)
        for node in (*self.masters[1:], self.replica):
            bus = int(self.masters[0].command[-1])
            _asked(node, "CLUSTER", "MEET", "127.0.0.1", self.masters[0].port, bus)
        self._await(lambda node: b"cluster_known_nodes:4" in _asked(node, "CLUSTER", "INFO"))
        self._await(lambda node: b"cluster_state:ok" in _asked(node, "CLUSTER", "INFO"))
        _asked(self.replica, "CLUSTER", "REPLICATE", _asked(self.masters[0], "CLUSTER", "MYID"))
        in_step = b"master_link_status:up"
        self._await(lambda _: in_step in _asked(self.replica, "INFO", "replication"))

    def kill9(self) -> None:
        for node in (*self.masters, self.replica):
            node.kill9()

    def _await(self, holds: Callable[[RunningServer], bool]) -> None:
        give_up_at = time.monotonic() + START_PATIENCE_S
        while not all(holds(node) for node in (*self.masters, self.replica)):
            if time.monotonic() > give_up_at:
                self.kill9()
                raise RuntimeError("the nodes of the Redis cluster did not find each other")
            time.sleep(0.02)


def _asked(node: RunningServer, *command: str | int | bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as connection:
        pieces = [str(one).encode() if isinstance(one, int) else one for one in command]
        given = [one.encode() if isinstance(one, str) else one for one in pieces]
        connection.sendall(b" ".join(given) + b"\r\n")
        answer = connection.makefile("rb")
        first = answer.readline()
        if first[:1] == b"-":
            raise RuntimeError(f"{command[0]!r} was refused: {first!r}")
        return answer.read(int(first[1:])) if first[:1] == b"$" else first[1:].strip()


def _cluster_node(directory: Path) -> RunningServer:
    node = _redis(directory)
    cluster = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    bus = ("--cluster-port", str(free_port()))
    at_once = ("--appendonly", "no", "--repl-diskless-sync-delay", "0")
    return replace(node, command=(*node.command, *cluster, *at_once, *bus))


def _redis_cluster(directory: Path) -> RedisCluster:
    nodes = []
    for name in ("one", "two", "three", "replica"):
        (directory / name).mkdir()
        nodes.append(_cluster_node(directory / name))
    return RedisCluster(nodes[:3], nodes[3])


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A Redis Cluster shared by the whole run: use your own keys, and kill nodes last.

    Tests on it belong to the xdist group "redis cluster", so that it is started once.
    """
    cluster = _redis_cluster(tmp_path_factory.mktemp("redis-cluster"))
    cluster.start()
    yield cluster
    cluster.kill9()


@pytest.fixture
def asked() -> Callable[..., bytes]:
    """``asked(node, *command)``: a Redis node's answer, as redis-cli would give it."""
    return _asked


@pytest.fixture(scope="session")
def redis_url(_shared_redis: RunningServer) -> str:
    """A Redis shared by the whole run: use your own keys."""
    return _shared_redis.url


@pytest.fixture(scope="session")
def mongo_url(_shared_mongo: RunningServer) -> str:
    """A server with MongoDB's protocol shared by the whole run: use your own database."""
    return _shared_mongo.url


@pytest.fixture(scope="session")
def qdrant_url(_shared_qdrant: RunningServer) -> str:
    """A Qdrant shared by the whole run: use your own knowledge bases."""
    return _shared_qdrant.url


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A Redis for this test alone, which may kill and restart it."""
    yield from _running(_redis(tmp_path))


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A Redis for one module alone; its tests leave it running, with its first configuration."""
    yield from _running(_redis(tmp_path_factory.mktemp("redis")))


@pytest.fixture
def mongo_server(tmp_path: Path, ferretdb: Path) -> Iterator[RunningServer]:
    """A server with MongoDB's protocol for this test alone, which may kill and restart it."""
    yield from _running(_mongo(tmp_path, ferretdb))


@pytest.fixture
def qdrant_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A Qdrant for this test alone, which may kill and restart it."""
    yield from _running(_qdrant(tmp_path))


@pytest.fixture(scope="module")
def own_servers(
    tmp_path_factory: pytest.TempPathFactory, ferretdb: Path
) -> Iterator[dict[str, RunningServer]]:
    """Redis, MongoDB and Qdrant for one module alone; its tests leave them running."""

    def directory(store: str) -> Path:
        return tmp_path_factory.mktemp(store)

    servers = {
        "redis": _redis(directory("redis")),
        "mongodb": _mongo(directory("mongodb"), ferretdb),
        "qdrant": _qdrant(directory("qdrant")),
    }
    try:
        for server in servers.values():
            server.start()
        yield servers
    finally:
        for server in servers.values():
            server.kill9()
