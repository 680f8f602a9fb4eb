"""What others own of a child, what of it may stay, and how repairs slow down."""

from typing import Any

import pytest

from kato_operator.backoff import Backoff
from kato_operator.cluster.contests import FREE, QUIET_S, Contests
from kato_operator.cluster.fields import (
    ALL_OURS,
    NEVER_APPLIED,
    first_unnamed,
    ownership,
    shown,
    transferred,
)
from kato_operator.cluster.review import Difference, Review
from kato_operator.crd.parts import ForeignFields

Manifest = dict[str, Any]
PORT = 'k:{"port":80,"protocol":"TCP"}'
CHILD = ("Service", "default", "prod")


def entry(manager: str, operation: str, fields: Manifest, subresource: str = "") -> Manifest:
    found = {"manager": manager, "operation": operation, "fieldsV1": fields}
    return {**found, "subresource": subresource} if subresource else found


def owned(*entries: Manifest) -> Manifest:
    return {"metadata": {"managedFields": list(entries)}}


OURS = entry("kato-operator", "Apply", {"f:spec": {"f:type": {}, "f:ports": {PORT: {".": {}}}}})


def test_what_we_applied_is_ours_whoever_else_owns_it() -> None:
    other = entry("other", "Apply", {"f:spec": {"f:type": {}}})
    assert ownership(owned(OURS, other)) is ALL_OURS


def test_an_object_that_we_never_applied_has_no_owner_of_interest() -> None:
    assert ownership(owned(entry("kubelet", "Update", {"f:spec": {}}))) is NEVER_APPLIED
    assert ownership({"metadata": {}}) is NEVER_APPLIED


def test_reports_of_controllers_are_nobodys_edits() -> None:
    status = entry("kube-controller-manager", "Update", {"f:metadata": {"f:x": {}}}, "status")
    assert ownership(owned(OURS, status)) is ALL_OURS


def test_an_update_with_our_own_name_is_an_edit() -> None:
    other = entry("kato-operator", "Update", {"f:spec": {"f:externalIPs": {}}})
    (found,) = ownership(owned(OURS, other)).others
    assert (found.path, found.manager) == (("f:spec", "f:externalIPs"), "kato-operator")


def test_taken_fields_have_one_owner_and_others_keep_theirs() -> None:
    scale = entry("hpa", "Update", {"f:spec": {"f:replicas": {}}}, "scale")
    other = entry("other", "Update", {"f:spec": {"f:externalIPs": {}, "f:nodePort": {}}})
    gone = entry("gone", "Update", {"f:spec": {"f:externalIPs": {}}})
    after = transferred([OURS, scale, other, gone], [("f:spec", "f:externalIPs")])
    assert [item["manager"] for item in after] == ["kato-operator", "hpa", "other"]
    assert after[0]["fieldsV1"]["f:spec"] == {**OURS["fieldsV1"]["f:spec"], "f:externalIPs": {}}
    assert after[2]["fieldsV1"] == {"f:spec": {"f:nodePort": {}}}


@pytest.mark.parametrize(
    ("path", "unnamed"),
    [
        (("f:spec", "f:type"), None),
        (("f:spec", "f:externalIPs", 'v:"1.2.3.4"'), ".spec.externalIPs"),
        (("f:spec", "f:ports", PORT, "f:targetPort"), ".spec.ports['80/TCP'].targetPort"),
        (("f:spec", "f:ports", 'k:{"port":81,"protocol":"TCP"}', "."), ".spec.ports['81/TCP']"),
        (("f:spec", "f:ports", PORT, "."), None),
        (("f:spec", "f:selector", "f:app"), None),
        (("f:metadata", "f:annotations", "."), None),
        (("f:metadata", "f:annotations", "f:a/b"), ".metadata.annotations['a/b']"),
    ],
)
def test_a_field_is_named_by_a_manifest_or_not(path: tuple[str, ...], unnamed: str | None) -> None:
    manifest = {
        "metadata": {"name": "prod"},
        "spec": {"type": "ClusterIP", "ports": [{"port": 80}], "selector": "as a whole"},
    }
    found = first_unnamed(manifest, path)
    assert (None if found is None else shown(found)) == unnamed


def deployment(**spec: Any) -> Manifest:
    pod = {"containers": [{"name": "service", "image": "a:1"}]}
    return {
        "kind": "Deployment",
        "metadata": {"name": "prod"},
        "spec": {"template": {"metadata": {"labels": {}}, "spec": pod}, **spec},
    }


def review(live: Manifest, fields: Manifest, chosen: ForeignFields, manager: str = "m") -> Review:
    ours = entry("kato-operator", "Apply", {"f:spec": {"f:template": {}}})
    others = ownership(owned(ours, entry(manager, "Update", fields)))
    return Review(live, deployment(), others, chosen)


def test_an_addition_is_one_difference_however_many_fields_it_has() -> None:
    fields = {"f:spec": {"f:strategy": {"f:type": {}, "f:rollingUpdate": {"f:maxSurge": {}}}}}
    found = review(deployment(strategy={"type": "a"}), fields, ForeignFields())
    assert list(found.additions) == [Difference(".spec.strategy", "m")]
    assert found.rest["spec"].keys() == {"template", "strategy"}
    assert found.rest["spec"]["strategy"].get("type") is None


def test_a_changed_field_has_the_manager_that_changed_it() -> None:
    live = deployment()
    live["spec"]["template"]["spec"]["containers"] = [
        {"name": "added", "image": "b"},
        {"name": "service", "image": "other:1"},
    ]
    added = {'k:{"name":"added"}': {".": {}, "f:name": {}, "f:image": {}}}
    changed = {'k:{"name":"service"}': {"f:image": {}}}
    containers = {"f:containers": {**added, **changed}}
    found = review(live, {"f:spec": {"f:template": {"f:spec": containers}}}, ForeignFields())
    path = ".spec.template.spec.containers"
    assert list(found.additions) == [Difference(f"{path}['added']", "m")]
    assert list(found.changes(found.wanted)) == [Difference(f"{path}[0].image", "m")]


@pytest.mark.parametrize(
    ("fields", "chosen"),
    [
        pytest.param({"f:spec": {"f:replicas": {}}}, {}, id="autoscaler"),
        pytest.param({"f:spec": {"f:paused": {}}}, {"managers": ("m",)}, id="manager"),
        pytest.param(
            {"f:metadata": {"f:labels": {"f:mesh.example/a": {}}}},
            {"keys": ("mesh.example/*",)},
            id="key",
        ),
        pytest.param(
            {"f:spec": {"f:template": {"f:spec": {"f:volumes": {'k:{"name":"v-1"}': {}}}}}},
            {"volumes": ("v-*",)},
            id="volume",
        ),
    ],
)
def test_what_is_allowed_is_listed_and_no_difference(
    fields: Manifest, chosen: dict[str, tuple[str, ...]]
) -> None:
    found = review(deployment(), fields, ForeignFields(**chosen))
    assert not found.surplus
    assert [item.allowed for item in found.allowances] == [True]
    other = {} if "f:replicas" in fields.get("f:spec", {}) else {"managers": ("another",)}
    assert bool(review(deployment(), fields, ForeignFields(**other)).surplus) == bool(chosen)


@pytest.mark.parametrize("manager", ["kato-operator", "kato-operator-replicas"])
def test_replicas_that_the_operator_handed_over_are_not_worth_a_word(manager: str) -> None:
    fields = {"f:spec": {"f:replicas": {}}}
    found = review(deployment(), fields, ForeignFields(), manager)
    assert not found.surplus
    assert not list(found.allowances)


def test_a_finalizer_of_somebody_else_stays() -> None:
    fields = {"f:metadata": {"f:finalizers": {".": {}, 'v:"a/b"': {}}}}
    found = review(deployment(), fields, ForeignFields())
    assert not found.surplus
    assert not list(found.allowances)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def contests(clock: Clock) -> Contests:
    return Contests(clock=clock, delays=Backoff(4.0, 300.0, jitter=lambda: 1.0))


def test_the_first_repairs_do_not_wait_and_later_ones_wait_longer() -> None:
    clock = Clock()
    known = contests(clock)
    for _ in range(FREE):
        known.applied(CHILD, "a")
        assert not known.is_waiting(CHILD, "a")
    for delay_s in (4.0, 8.0, 16.0):
        known.applied(CHILD, "a")
        clock.now += delay_s - 0.1
        assert known.is_waiting(CHILD, "a")
        clock.now += 0.1
        assert not known.is_waiting(CHILD, "a")


def test_an_edit_of_the_spec_never_waits() -> None:
    known = contests(Clock())
    for _ in range(FREE + 1):
        known.applied(CHILD, "a")
    assert known.is_waiting(CHILD, "a")
    assert not known.is_waiting(CHILD, "b")


def test_a_quiet_child_is_forgotten() -> None:
    clock = Clock()
    known = contests(clock)
    for _ in range(FREE + 1):
        known.applied(CHILD, "a")
    clock.now += QUIET_S
    known.applied(("Service", "default", "other"), "b")
    assert list(known._records) == [("Service", "default", "other")]
    known.applied(CHILD, "a")
    assert not known.is_waiting(CHILD, "a")
