"""Children are wholly the instance's: what others change, add or remove in them is put right."""

import json
import threading
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiserver import Manifest, Namespace, OperatorProcess, new_namespace, new_operator
from child_edits import (
    KINDS,
    TABLE,
    Edit,
    add_key,
    add_to_service,
    annotate,
    main_of,
    pod_of,
    relabel,
    unlabel,
)

from support.waiting import until

pytestmark = pytest.mark.apiserver

APPLY = {"Content-Type": "application/apply-patch+yaml"}
PROD: Manifest = {
    "qdrant": {"mode": "Disabled"},
    "monitoring": {"serviceMonitor": "Enabled", "labels": {"team": "a"}},
    "service": {
        "autoscaling": {},
        "env": [{"name": "MARK", "value": "1"}],
        "expose": {"ingress": {"host": "kato.example"}, "annotations": {"example.com/a": "b"}},
    },
}
SMALL: Manifest = {
    "redis": {"mode": "Embedded"},
    "mongodb": {"mode": "Embedded"},
    "qdrant": {"mode": "Disabled"},
    "service": {"expose": {"type": "NodePort"}},
}


@pytest.fixture(scope="module")
def space(kubernetes: httpx.Client) -> Namespace:
    return Namespace(kubernetes, new_namespace(kubernetes))


@pytest.fixture(scope="module")
def operator(
    control_plane: Any, space: Namespace, monitors: None, tmp_path_factory: Any
) -> Iterator[OperatorProcess]:
    log: Path = tmp_path_factory.mktemp("operator") / "operator.log"
    yield from new_operator(control_plane, space.name, log)


@pytest.fixture(scope="module", autouse=True)
def instances(space: Namespace, operator: OperatorProcess) -> None:
    """An instance with a child of every kind but one, and a small one with a claim."""
    space.create("KatoInstance", "prod", spec=PROD)
    space.create("KatoInstance", "small", spec=SMALL)
    space.await_ready()
    space.await_ready("small")


def content(found: Manifest) -> Manifest:
    """What an object is, apart from its status and from what the API server counts."""
    volatile = ("managedFields", "resourceVersion", "generation")
    meta = {name: value for name, value in found["metadata"].items() if name not in volatile}
    return {**{key: it for key, it in found.items() if key != "status"}, "metadata": meta}


def live(space: Namespace, kind: str, name: str) -> Manifest:
    found = space.get(kind, name)
    assert found is not None, f"{kind} {name}"
    return found


def edited(space: Namespace, kind: str, name: str, edit: Edit, manager: str) -> Manifest:
    """The object as `kubectl edit` would write it."""

    def written() -> Manifest | None:
        wanted = deepcopy(live(space, kind, name))
        edit(wanted)
        query = {"fieldManager": manager}
        answer = space.client.put(space.path(kind, name), json=wanted, params=query)
        assert answer.status_code in (200, 409), answer.text
        found: Manifest = answer.json()
        return found if answer.status_code == 200 else None

    return until(written, f"an edit of {kind} {name}")


def await_content(space: Namespace, kind: str, name: str, wanted: Manifest) -> None:
    def differs() -> str:
        now = content(live(space, kind, name))
        return "" if now == wanted else json.dumps(now, sort_keys=True)

    last = [""]

    def same() -> bool:
        last[0] = differs()
        return not last[0]

    try:
        until(same, f"{kind} {name} as it was")
    except pytest.fail.Exception:
        raise AssertionError(f"{last[0]}\nis not\n{json.dumps(wanted, sort_keys=True)}") from None


def test_the_table_has_every_kind_of_child(space: Namespace) -> None:
    assert {kind for kind, _ in space.children()} == {kind for kind, _ in TABLE}


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_an_edit_of_a_child_is_undone(
    space: Namespace, operator: OperatorProcess, kind: str, name: str
) -> None:
    before = content(live(space, kind, name))
    for edit in (annotate, relabel, unlabel, *TABLE[kind, name]):
        assert content(edited(space, kind, name, edit, "kubectl-edit")) != before, edit
        await_content(space, kind, name, before)
    assert operator.passes("retried") == 0 or "conflict" in operator.log.read_text().lower()


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_what_somebody_else_applies_to_a_child_is_removed(
    space: Namespace, kind: str, name: str
) -> None:
    now = live(space, kind, name)
    before, body = content(now), applied_by_others(now)
    query = {"fieldManager": "other", "force": "true"}
    path = space.path(kind, name)
    answer = space.client.patch(path, content=json.dumps(body), params=query, headers=APPLY)
    assert answer.status_code == 200, answer.text
    assert content(answer.json()) != before
    await_content(space, kind, name, before)


def applied_by_others(now: Manifest) -> Manifest:
    """A manifest of another tool: all that the child is, and more."""
    wanted = content(deepcopy(now))
    annotate(wanted)
    for edit in TABLE[now["kind"], now["metadata"]["name"]][:1]:
        edit(wanted)
    wanted["metadata"] = {
        name: wanted["metadata"][name] for name in ("name", "labels", "annotations")
    }
    return wanted


def test_an_object_that_has_lost_its_managed_fields_is_taken_over(
    space: Namespace, operator: OperatorProcess
) -> None:
    kind, name = "Service", "prod-redis"
    before = content(live(space, kind, name))
    operator.kill9()
    edited(space, kind, name, add_to_service, "kubectl-edit")
    space.patch(kind, name, {"metadata": {"managedFields": [{}]}})
    operator.start()
    await_content(space, kind, name, before)


def test_an_interrupted_repair_is_finished(space: Namespace, operator: OperatorProcess) -> None:
    kind, name = "Service", "prod-redis"
    before = content(live(space, kind, name))
    operator.kill9()
    found = content(live(space, kind, name))
    found["spec"]["externalIPs"] = ["1.2.3.4"]
    del found["metadata"]["annotations"]["kato.dev/applied"]
    query = {"fieldManager": "kato-operator", "force": "true"}
    path = space.path(kind, name)
    answer = space.client.patch(path, content=json.dumps(found), params=query, headers=APPLY)
    assert answer.status_code == 200, answer.text
    operator.start()
    await_content(space, kind, name, before)


def freeze(found: Manifest) -> None:
    found["immutable"] = True
    add_key(found)


def test_a_child_that_was_made_immutable_is_made_again(space: Namespace) -> None:
    kind, name = "ConfigMap", "prod-config"
    before = live(space, kind, name)
    edited(space, kind, name, freeze, "kubectl-edit")
    again = until(lambda: remade(space, kind, name, before), f"another {kind}")
    assert "immutable" not in again
    assert again["data"] == before["data"]


def test_a_secret_that_was_made_immutable_is_never_deleted_but_reported(space: Namespace) -> None:
    kind, name = "Secret", "prod-connections"
    before = live(space, kind, name)
    edited(space, kind, name, freeze, "kubectl-edit")
    said = space.await_condition("ServiceReady", "False", "Refused")
    assert "field is immutable when `immutable` is set" in said["message"]
    space.delete(kind, name)
    again = until(lambda: remade(space, kind, name, before), f"another {kind}")
    assert again["data"] == before["data"]
    space.await_ready()


def remade(space: Namespace, kind: str, name: str, before: Manifest) -> Manifest | None:
    found = space.get(kind, name)
    same = found is None or found["metadata"]["uid"] == before["metadata"]["uid"]
    return None if same else found


def test_a_child_that_somebody_made_with_an_immutable_field_is_made_again(
    space: Namespace, operator: OperatorProcess
) -> None:
    operator.kill9()
    before = live(space, "Service", "prod")
    headless = content(deepcopy(before))
    headless["spec"] = {**headless["spec"], "clusterIP": "None", "clusterIPs": ["None"]}
    for name in ("uid", "creationTimestamp"):
        del headless["metadata"][name]
    space.delete("Service", "prod")
    assert space.client.post(space.path("Service"), json=headless).status_code == 201
    operator.start()

    def addressed() -> bool:
        found = space.get("Service", "prod")
        return found is not None and found["spec"]["clusterIP"] != "None"

    until(addressed, "a Service with an address")
    assert live(space, "Service", "prod")["spec"]["ports"] == before["spec"]["ports"]


def test_what_kubectl_and_autoscalers_may_change_stays_and_is_listed(
    space: Namespace, operator: OperatorProcess, control_plane: Any
) -> None:
    settled(space, operator)
    control_plane.kubectl("-n", space.name, "rollout", "restart", "deployment/prod")
    control_plane.kubectl("-n", space.name, "scale", "deployment/prod", "--replicas=5")
    port = live(space, "Service", "small")["spec"]["ports"][0]
    space.patch("Service", "small", {"spec": {"ports": [{**port, "nodePort": 30123}]}})
    space.patch("Service", "small", {"metadata": {"finalizers": ["example.com/cleanup"]}})
    settled(space, operator)
    found = live(space, "Deployment", "prod")
    assert found["spec"]["replicas"] == 5
    restarted = "kubectl.kubernetes.io/restartedAt"
    assert restarted in found["spec"]["template"]["metadata"]["annotations"]
    (port,) = live(space, "Service", "small")["spec"]["ports"]
    assert port["nodePort"] == 30123
    assert live(space, "Service", "small")["metadata"]["finalizers"] == ["example.com/cleanup"]
    assert drift(space, "prod") == {
        f"Deployment .spec.template.metadata.annotations['{restarted}'] kubectl-rollout Allowed",
        "Deployment .spec.replicas kubectl Allowed",
    }
    assert {item.rpartition("python")[0] for item in drift(space, "small")} == {
        "Service .spec.ports['8000/TCP'].nodePort "
    }
    space.patch("Service", "small", {"metadata": {"finalizers": None}})


def drift(space: Namespace, name: str) -> set[str]:
    found = space.status(name).get("drift", ())
    return {
        " ".join((item["kind"], item["path"], item.get("manager", "-"), item["state"]))
        for item in found
    }


def settled(space: Namespace, operator: OperatorProcess) -> None:
    """Ready, and no object written in two passes."""
    for name in ("prod", "small"):
        space.await_ready(name)
        operator.await_nudged(space, name)
    before = space.versions()
    operator.kill9()
    operator.environment["KATO_OPERATOR_RESYNC_S"] = "0.3"
    operator.start()
    operator.await_passes(6)
    assert space.versions() == before


def test_what_the_spec_allows_stays_until_it_no_longer_does(
    space: Namespace, operator: OperatorProcess
) -> None:
    before = content(live(space, "Deployment", "small"))
    allowed = {"keys": ["mesh.example/*"], "containers": ["proxy"], "volumes": ["proxy-*"]}
    space.patch("KatoInstance", "small", {"spec": {"foreignFields": allowed}})
    space.await_ready("small")

    def inject(found: Manifest) -> None:
        pod_of(found)["containers"].append({"name": "proxy", "image": "proxy:1"})
        pod_of(found)["volumes"].append({"name": "proxy-run", "emptyDir": {}})
        found["spec"]["template"]["metadata"]["annotations"]["mesh.example/status"] = "on"
        found["metadata"]["annotations"]["mesh.example/status"] = "on"
        pod_of(found)["hostPID"] = True

    injected = edited(space, "Deployment", "small", inject, "mesh")
    del pod_of(injected)["hostPID"]
    await_content(space, "Deployment", "small", content(injected))
    template = "Deployment .spec.template"
    listed = {
        f"{template}.spec.containers['proxy'] mesh Allowed",
        f"{template}.spec.volumes['proxy-run'] mesh Allowed",
        f"{template}.metadata.annotations['mesh.example/status'] mesh Allowed",
        "Deployment .metadata.annotations['mesh.example/status'] mesh Allowed",
    }
    until(lambda: listed <= drift(space, "small"), "what is allowed in the status")
    settled(space, operator)
    space.patch("KatoInstance", "small", {"spec": {"foreignFields": None}})
    await_content(space, "Deployment", "small", before)


def test_a_paused_instance_says_who_changed_what(
    space: Namespace, operator: OperatorProcess
) -> None:
    settled(space, operator)
    space.patch("KatoInstance", "small", {"spec": {"paused": True}})
    space.await_ready("small")
    before = content(live(space, "Deployment", "small"))

    def edit(found: Manifest) -> None:
        found["spec"]["replicas"] = 0
        pod_of(found)["hostNetwork"] = True
        main_of(found)["image"] = "other:1"
        del main_of(found)["livenessProbe"]

    edited(space, "Deployment", "small", edit, "kubectl-edit")
    found = until(lambda: waiting(space, "small"), "a difference")
    container = "Deployment .spec.template.spec.containers"
    assert found == {
        "Deployment .spec.replicas kubectl-edit Pending",
        "Deployment .spec.template.spec.hostNetwork kubectl-edit Pending",
        f"{container}[0].image kubectl-edit Pending",
        f"{container}[0].livenessProbe - Pending",
    }
    said = space.condition("Ready", "small")
    assert (said["status"], said["reason"]) == ("False", "Paused")
    assert "Deployment small differs from the spec in .spec.replicas" in said["message"]
    space.patch("KatoInstance", "small", {"spec": {"paused": False}})
    await_content(space, "Deployment", "small", before)


def waiting(space: Namespace, name: str) -> set[str]:
    return {item for item in drift(space, name) if item.endswith("Pending")}


def test_a_fight_is_seen_and_slows_down(space: Namespace, operator: OperatorProcess) -> None:
    settled(space, operator)
    ended, writes = threading.Event(), [0]

    def fight() -> None:
        while not ended.is_set():
            now = space.get("Deployment", "prod")
            if now is not None and not pod_of(now).get("hostPID"):
                patch = {"spec": {"template": {"spec": {"hostPID": True}}}}
                space.patch("Deployment", "prod", patch)
                writes[0] += 1
            ended.wait(0.02)

    opponent = threading.Thread(target=fight)
    opponent.start()
    try:
        until(lambda: space.condition("ServiceReady")["reason"] == "Contested", "Contested")
        said = space.condition("ServiceReady")["message"]
        assert ".spec.template.spec.hostPID (set by python-httpx" in said
        until(lambda: "Contested" in reasons(space), "an Event")
        contested = {item for item in drift(space, "prod") if item.endswith("Contested")}
        assert [item.split()[1] for item in contested] == [".spec.template.spec.hostPID"]
        operator.await_nudged(space)
        assert writes[0] < 12
        manager = next(iter(contested)).split()[2]
        allowed = {"managers": [manager]}
        space.patch("KatoInstance", "prod", {"spec": {"foreignFields": allowed}})
        space.await_ready()
    finally:
        ended.set()
        opponent.join()
    assert pod_of(live(space, "Deployment", "prod"))["hostPID"] is True
    space.patch("KatoInstance", "prod", {"spec": {"foreignFields": None}})
    until(lambda: not pod_of(live(space, "Deployment", "prod")).get("hostPID"), "its removal")


def reasons(space: Namespace) -> set[str]:
    return {item["reason"] for item in space.list("Event")}


def test_at_the_end_nothing_is_written_and_nothing_differs(
    space: Namespace, operator: OperatorProcess
) -> None:
    settled(space, operator)
    assert not {item for item in drift(space, "prod") if not item.endswith("Allowed")}
