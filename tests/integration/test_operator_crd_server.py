"""The generated CRD on a real API server: its defaults, its rejections and their messages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from refused_fields import REFUSED, resources
from refused_specs import BOUNDS, STRICTER
from truth import kstatus

from kato_operator.crd.instance import custom_resource_definition, parse
from kato_operator.errors import InvalidInstanceError
from support import yaml_text

pytestmark = pytest.mark.apiserver

Create = Callable[..., httpx.Response]
Change = Callable[[dict[str, Any]], httpx.Response]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def path(namespace: str) -> str:
    return f"/apis/kato.dev/v1alpha1/namespaces/{namespace}/katoinstances"


@pytest.fixture
def create(kubernetes: httpx.Client, path: str) -> Create:
    """Creates an instance; returns the server's response."""

    def created(spec: dict[str, Any] | None = None, name: str = "prod") -> httpx.Response:
        body = {"apiVersion": "kato.dev/v1alpha1", "kind": "KatoInstance"}
        given = {} if spec is None else {"spec": spec}
        query = {"fieldValidation": "Strict"}
        return kubernetes.post(
            path, params=query, json={**body, "metadata": {"name": name}, **given}
        )

    return created


@pytest.fixture
def change(kubernetes: httpx.Client, path: str) -> Change:
    """Merges into the spec of the instance `prod`; returns the server's response."""

    def changed(spec: dict[str, Any]) -> httpx.Response:
        return kubernetes.patch(f"{path}/prod", json={"spec": spec}, headers=MERGE)

    return changed


def assert_refused(answer: httpx.Response, *said: str) -> None:
    assert answer.status_code == 422, answer.text
    for words in said:
        assert words in answer.json()["message"]


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED)
def test_the_server_refuses_it_and_names_the_field(
    create: Create, spec: dict[str, Any], field: str, words: str
) -> None:
    assert_refused(create(spec), field, words)


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED)
def test_the_operator_refuses_the_same_and_names_the_same_field(
    spec: dict[str, Any], field: str, words: str
) -> None:
    raw = {"metadata": {"name": "prod", "namespace": "kato"}, "spec": spec}
    with pytest.raises(InvalidInstanceError) as refused:
        parse(raw)
    assert str(refused.value).startswith(field)
    assert words in str(refused.value)


ALONE = (
    "pod: there is no disruption budget",
    "member: there is no disruption budget",
)
UNPROTECTED = [
    pytest.param({"service": {"disruption": {"maxUnavailable": 0}}}, "with one pod", id="pod"),
    pytest.param(
        {
            "service": {
                "disruption": {"maxUnavailable": 0},
                "autoscaling": {"minReplicas": 1},
                "replicas": 3,
            }
        },
        "with one pod",
        id="autoscaled",
    ),
    pytest.param(
        {"mongodb": {"managed": {"disruption": {"maxUnavailable": 0}}}},
        "with one member",
        id="member",
    ),
]
"""Specs that the server refuses, while the operator accepts those that were stored before."""


@pytest.mark.parametrize(("spec", "words"), UNPROTECTED)
def test_a_protection_without_a_budget_is_refused_but_no_reason_to_stop_an_instance(
    create: Create, spec: dict[str, Any], words: str
) -> None:
    answer = create(spec)
    assert answer.status_code == 422, answer.text
    assert f"maxUnavailable 0 protects nothing {words}" in answer.json()["message"]
    parse({"metadata": {"name": "prod", "namespace": "kato"}, "spec": spec})


@pytest.mark.parametrize(("spec", "field", "words"), STRICTER)
def test_a_stricter_rule_is_no_reason_to_stop_an_instance_that_was_stored_before(
    create: Create, spec: dict[str, Any], field: str, words: str
) -> None:
    assert_refused(create(spec), field, words)
    parse({"metadata": {"name": "prod", "namespace": "kato"}, "spec": spec})


def test_networks_may_be_written_as_proxies_are_configured(create: Create) -> None:
    given = ["10.0.0.5/8", "192.0.2.1", "fd00::1/8", "2001:DB8::"]
    spec = {"service": {"expose": {"trustedProxies": given}}}
    assert create(spec).status_code == 201
    found = parse({"metadata": {"name": "prod", "namespace": "kato"}, "spec": spec})
    assert found.spec.service.expose.trusted_proxies == (
        *("10.0.0.0/8", "192.0.2.1", "fd00::/8", "2001:DB8::"),
    )


@pytest.mark.parametrize("given", [":::/1", "1:2", "fd00::/129", "12345::", ":", "::g"])
def test_what_is_no_network_is_refused_by_the_operator(given: str) -> None:
    spec = {"service": {"expose": {"trustedProxies": [given]}}}
    with pytest.raises(InvalidInstanceError) as refused:
        parse({"metadata": {"name": "prod", "namespace": "kato"}, "spec": spec})
    assert str(refused.value).startswith("spec.service.expose.trustedProxies")


def test_several_pods_may_be_protected_from_every_disruption(
    create: Create, change: Change
) -> None:
    service = {"disruption": {"maxUnavailable": 0}, "replicas": 3}
    assert create({"service": service}).status_code == 201
    assert change({"service": {"replicas": 0}}).status_code == 200
    assert change({"service": {"replicas": 1}}).status_code == 422


@pytest.mark.parametrize(
    ("part", "given"),
    [
        *(
            ({"service": {"podTemplate": {"labels": {"team": value}}}}, value)
            for value in ("a b", "-a")
        ),
        ({"service": {"podTemplate": {"nodeSelector": {"disk": "fast ssd"}}}}, "fast ssd"),
        ({"monitoring": {"labels": {"release": "a/b"}}}, "a/b"),
    ],
)
def test_values_that_no_label_may_have_are_refused(
    create: Create, part: dict[str, Any], given: str
) -> None:
    answer = create(part)
    assert answer.status_code == 422, answer.text
    assert given in answer.json()["message"]


@pytest.mark.parametrize("key", ["a b", "/a", "a/b/c", "Example.com/a", "", "a" * 64])
def test_keys_that_no_label_may_have_are_refused_by_the_operator(key: str) -> None:
    labels = {"service": {"podTemplate": {"labels": {key: "b"}}}}
    with pytest.raises(InvalidInstanceError) as refused:
        parse({"metadata": {"name": "prod", "namespace": "kato"}, "spec": labels})
    assert "is not a key of labels and annotations" in str(refused.value)


def messages_of_rules(schema: Any) -> set[str]:
    """The messages of all rules that do not compare with the previous object."""
    if isinstance(schema, list):
        return set().union(*map(messages_of_rules, schema))
    if not isinstance(schema, dict):
        return set()
    here = schema.get("x-kubernetes-validations", ())
    below = set().union(*map(messages_of_rules, schema.values()))
    return below | {rule["message"] for rule in here if "oldSelf" not in rule["rule"]}


def test_every_rule_of_the_spec_has_a_case_that_breaks_it() -> None:
    spec = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    broken: set[str] = set()
    for given, _, _ in (case.values for case in REFUSED):
        with pytest.raises(InvalidInstanceError) as refused:
            parse({"metadata": {"name": "prod", "namespace": "kato"}, "spec": given})
        broken |= {problem.partition(": ")[2] for problem in refused.value.problems}
    for_the_server_alone = {"maxUnavailable 0 protects nothing with one " + it for it in ALONE}
    for_the_server_alone |= BOUNDS | {case.values[2] for case in STRICTER}
    assert messages_of_rules(spec["properties"]["spec"]) - for_the_server_alone <= broken


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        pytest.param({}, {"processorId": "other"}, "spec.processorId", id="processor-id"),
        pytest.param({}, {"redis": {"mode": "Embedded"}}, "spec.redis.mode", id="redis-mode"),
        pytest.param({}, {"mongodb": {"mode": "Embedded"}}, "spec.mongodb.mode", id="mongodb-mode"),
        pytest.param({}, {"qdrant": {"mode": "Disabled"}}, "spec.qdrant.mode", id="qdrant-mode"),
        pytest.param(
            {},
            {"redis": {"managed": {"storage": {"size": "1Gi"}}}},
            "spec.redis.managed.storage.size",
            id="smaller-volume",
        ),
        pytest.param(
            {"qdrant": {"managed": {"replicas": 3}}},
            {"qdrant": {"managed": {"replicas": 2}}},
            "spec.qdrant.managed.replicas",
            id="fewer-qdrants",
        ),
    ],
)
def test_immutable_fields_cannot_be_changed(
    create: Create, change: Change, before: dict[str, Any], after: dict[str, Any], field: str
) -> None:
    assert create(before).status_code == 201
    answer = change(after)
    assert answer.status_code == 422, answer.text
    assert field in answer.json()["message"]


def test_a_storage_class_may_change_because_only_the_operator_sees_what_is_bound(
    create: Create, change: Change
) -> None:
    assert create({"qdrant": {"managed": {"storage": {"className": "fast"}}}}).status_code == 201
    for chosen in ("slow", None, "fast"):
        answer = change({"qdrant": {"managed": {"storage": {"className": chosen}}}})
        assert answer.status_code == 200, answer.text


def test_volumes_and_qdrant_may_grow_in_any_spelling(create: Create, change: Change) -> None:
    assert create().status_code == 201
    answer = change({"redis": {"managed": {"storage": {"size": "2048Mi"}}}})
    assert answer.status_code == 200, answer.text
    answer = change({"qdrant": {"managed": {"replicas": 3, "storage": {"size": 6000000000}}}})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", ["p" * 41, "1st", "a.b"])
def test_names_that_do_not_fit_the_children_are_refused(create: Create, name: str) -> None:
    answer = create(name=name)
    assert answer.status_code == 422
    assert "at most 40 characters" in answer.json()["message"]


def test_the_longest_name_is_accepted(create: Create) -> None:
    assert create(name="p" * 40).status_code == 201


@pytest.mark.parametrize("spec", [None, {}], ids=["no spec", "empty spec"])
def test_the_smallest_instance_gets_every_default(
    create: Create, spec: dict[str, Any] | None
) -> None:
    answer = create(spec)
    assert answer.status_code == 201, answer.text
    expected = parse({"metadata": {"name": "prod", "namespace": "kato"}}).spec
    written = expected.model_dump(by_alias=True, mode="json", exclude_none=True)
    assert answer.json()["spec"] == written


def test_an_instance_that_no_operator_has_seen_is_not_taken_for_finished(create: Create) -> None:
    made = create().json()
    assert made["status"] == {"observedGeneration": -1}
    assert kstatus(made) == "InProgress"
    assert kstatus({**made, "status": {}}) == "Current"


def test_a_section_that_is_given_keeps_the_other_defaults(create: Create) -> None:
    spec = create({"service": {"autoscaling": {}, "expose": {"ingress": {"host": "a.example"}}}})
    service = spec.json()["spec"]["service"]
    assert service["autoscaling"] == {
        "minReplicas": 2,
        "maxReplicas": 10,
        "targetCPUUtilizationPercentage": 70,
    }
    assert service["expose"]["ingress"] == {
        "className": "",
        "host": "a.example",
        "tlsSecretName": "",
    }
    assert service["port"] == 8000


def test_a_given_map_is_never_merged_with_its_default(create: Create) -> None:
    spec = create(resources(requests={"cpu": "20m"})).json()["spec"]
    assert spec["service"]["resources"] == {
        "requests": {"cpu": "20m"},
        "limits": {"memory": "1Gi"},
    }


def test_unknown_fields_are_refused_by_strict_clients(create: Create) -> None:
    answer = create({"servise": {}})
    assert answer.status_code == 400
    assert 'unknown field "spec.servise"' in answer.json()["message"]


def test_the_scale_subresource_reads_and_writes_the_replicas(
    kubernetes: httpx.Client, create: Create, path: str
) -> None:
    create()
    status = {"replicas": 1, "selector": "kato.dev/instance=prod"}
    kubernetes.patch(f"{path}/prod/status", json={"status": status}, headers=MERGE)
    scale = kubernetes.get(f"{path}/prod/scale").json()
    assert (scale["spec"], scale["status"]) == ({"replicas": 1}, status)
    kubernetes.patch(f"{path}/prod/scale", json={"spec": {"replicas": 3}}, headers=MERGE)
    assert kubernetes.get(f"{path}/prod").json()["spec"]["service"]["replicas"] == 3


def test_scaling_beyond_one_pod_is_refused_with_an_embedded_store(
    kubernetes: httpx.Client, create: Create, path: str
) -> None:
    create({"redis": {"mode": "Embedded"}})
    answer = kubernetes.patch(f"{path}/prod/scale", json={"spec": {"replicas": 2}}, headers=MERGE)
    assert answer.status_code == 422
    assert "replicas must be at most 1 with an Embedded store" in answer.json()["message"]


def test_kubectl_finds_it_by_its_short_names_and_category(
    control_plane: Any, create: Create, namespace: str
) -> None:
    create()
    for name in ("ki", "kato", "katoinstances"):
        listed = control_plane.kubectl("-n", namespace, "get", name, "--no-headers")
        assert listed.startswith("prod ")
    shown = control_plane.kubectl("-n", namespace, "get", "ki", "-o", "wide").splitlines()[0]
    columns = "NAME READY PHASE REPLICAS REDIS MONGO QDRANT URL OPERATOR AGE MESSAGE"
    assert shown.split() == columns.split()


def test_every_field_is_explained(control_plane: Any) -> None:
    shown = control_plane.kubectl("explain", "katoinstance.spec.redis.managed.appendFsync")
    assert "EverySec risks" in shown
    shown = control_plane.kubectl("explain", "katoinstance.status", "--recursive=false")
    assert "no description" not in shown
    assert "Summary for people" in shown
    drift = control_plane.kubectl("explain", "katoinstance.status.drift.path")
    assert "the child does not exist" in " ".join(drift.split())


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_examples_are_accepted_as_they_are(
    control_plane: Any, namespace: str, example: Path
) -> None:
    strict = ("apply", "--server-side", "--validate=strict", "-f", str(example))
    assert "serverside-applied" in control_plane.kubectl("-n", namespace, *strict)
    for document in yaml_text.documents(example.read_text(encoding="utf-8")):
        meta = {**document["metadata"], "namespace": namespace}
        assert parse({**document, "metadata": meta}).metadata.name == meta["name"]
