"""What the operator and people may do, on a real API server: no less than needed, and no more."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import audit_log
import httpx
import pytest
from apiserver import (
    INSTANCE,
    Manifest,
    Namespace,
    OperatorProcess,
    bound_claim,
    claim,
    requested_size,
)
from audit_log import Right
from pod_states import pod
from rendered_chart import SYSTEM, Render, rights

from support.waiting import until

pytestmark = pytest.mark.apiserver

RBAC = "/apis/rbac.authorization.k8s.io/v1"
STORES = ("redis", "mongodb", "qdrant")
EMBEDDED = {name: {"mode": "Embedded"} for name in STORES}
UNUSED: dict[Right, str] = {
    ("kato.dev/katoinstances/finalizers", "update"): (
        "no request: admission asks for it when a child blocks the deletion of its owner; see"
        " test_children_cannot_block_their_owner_without_the_right_to_its_finalizers"
    ),
}
"""Rights that no request uses, and why the chart grants them all the same."""


def test_the_operator_uses_every_right_that_it_has_and_needs_no_other(
    control_plane: Any,
    space: Namespace,
    monitors: None,
    restricted: OperatorProcess,
    render: Render,
) -> None:
    lead_a_full_life(space, restricted)
    asked = audit_log.requests(control_plane.directory, space.name, "operator")
    granted = audit_log.granted(rights(render, space.name))
    used = {right for request in asked for right in request.rights()}
    refused = {item for item in asked if item.status == audit_log.FORBIDDEN}
    assert refused == set(), "used, but not granted"
    assert used <= granted
    assert granted - used == set(UNUSED), "granted, but not used"
    assert [item for item in asked if not is_narrow(item)] == []
    for_owners = audit_log.granted(rights(render, space.name, owners=True)) - granted
    assert for_owners == {("secrets", "delete"), ("apps/deployments", "delete")}


def is_narrow(request: audit_log.Request) -> bool:
    """Whether a request for Secrets is for one by name, for those with a label of ours, or for
    metadata alone.

    The log does not tell what a watch reports; it asks with the same header as the list before it.
    """
    if request.resource != "secrets" or request.verb in ("create", "watch"):
        return True
    is_ours = "labelSelector=app.kubernetes.io" in request.uri
    return bool(request.name) or is_ours or request.answer == "PartialObjectMetadataList"


def lead_a_full_life(space: Namespace, operator: OperatorProcess) -> None:
    """Everything that users do with instances, and what happens to their children."""
    chosen = {"monitoring": {"serviceMonitor": "Enabled"}, **redis_class("wrong")}
    exposed = {"replicas": 2, "expose": {"ingress": {"host": "kato.example.com"}}}
    space.create("KatoInstance", "prod", spec={**chosen, "service": exposed})
    space.await_ready()
    correct_the_class(space)
    scale_by_load(space)
    grow(space)
    replace_pods(space)
    leave_children_of_an_older_version(space)
    refer_to_a_secret(space)
    for asleep, value in ((True, "False"), (False, "True")):
        edit(space, hibernate=asleep)
        until(lambda: bring_up(space, "Ready", value), f"Ready={value}")  # noqa: B023
    space.create("KatoInstance", "small", spec=EMBEDDED)
    space.await_ready("small")
    assert space.get("PersistentVolumeClaim", "small-data")
    until(lambda: space.list("Event"), "an event")
    until(lambda: is_renewed(space), "a renewal of the Lease")
    edit(space, deletionPolicy="Delete")
    space.await_ready()
    for name in ("prod", "small"):
        space.delete("KatoInstance", name)


def is_renewed(space: Namespace) -> bool:
    """Whether the operator has renewed the Lease that it took."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{space.name}/leases"
    leases = space.client.get(path).raise_for_status().json()["items"]
    return any(item["spec"]["renewTime"] > item["spec"]["acquireTime"] for item in leases)


def edit(space: Namespace, **spec: Any) -> None:
    space.patch("KatoInstance", "prod", {"spec": spec})


def bring_up(space: Namespace, kind: str, value: str) -> bool:
    space.bring_up()
    found = space.condition(kind)
    reason = "Hibernated" if value == "False" else "Ready"
    return bool(found["status"] == value and found["reason"] == reason)


def redis_class(chosen: str) -> dict[str, Any]:
    return {"redis": {"managed": {"storage": {"className": chosen}}}}


def correct_the_class(space: Namespace) -> None:
    """A claim that no class can satisfy is deleted, with its StatefulSet, and made again."""
    name = "data-prod-redis-0"
    claim(space, name, "redis", storageClassName="wrong")
    edit(space, **redis_class(space.name))

    def is_deleted() -> bool:
        found = space.get("PersistentVolumeClaim", name)
        if found is not None and "deletionTimestamp" in found["metadata"]:
            space.patch("PersistentVolumeClaim", name, {"metadata": {"finalizers": None}})
        return found is None

    until(is_deleted, "the stuck claim being deleted")
    space.await_ready()


def scale_by_load(space: Namespace) -> None:
    """Children that are no longer asked for are deleted."""
    exposed = {"autoscaling": {}, "expose": {"ingress": None}}
    monitoring = {"serviceMonitor": "Disabled"}
    edit(space, service=exposed, security={"networkPolicy": "Disabled"}, monitoring=monitoring)
    until(lambda: not space.list("NetworkPolicy"), "the policies being pruned")
    space.await_ready()
    assert space.get("HorizontalPodAutoscaler", "prod")
    edit(space, service={"autoscaling": None, "replicas": 1})
    until(lambda: not space.list("PodDisruptionBudget"), "the budget being pruned")
    space.await_ready()


def grow(space: Namespace) -> None:
    name = "data-prod-redis-0"
    bound_claim(space, name, "redis")
    edit(space, redis={"managed": {"storage": {"size": "3Gi"}}})
    until(lambda: requested_size(space, name) == "3Gi", "a larger claim")
    space.await_ready()


def replace_pods(space: Namespace) -> None:
    """An outdated pod is evicted if it is ready, and deleted if it is not."""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    for status in (ready, {}):
        workload = space.get("StatefulSet", "prod-mongodb")
        assert workload is not None
        pod(space, {**workload, "kind": "StatefulSet"}, "mongodb", "old", **status)
        newest = {"status": {"updateRevision": "new"}}
        space.patch("StatefulSet", "prod-mongodb", newest, "status")
        until(lambda: not space.list("Pod"), "the outdated pod being replaced")
    space.await_ready()


def leave_children_of_an_older_version(space: Namespace) -> None:
    """Children that another version of the operator made, and that this one does not ask for."""
    instance = space.get("KatoInstance", "prod")
    assert instance is not None
    owner = owned_by(instance["metadata"]["uid"])
    labels = {"app.kubernetes.io/managed-by": "kato-operator", INSTANCE: "prod"}
    meta = {"name": "prod-older", "labels": labels, "ownerReferences": [owner]}
    kinds = {"ConfigMap": {}, "ServiceAccount": {}, "Service": {"spec": {"ports": [{"port": 1}]}}}
    for kind, fields in kinds.items():
        space.create(kind, "prod-older", metadata=meta, **fields)
    until(lambda: not any(space.get(kind, "prod-older") for kind in kinds), "them being deleted")


def owned_by(uid: str) -> Manifest:
    """The reference to an instance in what it owns."""
    owner = {"apiVersion": "kato.dev/v1alpha1", "kind": "KatoInstance", "name": "prod"}
    return {**owner, "uid": uid, "controller": True}


def refer_to_a_secret(space: Namespace) -> None:
    edit(space, service={"tls": {"secretName": "mine"}})
    space.await_condition("ServiceReady", "False", "MissingSecret")
    edit(space, service={"tls": None})
    space.await_ready()


def test_a_secret_that_admission_refuses_is_a_condition(
    kubernetes: httpx.Client, space: Namespace, operator: OperatorProcess
) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"count/secrets": "0"}}}
    quotas = f"/api/v1/namespaces/{space.name}/resourcequotas"
    assert kubernetes.post(quotas, json=quota).status_code == 201
    used = {"status": {"hard": {"count/secrets": "0"}, "used": {"count/secrets": "0"}}}
    merge = {"Content-Type": "application/merge-patch+json"}
    kubernetes.patch(f"{quotas}/none/status", json=used, headers=merge)
    space.create("KatoInstance", "prod")
    said = space.await_condition("CredentialsReady", "False", "Refused")["message"]
    assert said.startswith("the API server refuses a generated Secret: ")
    assert "exceeded quota: none" in said
    assert space.condition("Stalled")["status"] == "True"
    kubernetes.delete(f"{quotas}/none")
    space.await_ready()


def test_children_cannot_block_their_owner_without_the_right_to_its_finalizers(
    kubernetes: httpx.Client, space: Namespace
) -> None:
    owner = {**owned_by(str(uuid4())), "blockOwnerDeletion": True}
    body = {"metadata": {"name": "child", "ownerReferences": [owner]}}
    maps: Manifest = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}
    owners = {"apiGroups": ["kato.dev"], "resources": ["katoinstances/finalizers"]}
    statuses = []
    for granted in ([maps], [maps, {**owners, "verbs": ["update"]}]):
        with acting(kubernetes, space.name, granted) as user:
            answer = kubernetes.post(space.path("ConfigMap"), json=body, headers=user)
            statuses.append(answer.status_code)
    assert statuses == [403, 201]


@contextmanager
def acting(
    client: httpx.Client, namespace: str, granted: list[Manifest]
) -> Iterator[dict[str, str]]:
    """The headers of a person who has these rights in a namespace."""
    name = f"person-{uuid4().hex[:8]}"
    meta = {"metadata": {"name": name}}
    rbac = f"{RBAC}/namespaces/{namespace}"
    api = "rbac.authorization.k8s.io"
    reference = {"apiGroup": api, "kind": "Role", "name": name}
    subject = {"apiGroup": api, "kind": "User", "name": name}
    binding = {**meta, "roleRef": reference, "subjects": [subject]}
    for path, body in (("roles", {**meta, "rules": granted}), ("rolebindings", binding)):
        answer = client.post(f"{rbac}/{path}", json=body)
        assert answer.status_code == 201, answer.text
    until(lambda: is_authorized(client, namespace, name, granted), "the rights in force")
    yield {"Impersonate-User": name}


def is_authorized(client: httpx.Client, namespace: str, user: str, granted: list[Manifest]) -> bool:
    """Whether the authorizer has noticed the newest of the rights."""
    (resource, verb), *_ = sorted(audit_log.granted(granted[-1:]))
    return may(client, namespace, {"Impersonate-User": user}, resource, verb)


def may(
    client: httpx.Client, namespace: str, user: dict[str, str], resource: str, verb: str
) -> bool:
    """Whether a person may do this: a SelfSubjectAccessReview, as `kubectl auth can-i` asks."""
    group, _, rest = resource.rpartition("/") if "." not in resource else resource.partition("/")
    plural, _, subresource = rest.partition("/")
    attributes = {"namespace": namespace, "group": group, "resource": plural, "verb": verb}
    attributes |= {"subresource": subresource} if subresource else {}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = client.post(path, json=review, headers=user)
    assert answer.status_code == 201, answer.text
    return bool(answer.json()["status"]["allowed"])


READING = {"get", "list", "watch"}
CHANGING = {"get", "update", "patch"}
WRITING = {"create", "update", "patch", "delete"}
VERBS = (*sorted(READING | WRITING), "deletecollection")
OBJECTS = "kato.dev/katoinstances"


@pytest.mark.parametrize(
    ("role", "verbs", "scaling", "reporting"),
    [
        pytest.param("view", READING, {"get"}, {"get"}, id="view"),
        pytest.param("edit", READING | WRITING, CHANGING, {"get"}, id="edit"),
        pytest.param("admin", set(VERBS), CHANGING, CHANGING, id="admin"),
    ],
)
def test_people_may_do_what_their_role_says_and_no_more(
    kubernetes: httpx.Client,
    space: Namespace,
    render: Render,
    role: str,
    verbs: set[str],
    scaling: set[str],
    reporting: set[str],
) -> None:
    granted = render()["ClusterRole", f"{SYSTEM}:kato-{role}"]["rules"]
    expected = {OBJECTS: verbs, f"{OBJECTS}/scale": scaling, f"{OBJECTS}/status": reporting}
    nothing = (f"{OBJECTS}/finalizers", "secrets", "pods", "apps/deployments")
    with acting(kubernetes, space.name, granted) as user:
        for resource in (*expected, *nothing):
            found = {verb for verb in VERBS if may(kubernetes, space.name, user, resource, verb)}
            assert found == expected.get(resource, set()), resource
        assert not may(kubernetes, "default", user, OBJECTS, "get")


def test_an_editor_scales_with_kubectl_and_a_viewer_only_looks(
    control_plane: Any, kubernetes: httpx.Client, space: Namespace, render: Render
) -> None:
    space.create("KatoInstance", "prod")
    place = ("-n", space.name)
    roles = {role: render()["ClusterRole", f"{SYSTEM}:kato-{role}"]["rules"] for role in ROLES}
    with acting(kubernetes, space.name, roles["edit"]) as editor:
        who = f"--as={editor['Impersonate-User']}"
        control_plane.kubectl(*place, who, "scale", "--replicas=2", "katoinstance/prod")
    with acting(kubernetes, space.name, roles["view"]) as viewer:
        who = f"--as={viewer['Impersonate-User']}"
        assert control_plane.kubectl(*place, who, "get", "kato").splitlines()[1].startswith("prod")
        patch = {"spec": {"paused": True}}
        merge = {"Content-Type": "application/merge-patch+json", **viewer}
        refused = kubernetes.patch(space.path("KatoInstance", "prod"), json=patch, headers=merge)
        assert refused.status_code == 403
    spec = (space.get("KatoInstance", "prod") or {})["spec"]
    assert (spec["service"]["replicas"], spec["paused"]) == (2, False)


ROLES = ("view", "edit")
