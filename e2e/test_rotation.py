"""Credentials that change on a real node, while a client writes: nothing acknowledged is lost.

One of them, drawn at random; ``ROTATE_ALL=1 make e2e PYTEST_ARGS="-k rotation"`` changes all.
"""

import json
import os
import random
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from clusters import Cluster
from commands import say
from instances import wait_ready

NAME = "rotated"
ROTATION_S = 600.0
"""The kubelet may need two minutes to update a file, twice; a busy node starts pods slowly."""
UNINTERRUPTED = ["redis-password", "mongodb-service-password", "mongodb-operator-password"]
EVERY = [*UNINTERRUPTED, "qdrant-api-key"]
ROTATED = EVERY if "ROTATE_ALL" in os.environ else [random.choice(UNINTERRUPTED)]
VECTOR = [0.25, 0.5, 0.75, 1.0]


def instance() -> dict[str, Any]:
    few = {"requests": {"cpu": "20m", "memory": "64Mi"}}
    return {
        "apiVersion": "kato.dev/v1alpha1",
        "kind": "KatoInstance",
        "metadata": {"name": NAME},
        "spec": {
            "deletionPolicy": "Delete",
            "service": {"resources": few},
            **{
                store: {"managed": {"storage": {"size": "1Gi"}}}
                for store in ("redis", "mongodb", "qdrant")
            },
        },
    }


@pytest.fixture(scope="module")
def rotated(cluster: Cluster) -> Iterator[None]:
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(instance()))
    wait_ready(cluster, NAME)
    yield
    cluster.kubectl("delete", "katoinstance", NAME, "--cascade=foreground", timeout_s=240)


def is_rotated(cluster: Cluster, since: str) -> bool:
    """Whether the credentials are in use again, after a change that began at this time."""
    conditions = cluster.get("katoinstance", NAME)["status"]["conditions"]
    (found,) = [it for it in conditions if it["type"] == "CredentialsReady"]
    return found["status"] == "True" and found["lastTransitionTime"] != since


def transition(cluster: Cluster) -> str:
    conditions = cluster.get("katoinstance", NAME)["status"]["conditions"]
    (found,) = [it for it in conditions if it["type"] == "CredentialsReady"]
    return str(found["lastTransitionTime"])


def rotate(cluster: Cluster, name: str) -> float:
    """Change a value and wait until only the new one is valid. Returns the seconds it took."""
    before, began = transition(cluster), time.monotonic()
    patch = {"stringData": {name: f"new-{uuid.uuid4().hex}"}}
    cluster.kubectl("patch", "secret", f"{NAME}-credentials", "-p", json.dumps(patch))
    while not is_rotated(cluster, before):
        if time.monotonic() - began > ROTATION_S:
            pytest.fail(f"not rotated: {cluster.get('katoinstance', NAME)['status']['conditions']}")
        time.sleep(1)
    wait_ready(cluster, NAME)
    return time.monotonic() - began


@pytest.mark.parametrize("name", ROTATED)
def test_no_request_fails_while_a_credential_changes(
    cluster: Cluster, connect: Any, rotated: None, name: str
) -> None:
    client = connect(NAME)
    with_vectors = name not in UNINTERRUPTED
    session = client.session(f"talker-of-{name}")
    acknowledged: list[str] = []
    learned: list[str] = []
    stop = threading.Event()

    def converse() -> None:
        learner = client.session(f"learner-of-{name}")
        while not stop.is_set():
            observed = {"strings": [f"s{len(acknowledged)}"], "unique_id": uuid.uuid4().hex}
            vectors = {"vectors": [VECTOR]} if with_vectors else {}
            client.call("POST", f"{session}/observe", {**observed, **vectors})
            acknowledged.append(observed["strings"][0])
            line = f"{name} line {len(learned)}"
            client.learn(learner, line, unique_id=uuid.uuid4().hex)
            learned.append(line)
            stop.wait(0.2)

    with ThreadPoolExecutor(1) as pool:
        talk = pool.submit(converse)
        try:
            took_s = rotate(cluster, name)
        finally:
            stop.set()
        talk.result(timeout=120)
    said = f"{len(acknowledged) + len(learned)} requests, {len(client.refused)} repeated"
    say(f"  {name}: rotated in {took_s:.0f} s, {said}")
    # Qdrant's only pod restarts: its requests are refused meanwhile, and the client repeats them.
    assert with_vectors or not client.refused
    stm = client.call("GET", f"{session}/stm")["stm"]
    symbols = [symbol for event in stm for symbol in event if not symbol.startswith("VCTR|")]
    assert symbols == acknowledged[-len(symbols) :]
    assert len(symbols) == min(len(acknowledged), 1000)
    learner = client.session(f"learner-of-{name}")
    page = client.call("GET", f"{learner}/patterns?limit=1000")
    found = [
        (" ".join(map("".join, it["pattern_data"])), it["frequency"]) for it in page["patterns"]
    ]
    assert found == [(line, 1) for line in learned][: len(found)]
    assert len(found) == min(len(learned), 1000)
