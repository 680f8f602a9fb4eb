"""The models of a KatoInstance: defaults, spelling, rejections, and the generated CRD."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kato_operator import names
from kato_operator.crd import schema
from kato_operator.crd.__main__ import GENERATED, main
from kato_operator.crd.instance import KatoInstance, custom_resource_definition, parse
from kato_operator.crd.spec import Spec
from kato_operator.errors import InvalidInstanceError
from kato_service.settings.settings import Settings


def parsed(spec: dict[str, Any] | None = None, name: str = "prod") -> KatoInstance:
    return parse({"metadata": {"name": name, "namespace": "kato"}, "spec": spec})


def problems(spec: dict[str, Any], name: str = "prod") -> tuple[str, ...]:
    with pytest.raises(InvalidInstanceError) as refused:
        parsed(spec, name)
    return refused.value.problems


def schemas(node: Any) -> list[dict[str, Any]]:
    """Every schema below a node, itself first."""
    if isinstance(node, list):
        return [found for item in node for found in schemas(item)]
    if not isinstance(node, dict):
        return []
    below = {name: item for name, item in node.items() if name not in ("default", "enum")}
    return [node, *(found for item in below.values() for found in schemas(item))]


@pytest.fixture(scope="module")
def version() -> dict[str, Any]:
    found: dict[str, Any] = custom_resource_definition()["spec"]["versions"][0]
    return found


@pytest.fixture(scope="module")
def spec_schema(version: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


@pytest.mark.parametrize("given", [None, {}], ids=["absent", "empty"])
def test_the_smallest_instance_has_every_default(given: dict[str, Any] | None) -> None:
    spec = parsed(given).spec
    assert (spec.deletion_policy, spec.service.replicas, spec.service.port) == ("Retain", 1, 8000)
    assert (spec.redis.mode, spec.mongodb.mode, spec.qdrant.mode) == ("Managed",) * 3
    assert spec.mongodb.managed.resources.requests == {"cpu": "250m", "memory": "512Mi"}
    assert (spec.redis.external, spec.service.autoscaling, spec.template_revision) == (None,) * 3


def test_the_knowledge_is_named_after_namespace_and_instance_unless_named() -> None:
    assert parsed().processor_id == "kato.prod"
    assert parsed({"processorId": "shared"}).processor_id == "shared"


def test_metadata_is_read_and_unknown_fields_are_ignored() -> None:
    meta = {"name": "prod", "namespace": "kato", "uid": "u", "generation": 3, "labels": {"a": "b"}}
    instance = parse({"metadata": {**meta, "managedFields": []}, "spec": {"newer": 1}})
    assert (instance.metadata.uid, instance.metadata.generation) == ("u", 3)
    assert instance.metadata.labels == {"a": "b"}


def test_an_instance_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        parsed().spec.paused = True  # type: ignore[misc]


@pytest.mark.parametrize("quantity", ["250m", "1Gi", 2, "1.5", "1e3", "0.5Gi"])
def test_quantities_keep_their_spelling(quantity: str | int) -> None:
    spec = parsed({"service": {"resources": {"requests": {"cpu": quantity}, "limits": {}}}}).spec
    assert spec.service.resources.requests["cpu"] == quantity


@pytest.mark.parametrize("quantity", ["much", "1Qi", "", "1 Gi", True, None])
def test_a_value_that_is_not_a_quantity_is_refused_with_the_path_of_its_field(
    quantity: object,
) -> None:
    (problem,) = problems({"redis": {"managed": {"storage": {"size": quantity}}}})
    field = "spec.redis.managed.storage.size"
    assert problem == f"{field}: is not a quantity (for example 250m, 2, 1Gi)"


@pytest.mark.parametrize(
    ("requests", "limits"),
    [
        pytest.param({"memory": "1024Mi"}, {"memory": "1Gi"}, id="equal in two spellings"),
        pytest.param({"cpu": "500m"}, {"cpu": 1, "memory": "1Gi"}, id="below"),
        pytest.param({"cpu": 4}, {"memory": "1Gi"}, id="without a limit"),
    ],
)
def test_requests_up_to_the_limits_are_accepted(
    requests: dict[str, Any], limits: dict[str, Any]
) -> None:
    parsed({"service": {"resources": {"requests": requests, "limits": limits}}})


def test_all_problems_are_reported_at_once_in_the_spelling_of_the_manifest() -> None:
    found = problems(
        {"redis": {"mode": "Own"}, "service": {"port": "x"}, "mongodb": {"managed": {"members": 2}}}
    )
    assert found == (
        "spec.service.port: input should be a valid integer, unable to parse string as an integer",
        "spec.redis.mode: input should be 'Managed', 'External' or 'Embedded'",
        "spec.mongodb.managed.members: input should be 1, 3, 5 or 7",
    )


def test_problems_never_repeat_the_value_of_a_variable() -> None:
    (problem,) = problems({"service": {"env": [{"name": "A", "value": ["hunter2"]}]}})
    assert problem.startswith("spec.service.env[0].value: ")
    assert "hunter2" not in problem


def test_all_broken_rules_are_reported_at_once() -> None:
    found = problems(
        {"redis": {"mode": "Embedded"}, "service": {"replicas": 2, "workers": 3}}, "p" * 41
    )
    assert [problem.partition(":")[0] for problem in found] == [
        "metadata.name",
        "spec.service.replicas",
        "spec.service.workers",
    ]


def test_the_service_reads_every_variable_of_the_operator() -> None:
    fields = Settings.model_fields.values()
    aliases = [field.validation_alias for field in fields]
    known = {
        name
        for alias in aliases
        for name in ([alias] if isinstance(alias, str) else getattr(alias, "choices", ()))
    }
    assert set(names.OWNED_VARIABLES) <= known


def test_the_generated_files_match_the_models() -> None:
    main(["--check"])


def test_a_generated_file_that_differs_is_named(tmp_path: Path) -> None:
    root = ["--root", str(tmp_path)]
    main(["--write", *root])
    main(["--check", *root])
    (tmp_path / GENERATED[0]).write_text("other")
    with pytest.raises(SystemExit, match=r"crds/kato.dev_katoinstances.yaml; run: make crds"):
        main(["--check", *root])


def test_the_schema_is_structural(spec_schema: dict[str, Any]) -> None:
    for node in schemas(spec_schema):
        assert not node.keys() & {"$ref", "allOf", "oneOf", "title", "const"}
        assert "anyOf" not in node or "x-kubernetes-int-or-string" in node


def test_no_null_is_a_default_at_any_level(spec_schema: dict[str, Any]) -> None:
    defaults = [node["default"] for node in schemas(spec_schema) if "default" in node]
    assert len(defaults) > 80
    assert None not in defaults
    assert "null" not in json.dumps(defaults)


def test_every_object_with_defaults_below_writes_them_out(spec_schema: dict[str, Any]) -> None:
    expected = Spec().model_dump(by_alias=True, mode="json", exclude_none=True)
    assert spec_schema["default"] == expected
    managed = spec_schema["properties"]["redis"]["properties"]["managed"]
    assert managed["default"] == expected["redis"]["managed"]


def test_every_field_of_the_spec_has_a_description(spec_schema: dict[str, Any]) -> None:
    described = [part for node in schemas(spec_schema) for part in _properties(node)]
    assert len(described) > 100
    assert [part for part in described if not part.get("description")] == []


def test_every_field_of_the_status_has_a_description(version: dict[str, Any]) -> None:
    root = version["schema"]["openAPIV3Schema"]["properties"]
    described = [part for node in schemas(root["status"]) for part in _properties(node)]
    assert len(described) > 30
    for part in (root["status"], root["apiVersion"], root["kind"], *described):
        assert part.get("description"), part
        assert part["description"].endswith("."), part["description"]


def _properties(node: dict[str, Any]) -> list[dict[str, Any]]:
    parts = node.get("properties", {})
    return [part for part in parts.values() if isinstance(part, dict)] if "type" in node else []


def test_optional_fields_have_no_default(spec_schema: dict[str, Any]) -> None:
    service = spec_schema["properties"]["service"]["properties"]
    for part in (service["autoscaling"], service["expose"]["properties"]["ingress"]):
        assert "default" not in part
    assert "default" not in spec_schema["properties"]["templateRevision"]


def test_scale_and_status_are_subresources(version: dict[str, Any]) -> None:
    assert version["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.service.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }


def test_the_names_rule_is_the_operators_own(version: dict[str, Any]) -> None:
    (rule,) = version["schema"]["openAPIV3Schema"]["x-kubernetes-validations"]
    assert schema.NAME_PATTERN in rule["rule"]
