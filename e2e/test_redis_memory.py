"""A managed Redis on a real node, filled beyond its limit: it refuses writes and is not killed.

``IN_FULL=1 make e2e PYTEST_ARGS="-k memory"`` also fills one of the default size.
"""

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from clusters import Cluster
from commands import say
from forwarding import RefusedError
from instances import wait_ready

CLIENTS, VALUE_BYTES, PIPELINE = 50, 512, 16
KEYS = 10_000_000
"""More keys than any of the limits has room for."""
FILL_S = 300.0
"""A node with other work may need as long to fill Redis, or to find a session without room."""
FULL_S = 20.0
"""How long it stays full, under writes and rewrites."""
LIMITS = ["512Mi", "128Mi"] if "IN_FULL" in os.environ else ["128Mi"]
"""The default, and the smallest limit of the examples."""


def instance(name: str, limit: str) -> dict[str, Any]:
    resources = {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": limit}}
    storage = {"size": "2Gi"}
    return {
        "apiVersion": "kato.dev/v1alpha1",
        "kind": "KatoInstance",
        "metadata": {"name": name},
        "spec": {
            "deletionPolicy": "Delete",
            "service": {"resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}},
            "redis": {"managed": {"resources": resources, "storage": storage}},
            "mongodb": {"mode": "Embedded"},
            "qdrant": {"mode": "Disabled"},
        },
    }


def benchmark(name: str, image: str) -> dict[str, Any]:
    """A pod that writes random keys, and asks for rewrites all the while.

    The program ends with the first write that is refused, so it is started repeatedly. The
    label of the pod is the one that network policies of stores admit from outside of the instance.
    """
    password = {"secretKeyRef": {"name": f"{name}-credentials", "key": "redis-password"}}
    client = f"redis-cli -h {name}-redis"
    script = (
        f"(while true; do {client} bgrewriteaof; sleep 1; done) >/dev/null 2>&1 &\n"
        f'while true; do redis-benchmark -h {name}-redis -a "$REDISCLI_AUTH" -t set -q'
        f" -c {CLIENTS} -P {PIPELINE} -d {VALUE_BYTES} -r {KEYS} -n {KEYS}; done"
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-benchmark",
            "labels": {"app.kubernetes.io/name": "kato-operator"},
        },
        "spec": {
            "restartPolicy": "Always",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 999,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "benchmark",
                    "image": image,
                    "command": ["sh", "-c", script],
                    "env": [{"name": "REDISCLI_AUTH", "valueFrom": password}],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "resources": {"limits": {"memory": "256Mi"}},
                }
            ],
        },
    }


@pytest.fixture(params=LIMITS)
def name(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """An instance with a managed Redis of this limit."""
    name = f"memory-{request.param.lower()}"
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(instance(name, request.param)))
    wait_ready(cluster, name)
    yield name
    cluster.kubectl("delete", "pod", f"{name}-benchmark", "--ignore-not-found", "--grace-period=0")
    cluster.kubectl("delete", "katoinstance", name, "--cascade=foreground", timeout_s=240)


def redis_info(cluster: Cluster, name: str, section: str) -> dict[str, str]:
    password = 'sed -n "s/^user default .*>//p" /etc/kato/redis-auth/redis-users.conf'
    command = f"REDISCLI_AUTH=$({password})"
    script = f"{command} redis-cli info {section}"
    told = cluster.kubectl("exec", f"{name}-redis-0", "--", "sh", "-c", script)
    lines = (line.strip().partition(":") for line in told.splitlines() if ":" in line)
    return {key: value for key, _, value in lines}


def test_a_fill_beyond_the_limit_is_refused_and_kills_nothing(
    cluster: Cluster, connect: Any, name: str
) -> None:
    workload = cluster.get("statefulset", f"{name}-redis")
    image = workload["spec"]["template"]["spec"]["containers"][0]["image"]
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(benchmark(name, image)))
    give_up_at = time.monotonic() + FILL_S
    while "errorstat_OOM" not in redis_info(cluster, name, "errorstats"):
        if time.monotonic() > give_up_at:
            pytest.fail(f"Redis was not filled: {redis_info(cluster, name, 'memory')}")
        time.sleep(1)
    rewrites = int(redis_info(cluster, name, "persistence")["aof_rewrites"])
    end = time.monotonic() + FULL_S
    while time.monotonic() < end:
        (status,) = cluster.get("pod", f"{name}-redis-0")["status"]["containerStatuses"]
        assert (status["restartCount"], status["lastState"]) == (0, {}), status
        time.sleep(2)
    after = redis_info(cluster, name, "persistence")
    say(f"  {name}: {int(after['aof_rewrites']) - rewrites} rewrites while full")
    assert int(after["aof_rewrites"]) > rewrites
    refused = refusal(connect(name))
    assert refused.status == 503
    assert "redis is full and changed nothing" in json.dumps(refused.body)
    wait_ready(cluster, name)


def refusal(client: Any) -> RefusedError:
    """The error of a session that has no room; one may still fit between two writes of others."""
    give_up_at = time.monotonic() + FILL_S
    while time.monotonic() < give_up_at:
        try:
            client.once("POST", "/v2/sessions", {"user_id": "late"})
        except RefusedError as error:
            return error
    pytest.fail("every session found room")
