"""Several operators on a real API server: each child is written by one of them.

The operators have different tables of images, so the images of a child show who has written it.
RIVALS_S is how many seconds two of them live side by side; `make operator-rivals` takes 600.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiserver import WORKLOADS, Manifest, Namespace, OperatorProcess

from support.servers import free_port
from support.waiting import until

pytestmark = pytest.mark.apiserver

RIVALS_S = float(os.environ.get("RIVALS_S", "4"))
NEVER = "100000"
COMPONENTS = ("service", "agent", "redis", "mongodb", "qdrant")
NewOperator = Callable[..., OperatorProcess]


@pytest.fixture
def new_operator(control_plane: Any, namespace: str, tmp_path: Path) -> Iterator[NewOperator]:
    """Starts an operator of the installation *name*, whose images all have this tag."""
    made: list[OperatorProcess] = []

    def start(name: str, tag: str = "", **settings: str) -> OperatorProcess:
        port = free_port()
        environment = {
            "KUBECONFIG": str(control_plane.kubeconfig),
            "KATO_OPERATOR_NAMESPACE": namespace,
            "KATO_OPERATOR_INSTALLATION": f"{namespace}/{name}",
            "KATO_OPERATOR_DEFAULT_IMAGES": json.dumps(
                dict.fromkeys(COMPONENTS, f"a:{tag or name}")
            ),
            "KATO_OPERATOR_DEEP_CHECKS": "false",
            "KATO_OPERATOR_HTTP_PORT": str(port),
            "KATO_OPERATOR_LEASE_S": "15",
            "KATO_OPERATOR_TAKE_OVER_AFTER_S": NEVER,
            "KATO_OPERATOR_LOG_FORMAT": "console",
            **{f"KATO_OPERATOR_{key.upper()}": value for key, value in settings.items()},
        }
        log = tmp_path / f"{len(made)}-{name}.log"
        made.append(OperatorProcess(environment, log, port))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.kill9()
        log = one.log.read_text()
        assert "pass crashed" not in log, log[-4000:]


def owner(space: Namespace, name: str = "prod") -> str:
    found: str = space.status(name).get("orchestratedBy", "")
    return found.removeprefix(f"{space.name}/")


def images(workload: Manifest) -> set[str]:
    """The tags of the images of a workload."""
    pod = workload["spec"]["template"]["spec"]
    containers = [*pod["containers"], *pod.get("initContainers", ())]
    return {item["image"].rpartition(":")[2] for item in containers}


def await_images(space: Namespace, tag: str, name: str = "prod") -> None:
    def written() -> bool:
        found = space.get("Deployment", name)
        return found is not None and images(found) == {tag}

    until(written, f"images of {tag}")


def claimed_by(space: Namespace, name: str) -> Manifest:
    return {"status": {"orchestratedBy": f"{space.name}/{name}"}}


def reported(space: Namespace) -> list[Manifest]:
    return [it for it in space.list("Event") if it["reason"] == "OrchestratedElsewhere"]


def edit(space: Namespace, name: str, mark: int, **more: Any) -> None:
    env = [{"name": "MARK", "value": str(mark)}]
    space.patch("KatoInstance", name, {"spec": {"service": {"env": env}, **more}})


def edit_what_is_deleted(space: Namespace, name: str, mark: int) -> None:
    """Change the ConfigMap and the StatefulSet of Redis, too.

    A child that is deleted repeatedly without an edit would be contested, and its repair delayed.
    """
    checks = {"failureThreshold": 3 + mark % 2}
    redis = {"managed": {"resources": {"requests": {"cpu": f"{100 + mark % 2}m"}}}}
    edit(space, name, mark, healthChecks=checks, redis=redis)


def marks(space: Namespace, name: str) -> list[Any]:
    deployment = space.get("Deployment", name) or {}
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return [item["value"] for item in env if item["name"] == "MARK"]


def foreign(space: Namespace, owners: dict[str, str]) -> list[str]:
    """The workloads that have images of another installation than their instance's."""
    return [
        f"{kind} {item['metadata']['name']}: {images(item)}"
        for kind in WORKLOADS
        for item in space.list(kind)
        if images(item) != {owners[item["metadata"]["labels"]["kato.dev/instance"]]}
    ]


def test_two_operators_side_by_side_write_no_child_of_each_other(
    space: Namespace, new_operator: NewOperator
) -> None:
    first = new_operator("first")
    space.create("KatoInstance", "prod")
    await_images(space, "first")
    second = new_operator("second")
    event = until(lambda: reported(space), "the Event of the second operator")[0]
    assert f"{space.name}/first orchestrates it" in event["message"]
    space.create("KatoInstance", "other")  # both want it, and one gets it
    until(lambda: space.get("Deployment", "other"), "a second instance")
    space.patch("KatoInstance", "other", claimed_by(space, "second"), "status")
    await_images(space, "second", "other")
    owners = {"prod": "first", "other": "second"}
    ends_at, seen = time.monotonic() + RIVALS_S, 0
    while time.monotonic() < ends_at or seen < 5:
        seen += 1
        for name in owners:
            edit_what_is_deleted(space, name, seen)
            space.client.delete(space.path("StatefulSet", f"{name}-redis"))
            space.client.delete(space.path("ConfigMap", f"{name}-config"))
            wanted = [str(seen)]
            until(lambda: marks(space, name) == wanted, f"edit {seen}")  # noqa: B023
        until(lambda: len(space.list("StatefulSet")) == 6, "all stores")
        assert foreign(space, owners) == []
        assert {name: owner(space, name) for name in owners} == owners
    assert (first.passes("crashed"), second.passes("crashed")) == (0, 0)
    sys.stdout.write(f"\n{seen} rounds of edits and deletions in {RIVALS_S:g} s: none foreign\n")


def test_an_operator_writes_nothing_while_the_owner_is_silent(
    space: Namespace, new_operator: NewOperator
) -> None:
    first = new_operator("first")
    space.create("KatoInstance", "prod")
    await_images(space, "first")
    second = new_operator("second", resync_s="0.2")
    until(lambda: reported(space), "the Event of the second operator")
    first.send(signal.SIGSTOP)
    edit(space, "prod", 1)
    space.delete("ConfigMap", "prod-config")
    before = space.versions()
    second.await_passes(5)
    assert space.versions() == before
    until(lambda: 'phase="OrchestratedElsewhere"} 1.0' in metrics(second), "the metric")
    first.send(signal.SIGCONT)
    until(lambda: space.get("ConfigMap", "prod-config"), "the owner's repair")
    until(lambda: marks(space, "prod") == ["1"], "the owner's edit")


def metrics(operator: OperatorProcess) -> str:
    return httpx.get(f"http://127.0.0.1:{operator.port}/metrics", timeout=60).text


def ready_text(operator: OperatorProcess) -> str:
    return httpx.get(f"http://127.0.0.1:{operator.port}/readyz", timeout=60).text


def test_a_process_that_was_killed_is_replaced_once_its_lease_has_expired(
    space: Namespace, new_operator: NewOperator
) -> None:
    first = new_operator("one", tag="old", lease_s="5")
    second = new_operator("one", tag="new", lease_s="5")
    space.create("KatoInstance", "prod")
    await_images(space, "old")
    assert (first.leads(), second.leads()) == (True, False)
    assert f"standing by: Lease {space.name}/one is held by process_" in ready_text(second)
    first.kill9()
    killed_at = time.monotonic()
    until(second.leads, "the second process taking over")
    await_images(space, "new")
    sys.stdout.write(f"\nnew images {time.monotonic() - killed_at:.1f} s after kill -9\n")
    assert not reported(space)


def test_a_process_that_stops_hands_over_without_a_wait(
    space: Namespace, new_operator: NewOperator
) -> None:
    first = new_operator("one", tag="old", lease_s="60")
    second = new_operator("one", tag="new", lease_s="60")
    space.create("KatoInstance", "prod")
    await_images(space, "old")
    stopped_at = time.monotonic()
    first.stop()
    until(second.leads, "the second process taking over")
    taken_s = time.monotonic() - stopped_at
    sys.stdout.write(f"\nhanded over {taken_s:.1f} s after SIGTERM\n")
    assert taken_s < 40  # the Lease alone would have lasted for 60 s
    await_images(space, "new")


def test_a_frozen_process_writes_nothing_when_it_wakes_up(
    space: Namespace, new_operator: NewOperator
) -> None:
    first = new_operator("one", tag="old", lease_s="5")
    space.create("KatoInstance", "prod")
    await_images(space, "old")
    second = new_operator("one", tag="new", lease_s="5")
    first.send(signal.SIGSTOP)
    until(second.leads, "the second process taking over")
    await_images(space, "new")
    space.await_ready()
    second.await_nudged(space)
    before = space.versions()
    first.send(signal.SIGCONT)
    until(lambda: "lease lost" in first.log.read_text(), "the first process noticing")
    edit(space, "prod", 1)
    until(lambda: marks(space, "prod") == ["1"], "the second process's edit")
    assert foreign(space, {"prod": "new"}) == []
    stores = {name: it for name, it in space.versions().items() if name[0] == "StatefulSet"}
    assert stores.items() <= before.items()
    assert (first.leads(), second.leads()) == (False, True)
    assert first.passes("retried") <= 1  # the one that was frozen, if any


def test_instances_of_an_installation_that_is_gone_are_taken_over(
    space: Namespace, new_operator: NewOperator
) -> None:
    first = new_operator("first", lease_s="5")
    space.create("KatoInstance", "prod")
    await_images(space, "first")
    first.kill9()
    second = new_operator("second", take_over_after_s="3", lease_s="5")
    until(lambda: owner(space) == "second", "the take-over")
    await_images(space, "second")
    first.start()
    until(lambda: first.leads() and len(reported(space)) == 2, "the first operator stepping back")
    edit(space, "prod", 1)
    until(lambda: marks(space, "prod") == ["1"], "the edit")
    assert foreign(space, {"prod": "second"}) == []
    assert second.leads()


def test_an_instance_is_handed_over_by_hand(space: Namespace, new_operator: NewOperator) -> None:
    new_operator("first")
    space.create("KatoInstance", "prod")
    await_images(space, "first")
    second = new_operator("second")
    space.patch("KatoInstance", "prod", claimed_by(space, "second"), "status")
    await_images(space, "second")
    second.send(signal.SIGSTOP)
    space.patch("KatoInstance", "prod", {"status": {"orchestratedBy": None}}, "status")
    until(lambda: owner(space) == "first", "the only one that lives claiming it")
    await_images(space, "first")


def test_an_instance_of_a_dead_operator_can_be_deleted(
    space: Namespace, new_operator: NewOperator
) -> None:
    first = new_operator("first")
    space.create("KatoInstance", "prod")
    await_images(space, "first")
    first.kill9()
    second = new_operator("second")
    until(lambda: reported(space), "the Event of the second operator")
    uid = (space.get("KatoInstance", "prod") or {})["metadata"]["uid"]
    space.delete("KatoInstance", "prod")
    assert space.get("KatoInstance", "prod") is None
    until(lambda: space.collect_garbage(uid), "its children being collected")
    space.create("KatoInstance", "prod")
    until(lambda: owner(space) == "second", "a new instance being claimed")
    assert second.leads()


def test_an_excluded_namespace_is_left_to_another_operator(
    space: Namespace, new_operator: NewOperator, kubernetes: httpx.Client
) -> None:
    wide = new_operator("wide")
    space.create("KatoInstance", "prod")
    await_images(space, "wide")
    wide.stop()
    own = new_operator("own")
    until(lambda: reported(space), "the Event of the namespace's own operator")
    # whatever other tests have left is excluded as well
    every = [it["metadata"]["name"] for it in kubernetes.get("/api/v1/namespaces").json()["items"]]
    wide.environment |= {
        "KATO_OPERATOR_NAMESPACE": "",
        "KATO_OPERATOR_EXCLUDED_NAMESPACES": json.dumps(every),
    }
    wide.start()
    until(lambda: owner(space) == "own", "the excluded instance changing hands")
    await_images(space, "own")
    edit(space, "prod", 1)
    until(lambda: marks(space, "prod") == ["1"], "the edit")
    assert foreign(space, {"prod": "own"}) == []
    assert (wide.passes(), wide.passes("retried"), own.leads()) == (0, 0, True)
