"""A real Redis with the configuration of the operator stays below its limit under any load."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import redis

from kato_operator.children.redis import AUTH_FILE, DATA_DIR, configuration
from kato_operator.crd.stores import ManagedRedis
from support.servers import free_port
from support.waiting import until

LIMIT = 64 * 2**20
VALUE = b"x" * 100
BATCH = 200


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The port and the process of a server as the operator configures it for this limit."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed (apt-get install redis-server)")
    resources = {"limits": {"memory": LIMIT}, "requests": {}}
    text = configuration(ManagedRedis.model_validate({"resources": resources}))
    port = free_port()
    (tmp_path / "auth.conf").write_text("bind 127.0.0.1\n")
    text = text.replace(AUTH_FILE, str(tmp_path / "auth.conf"))
    text = text.replace(f"dir {DATA_DIR}", f"dir {tmp_path}").replace("port 6379", f"port {port}")
    (tmp_path / "redis.conf").write_text(text)
    with subprocess.Popen([binary, str(tmp_path / "redis.conf")], stdout=subprocess.DEVNULL) as run:
        until(lambda: answers(port), "Redis")
        yield port, psutil.Process(run.pid)
        run.kill()


def answers(port: int) -> bool:
    with suppress(redis.RedisError), redis.Redis(port=port) as client:
        return bool(client.ping())
    return False


def filled(client: "redis.Redis") -> int:
    """Write until Redis refuses; the number of keys."""
    count = 0
    while True:
        batch = client.pipeline(transaction=False)
        for number in range(count, count + BATCH):
            batch.set(f"key{number}", VALUE)
        answered = batch.execute(raise_on_error=False)
        refused = [item for item in answered if isinstance(item, redis.ResponseError)]
        count += BATCH - len(refused)
        if refused:
            assert "maxmemory" in str(refused[0])
            return count


def overwrite(port: int, count: int, stop: threading.Event) -> None:
    """Write to every page of the data, over and over."""
    with redis.Redis(port=port) as client:
        while not stop.is_set():
            for start in range(0, count, BATCH):
                batch = client.pipeline(transaction=False)
                for number in range(start, min(start + BATCH, count)):
                    batch.set(f"key{number}", VALUE)
                batch.execute(raise_on_error=False)


def memory(process: psutil.Process) -> int:
    """Bytes of the server and its child, with pages that they share counted once."""
    total = 0
    for member in (process, *process.children()):
        with suppress(psutil.Error):
            total += member.memory_full_info().pss
    return total


def test_a_full_redis_rewrites_its_file_under_writes_below_its_limit(
    server: tuple[int, psutil.Process],
) -> None:
    port, process = server
    with redis.Redis(port=port) as client:
        count = filled(client)
        assert client.get("key0") == VALUE
        client.delete(*(f"key{number}" for number in range(0, count, 12)))
        full = client.info("memory")["used_memory"]
        assert full > LIMIT / 5
        stop = threading.Event()
        writer = threading.Thread(target=overwrite, args=(port, count, stop))
        writer.start()
        peak = 0
        try:
            rewrites = client.info("persistence")["aof_rewrites"]
            client.bgrewriteaof()
            while (
                client.info("persistence")["aof_rewrites"] == rewrites
                or client.info("persistence")["aof_rewrite_in_progress"]
            ):
                peak = max(peak, memory(process))
        finally:
            stop.set()
            writer.join()
    assert process.is_running()
    assert full < peak < LIMIT, f"{peak / 2**20:.0f} MiB"
