"""A Redis that runs as in its pod follows its file of passwords, and keeps every connection."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from kato_operator.children import Facts, Rotation, connections, desired, generated_secrets
from kato_operator.children.redis import FOLLOWING, PING
from kato_operator.crd.instance import parse
from support.servers import RunningServer, free_port
from support.waiting import until

INSTANCE = parse({"metadata": {"name": "prod", "namespace": "kato", "uid": "u"}, "spec": {}})


def auth(first: str, other: str | None = None) -> str:
    """The file for these passwords, as the connections Secret has it."""
    (secret, _) = generated_secrets(INSTANCE, token=lambda: "x")
    known = {**secret["stringData"], "redis-password": first}
    others = {} if other is None else {"redis-password": other}
    facts = Facts({}, known, {}, "1", rotation=Rotation(others=others))
    (found,) = [
        it for it in desired(INSTANCE, facts) if it["metadata"]["name"] == "prod-connections"
    ]
    text: str = found["stringData"][connections.REDIS_AUTH]
    return text


@dataclass
class Pod:
    port: int
    file: Path
    follower: subprocess.Popen[bytes]

    def accepts(self, password: str) -> bool:
        try:
            with redis.Redis(port=self.port, password=password) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return False

    def await_accepted(self, expected: dict[str, bool]) -> None:
        def as_expected() -> bool:
            return {it: self.accepts(it) for it in expected} == expected

        until(as_expected, f"{expected}")


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (apt-get install redis-server)")
    port, file = free_port(), tmp_path / "redis-users.conf"
    file.write_text(auth("one"))
    config, script = tmp_path / "redis.conf", tmp_path / "follow.sh"
    config.write_text(f"port {port}\ndir {tmp_path}\nbind 127.0.0.1\ninclude {file}\n")
    script.write_text(FOLLOWING)
    command, log = ("redis-server", str(config)), tmp_path / "log"
    server = RunningServer(command, port, "", log, lambda _: is_ready(port))
    server.start()
    start = f'file=$1 port=$2 known=$(cat "$1"); echo started; . {script}'
    follow = ("sh", "-c", start, "sh", str(file), str(port))
    follower = subprocess.Popen(follow, stdout=subprocess.PIPE)
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"started\n"
    yield Pod(port, file, follower)
    follower.stdout.close()
    follower.kill()
    follower.wait(timeout=60)
    server.kill9()


def is_ready(port: int) -> bool:
    """What the probe of the pod says; it needs no password."""
    command = PING.replace("6379", str(port))
    return subprocess.run(["sh", "-c", command], check=False, timeout=60).returncode == 0


def test_a_new_password_is_accepted_next_to_the_old_one_and_no_connection_breaks(pod: Pod) -> None:
    with redis.Redis(port=pod.port, password="one", single_connection_client=True) as old:
        number = old.client_id()
        pod.file.write_text(auth("one", "two"))
        pod.await_accepted({"one": True, "two": True})
        pod.file.write_text(auth("two"))
        pod.await_accepted({"one": False, "two": True})
        assert old.client_id() == number
    assert is_ready(pod.port)
    commands = redis.Redis(port=pod.port, username="health", password="any")
    with commands as health, pytest.raises(redis.exceptions.NoPermissionError):
        health.get("a")


def test_steps_that_the_kubelet_leaves_out_are_no_obstacle(pod: Pod) -> None:
    pod.file.write_text(auth("two", "one"))
    pod.await_accepted({"one": True, "two": True})
    pod.file.write_text(auth("three"))
    pod.await_accepted({"one": False, "two": False, "three": True})


def test_no_password_is_in_an_argument(pod: Pod) -> None:
    give_up_at = time.monotonic() + 5
    seen = set()
    pod.file.write_text(auth("secret-one", "one"))
    while time.monotonic() < give_up_at and not pod.accepts("secret-one"):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes())
            except OSError:
                continue
    assert not [it for it in seen if b"secret-one" in it]
