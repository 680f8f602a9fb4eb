"""The time from the start of an embedded service to its first ready answer."""

import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from embedded import PORT, directory, processor_s
from engine import Row

STARTS = 5
PATIENCE_S = 60.0
ASKED = b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def starting_rows() -> list[Row]:
    """Wall and processor time, and memory when ready: on empty stores, and on those of before."""
    rows: list[Row] = []
    with directory() as data:
        first = _start(data)
        again = [_start(data) for _ in range(STARTS)]
    for stores, starts in (("new", [first]), ("existing", again)):
        walls, processors, sizes = zip(*starts, strict=True)
        rows.append(
            {
                "stores": stores,
                "starts": len(starts),
                "to ready s": statistics.median(walls),
                "slowest s": max(walls),
                "processor s": statistics.median(processors),
                "memory MiB": statistics.median(sizes),
            }
        )
    return rows


def _start(data: Path) -> tuple[float, float, float]:
    """Seconds to ready, processor seconds, MiB of one start."""
    environment = {"DATA_DIR": str(data), "PORT": str(PORT), "HOST": "127.0.0.1"}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "kato_service"],
        env={**environment, "LOG_LEVEL": "error"},
    )
    try:
        while not _ready():
            if process.poll() is not None or time.perf_counter() > started + PATIENCE_S:
                raise SystemExit(f"the service on port {PORT} did not become ready")
            time.sleep(0.005)
        return time.perf_counter() - started, processor_s(process.pid), _memory_mib(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _ready() -> bool:
    # Over a bare socket: a client library would use more of the two cores than it measures.
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=5) as connection:
            connection.sendall(ASKED)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _memory_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
