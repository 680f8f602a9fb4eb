"""The MongoDB agent as a process next to a server with MongoDB's protocol (FerretDB)."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from kato_operator.reconcile import replica_set
from support.dying import dying_with_us
from support.servers import free_port
from support.waiting import until

PATIENCE_S = 90.0
OPERATOR_PASSWORD = "operator-secret"
SERVICE_PASSWORD = "service-secret"


class Agent:
    """An agent process and its HTTP port."""

    def __init__(self, mongodb_port: int, credentials: Path, **variables: str) -> None:
        self.port = free_port()
        environment = {
            "KATO_AGENT_POD": "prod-mongodb-0",
            "KATO_AGENT_SERVICE_FQDN": "prod-mongodb-peers.default.svc.cluster.local",
            "KATO_AGENT_MONGODB_PORT": str(mongodb_port),
            "KATO_AGENT_PORT": str(self.port),
            "KATO_AGENT_CREDENTIALS": str(credentials),
            **variables,
        }
        self.process = subprocess.Popen(
            [*dying_with_us(), sys.executable, "-m", "kato_operator", "mongodb-agent"],
            env={**os.environ, **environment},
        )

    def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=60
            ) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def answer_when(self, status: int, **fields: str) -> dict[str, Any]:
        """The body of /ready once it has this status and these fields."""
        give_up_at = time.monotonic() + PATIENCE_S
        seen: object = None
        while time.monotonic() < give_up_at:
            try:
                seen = code, body = self.ask("/ready")
            except OSError as error:
                seen = error
            else:
                if code == status and fields.items() <= body.items():
                    return body
            time.sleep(0.1)
        raise AssertionError(f"no {status} {fields} in time; last: {seen}")

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=60)


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    write(folder, [OPERATOR_PASSWORD], {"kato-service": SERVICE_PASSWORD})
    return folder


def write(folder: Path, operator: list[str], service: dict[str, str]) -> None:
    """Write the file of users the way the kubelet does: all of it at once."""
    new = folder / "..new"
    new.write_text(json.dumps({"operator": operator, "service": service}))
    new.rename(folder / "mongodb-users.json")


@pytest.fixture
def mongodb_port(tmp_path: Path, ferretdb: Path) -> Iterator[int]:
    """FerretDB as the operator starts it: the operator's user exists from the start."""
    port = free_port()
    data = tmp_path / "data"
    data.mkdir()
    process = subprocess.Popen(
        [
            *dying_with_us(),
            *(str(ferretdb), "--handler=sqlite", f"--sqlite-url=file:{data}/"),
            *(f"--state-dir={data}/state", f"--listen-addr=127.0.0.1:{port}"),
            *("--telemetry=disable", "--debug-addr=-", "--repl-set-name=rs0"),
            *("--test-enable-new-auth", "--setup-database=admin"),
            *("--setup-username=kato-operator", f"--setup-password={OPERATOR_PASSWORD}"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield port
    process.kill()
    process.wait(timeout=60)


def _counted(port: int, password: str, user: str = "kato-service") -> int:
    url = f"mongodb://{user}:{password}@127.0.0.1:{port}/kato"
    with MongoClient(url, authSource="admin", directConnection=True) as client:
        client.kato.proof.insert_one({"a": 1})
        return client.kato.proof.count_documents({})


def test_the_service_user_is_created_and_only_its_password_works(
    mongodb_port: int, credentials: Path
) -> None:
    agent = Agent(mongodb_port, credentials)
    try:
        body = agent.answer_when(200)
        empty = dict.fromkeys(("set", "reason", "message", "rotation"), "")
        assert body == {"ready": True, "state": "primary", **empty}
        assert _counted(mongodb_port, SERVICE_PASSWORD) == 1
        with pytest.raises(OperationFailure):
            _counted(mongodb_port, "guess")
        assert agent.ask("/live") == (200, {"live": True})
    finally:
        agent.stop()


def test_a_second_member_of_a_server_without_replica_sets_is_refused_as_a_condition(
    mongodb_port: int, credentials: Path
) -> None:
    second = {"KATO_AGENT_POD": "prod-mongodb-1", "KATO_AGENT_MEMBERS": "3"}
    agent = Agent(mongodb_port, credentials, **second)
    try:
        agent.answer_when(503, reason="NoReplicaSets")
        url = f"http://127.0.0.1:{agent.port}/ready"
        body = httpx.get(url, timeout=10).json()
    finally:
        agent.stop()
    pod = {"metadata": {"name": "prod-mongodb-1"}}
    verdict = replica_set.refused(pod, json.dumps(body))
    assert verdict is not None
    assert (verdict.reason, verdict.blocked) == ("Refused", True)
    assert verdict.message == (
        "pod prod-mongodb-1: this server has no replica sets, so a second one would have knowledge"
        " of its own; set mongodb.managed.members to 1"
    )


def test_the_first_member_of_such_a_server_goes_on_serving(
    mongodb_port: int, credentials: Path
) -> None:
    agent = Agent(mongodb_port, credentials, KATO_AGENT_MEMBERS="3")
    try:
        agent.answer_when(200)
    finally:
        agent.stop()


def test_a_second_agent_accepts_what_the_first_created(
    mongodb_port: int, credentials: Path
) -> None:
    for _ in range(2):
        agent = Agent(mongodb_port, credentials)
        try:
            agent.answer_when(200)
        finally:
            assert agent.stop() == 0
    assert _counted(mongodb_port, SERVICE_PASSWORD) == 1


def _lets_in(port: int, user: str, password: str) -> bool:
    url = f"mongodb://{user}:{password}@127.0.0.1:{port}/"
    with MongoClient(url, authSource="admin", directConnection=True) as client:
        try:
            return bool(client.admin.command("ping"))
        except OperationFailure:
            return False


def test_passwords_change_while_the_agent_runs_and_while_it_does_not(
    mongodb_port: int, credentials: Path
) -> None:
    agent = Agent(mongodb_port, credentials)
    try:
        agent.answer_when(200)
        both = {"kato-service": SERVICE_PASSWORD, "kato-service-2": "new"}
        write(credentials, ["changed", OPERATOR_PASSWORD], both)
        until(lambda: _lets_in(mongodb_port, "kato-service-2", "new"), "a second user")
        assert _lets_in(mongodb_port, "kato-service", SERVICE_PASSWORD)
        assert _lets_in(mongodb_port, "kato-operator", "changed")
        assert not _lets_in(mongodb_port, "kato-operator", OPERATOR_PASSWORD)
        assert _counted(mongodb_port, "new", "kato-service-2") == 1
    finally:
        agent.stop()
    write(credentials, ["again", "never", "changed"], {"kato-service-2": "new"})
    agent = Agent(mongodb_port, credentials)
    try:
        agent.answer_when(200)
    finally:
        agent.stop()
    assert not _lets_in(mongodb_port, "kato-service", SERVICE_PASSWORD)
    assert _lets_in(mongodb_port, "kato-service-2", "new")
    assert _lets_in(mongodb_port, "kato-operator", "again")


def test_an_agent_that_cannot_change_users_says_so_and_stays_ready(
    mongodb_port: int, credentials: Path
) -> None:
    agent = Agent(mongodb_port, credentials)
    try:
        agent.answer_when(200)
        (credentials / "mongodb-users.json").write_text("{")
        said = "the file mongodb-users.json cannot be read: JSONDecodeError"
        agent.answer_when(200, rotation=said)
        users = {"kato-service": SERVICE_PASSWORD, "kato-service-2": "new"}
        write(credentials, [OPERATOR_PASSWORD], users)
        agent.answer_when(200, rotation="")
        assert _lets_in(mongodb_port, "kato-service-2", "new")
    finally:
        agent.stop()


def test_without_a_server_the_agent_is_alive_and_not_ready(credentials: Path) -> None:
    agent = Agent(free_port(), credentials, KATO_AGENT_TIMEOUT_S="0.5")
    try:
        assert agent.answer_when(503, reason="NotAnswering")["message"]
        assert agent.ask("/live")[0] == 200
    finally:
        agent.stop()


def test_an_invalid_variable_prevents_the_start_and_is_reported_in_one_line() -> None:
    environment = {**os.environ, "KATO_AGENT_POD": "p-0", "KATO_AGENT_SERVICE_FQDN": "x"}
    ended = subprocess.run(
        [sys.executable, "-m", "kato_operator", "mongodb-agent"],
        env={**environment, "KATO_AGENT_MEMBERS": "none"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "KATO_AGENT_MEMBERS: 'none' is not accepted; accepted: " in ended.stderr
