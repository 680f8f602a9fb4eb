"""What a podTemplate adds to the pods of every component, and a volume's labels to its claims."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from kato_operator import children, names
from kato_operator.children import Facts
from kato_operator.crd.instance import KatoInstance, parse
from kato_operator.reconcile import rollout, volumes

Manifest = dict[str, Any]

WORKLOADS = ("prod", "prod-redis", "prod-mongodb", "prod-qdrant")
TEMPLATE: Manifest = {
    "labels": {"team": "a"},
    "annotations": {"note": "b"},
    "nodeSelector": {"pool": "kato"},
    "tolerations": [{"key": "pool", "operator": "Equal", "value": "kato"}],
    "affinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "topologyKey": "zone",
                    "labelSelector": {"matchLabels": {"app": "noisy"}},
                    "namespaceSelector": {},
                }
            ]
        }
    },
    "topologySpread": [{"topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}],
    "priorityClassName": "high",
}
CLAIM = {"labels": {"backup": "daily"}, "annotations": {"note": "c"}}


def everywhere(template: Manifest, storage: Manifest) -> Manifest:
    stores = {
        store: {"managed": {"podTemplate": template, "storage": storage}}
        for store in ("redis", "mongodb", "qdrant")
    }
    return {"service": {"podTemplate": template}, **stores}


def instance(spec: Manifest) -> KatoInstance:
    return parse({"metadata": {"name": "prod", "namespace": "kato", "uid": "a"}, "spec": spec})


def made(spec: Manifest, *, ipv6: bool = False) -> dict[tuple[str, str], Manifest]:
    found = instance(spec)
    secrets = children.generated_secrets(found, token=lambda: "secret")
    values = {name: value for item in secrets for name, value in item["stringData"].items()}
    manifests = children.desired(found, Facts({}, values, {}, "1.2.3", ipv6=ipv6))
    return {(item["kind"], item["metadata"]["name"]): item for item in manifests}


def workloads(spec: Manifest, **more: bool) -> dict[str, Manifest]:
    found = made(spec, **more)
    return {name: item for (kind, name), item in found.items() if kind in rollout.WORKLOADS}


def template_of(workload: Manifest) -> Manifest:
    found: Manifest = workload["spec"]["template"]
    return found


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_template_is_in_the_pods_of_every_component(name: str) -> None:
    plain, full = workloads({})[name], workloads(everywhere(TEMPLATE, {}))[name]
    before, after = template_of(plain)["metadata"], template_of(full)["metadata"]
    assert after["labels"] == {"team": "a", **before["labels"]}
    assert after["annotations"] == {"note": "b", **before.get("annotations", {})}
    pod = template_of(full)["spec"]
    assert pod["nodeSelector"] == TEMPLATE["nodeSelector"]
    assert pod["tolerations"] == TEMPLATE["tolerations"]
    assert pod["priorityClassName"] == "high"
    (term,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"] == {"app": "noisy"}
    assert "namespaceSelector" in term  # an empty one means every namespace, none means this one


@pytest.mark.parametrize("name", WORKLOADS)
def test_without_a_template_pods_have_none_of_its_fields(name: str) -> None:
    pod = template_of(workloads({})[name])["spec"]
    assert not {"nodeSelector", "affinity", "tolerations", "priorityClassName"} & pod.keys()


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_topology_spread_selects_the_pods_of_its_component_and_replaces_the_default(
    name: str,
) -> None:
    workload = workloads(everywhere(TEMPLATE, {}))[name]
    (constraint,) = template_of(workload)["spec"]["topologySpreadConstraints"]
    selector = workload["spec"]["selector"]
    revision = {"matchLabelKeys": ["pod-template-hash"]} if name == "prod" else {}
    assert constraint == {
        "topologyKey": "rack",
        "whenUnsatisfiable": "DoNotSchedule",
        "maxSkew": 1,
        "labelSelector": selector,
        **revision,
    }


@pytest.mark.parametrize("name", WORKLOADS)
def test_labels_by_which_pods_are_selected_cannot_be_replaced(name: str) -> None:
    workload = workloads(everywhere(TEMPLATE, {}))[name]
    selected = workload["spec"]["selector"]["matchLabels"]
    assert selected.items() <= template_of(workload)["metadata"]["labels"].items()


def test_new_claims_have_the_labels_of_their_volume() -> None:
    for name in WORKLOADS[1:]:
        (claim,) = workloads(everywhere({}, CLAIM))[name]["spec"]["volumeClaimTemplates"]
        assert claim["metadata"]["labels"]["backup"] == "daily"
        assert claim["metadata"]["labels"][names.INSTANCE_LABEL] == "prod"
        assert claim["metadata"]["annotations"] == {"note": "c"}


def test_the_volume_of_embedded_stores_has_the_labels_of_the_spec() -> None:
    spec = {"redis": {"mode": "Embedded"}, "service": {"embeddedStorage": CLAIM}}
    claim = made(spec)["PersistentVolumeClaim", "prod-data"]["metadata"]
    assert claim["labels"]["backup"] == "daily"
    assert claim["labels"][names.RETAINED_LABEL] == "true"
    assert claim["annotations"] == {"note": "c"}


def test_a_live_statefulset_keeps_the_labels_of_its_claim_template() -> None:
    live = made({})["StatefulSet", "prod-redis"]
    found = instance(everywhere({}, CLAIM))
    wanted = made(everywhere({}, CLAIM)).values()
    asked = {item["metadata"]["name"]: item for item in rollout.asked(found, wanted, [live])}
    (template,) = asked["prod-redis"]["spec"]["volumeClaimTemplates"]
    assert template["metadata"] == live["spec"]["volumeClaimTemplates"][0]["metadata"]


GIVEN = '{"annotations":["note"],"labels":["backup"]}'


def claim(name: str = "data-prod-redis-0", **metadata: Mapping[str, str]) -> Manifest:
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "kato", "uid": "c", **metadata},
        "spec": {},
    }


def merged(live: Manifest, spec: Manifest, *more: Manifest) -> Manifest:
    """What is merged into the claim; nothing if it stays as it is."""
    found = list(volumes.changes(instance(spec), (live, *more)))
    assert len(found) <= 1
    return found[0].metadata if found else {}


def test_an_existing_claim_gets_the_labels_and_a_record_of_them() -> None:
    found = merged(claim(labels={"mine": "x"}), everywhere({}, CLAIM))
    assert found == {
        "labels": {"backup": "daily"},
        "annotations": {"note": "c", names.GIVEN_ANNOTATION: GIVEN},
    }


def test_a_claim_that_has_them_is_left_alone() -> None:
    annotations = {"note": "c", names.GIVEN_ANNOTATION: GIVEN, "of": "others"}
    live = claim(labels={"backup": "daily", "mine": "x"}, annotations=annotations)
    assert merged(live, everywhere({}, CLAIM)) == {}
    assert merged(claim(labels={"mine": "x"}), {}) == {}


def test_what_the_spec_no_longer_has_is_removed_and_what_others_have_set_stays() -> None:
    live = claim(
        labels={"backup": "daily", "mine": "x"},
        annotations={"note": "c", names.GIVEN_ANNOTATION: GIVEN, "of": "others"},
    )
    assert merged(live, {}) == {
        "labels": {"backup": None},
        "annotations": {"note": None, names.GIVEN_ANNOTATION: None},
    }


def test_what_the_template_of_the_live_statefulset_gives_is_removed_too() -> None:
    statefulset = made(everywhere({}, CLAIM))["StatefulSet", "prod-redis"]
    own = Manifest(labels={names.INSTANCE_LABEL: "prod", "backup": "daily"})
    found = merged(claim(**own), {}, statefulset)
    assert found == {"labels": {"backup": None}}


@pytest.mark.parametrize(
    "record",
    ["", "nonsense", "[]", '{"labels":"backup"}', '{"labels":[1,null]}', '{"annotations":{}}'],
)
def test_a_damaged_record_removes_nothing(record: str) -> None:
    live = claim(labels={"backup": "daily"}, annotations={names.GIVEN_ANNOTATION: record})
    assert merged(live, {}) == {"annotations": {names.GIVEN_ANNOTATION: None}}


def test_a_forged_record_cannot_make_the_operator_remove_labels_of_its_own() -> None:
    forged = json.dumps(
        {"labels": [names.INSTANCE_LABEL], "annotations": ["pv.kubernetes.io/bind-completed"]}
    )
    annotations = {names.GIVEN_ANNOTATION: forged, "pv.kubernetes.io/bind-completed": "yes"}
    live = claim(labels={names.INSTANCE_LABEL: "prod"}, annotations=annotations)
    assert merged(live, {}) == {"annotations": {names.GIVEN_ANNOTATION: None}}


@pytest.mark.parametrize("name", ["data-prod-redis-x", "data-prod-redis2-0", "prod-data", "mine"])
def test_claims_of_others_are_left_alone(name: str) -> None:
    assert merged(claim(name), everywhere({}, CLAIM)) == {}


def test_a_claim_that_is_being_deleted_is_left_alone() -> None:
    live = claim()
    live["metadata"]["deletionTimestamp"] = "2026-11-29T00:00:00Z"
    assert merged(live, everywhere({}, CLAIM)) == {}


def environment(spec: Manifest, *, ipv6: bool) -> str:
    host: str = made(spec, ipv6=ipv6)["ConfigMap", "prod-config"]["data"]["HOST"]
    return host


def test_servers_listen_on_ipv6_only_where_pods_have_it() -> None:
    for ipv6 in (False, True):
        text = {name: json.dumps(item) for name, item in workloads({}, ipv6=ipv6).items()}
        assert environment({}, ipv6=ipv6) == ("::" if ipv6 else "0.0.0.0")
        assert ("--ipv6" in text["prod-mongodb"]) is ipv6
        assert ('"QDRANT__SERVICE__HOST", "value": "::"' in text["prod-qdrant"]) is ipv6


@pytest.mark.parametrize("policy", ["SingleStack", "PreferDualStack", "RequireDualStack"])
def test_a_service_of_two_families_has_pods_that_listen_on_both(policy: str) -> None:
    spec = {"service": {"expose": {"ipFamilyPolicy": policy}}}
    assert made(spec)["Service", "prod"]["spec"]["ipFamilyPolicy"] == policy
    assert environment(spec, ipv6=False) == ("0.0.0.0" if policy == "SingleStack" else "::")
