"""The CustomResourceDefinition, generated from pydantic models."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from kato_operator import names
from kato_operator.crd import reported
from kato_operator.crd.rules import Model, Rule

Schema = dict[str, Any]

NAME_PATTERN = "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
NAME_MESSAGE = "must be a DNS label that begins with a letter and has at most 40 characters"
NAME_RULE = Rule(f"self.metadata.name.matches('{NAME_PATTERN}')", NAME_MESSAGE)
SUPPORTED = frozenset(
    {
        *("type", "description", "default", "enum", "pattern", "format", "anyOf"),
        *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties"),
        "required",
    }
)
"""Keywords of a pydantic schema that a structural schema may have, besides x-kubernetes-…."""


def definition(spec: type[Model]) -> Schema:
    """The whole CRD, with *spec* as the schema of `spec`."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": list(names.SHORT_NAMES),
                "categories": [names.CATEGORY],
            },
            "versions": [_version(spec)],
        },
    }


def structural(model: type[BaseModel]) -> Schema:
    """The model as a structural schema: without references and null, with every default."""
    found = model.model_json_schema(by_alias=True)
    return _resolved(found, found.get("$defs", {}))


def _version(spec: type[Model]) -> Schema:
    return {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": reported.columns(),
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.service.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "schema": {"openAPIV3Schema": _root(spec)},
    }


def _root(spec: type[Model]) -> Schema:
    default = _without_null(spec().model_dump(by_alias=True, mode="json"))
    return {
        "type": "object",
        "description": "One KATO: a service and its stores.",
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of the schema."},
            "kind": {"type": "string", "description": "Always KatoInstance."},
            "metadata": {"type": "object"},
            "spec": {**structural(spec), "default": default},
            "status": reported.schema(),
        },
        "x-kubernetes-validations": [NAME_RULE.validation()],
    }


def _resolved(node: Schema, models: Mapping[str, Schema]) -> Schema:
    """One node of a pydantic schema, with its references resolved and unsupported keywords gone."""
    if "$ref" in node:
        node = {**models[node["$ref"].rpartition("/")[2]], **node}
    choices = [item for item in node.get("anyOf", ()) if item != {"type": "null"}]
    if len(choices) == 1:
        rest = {name: value for name, value in node.items() if name != "anyOf"}
        return _resolved({**choices[0], **rest}, models)
    kept = {name: value for name, value in node.items() if _is_supported(name)}
    kept |= {"default": _without_null(node["default"])} if "default" in kept else {}
    if kept.get("default", "") is None:
        del kept["default"]
    return {**kept, **_below(node, models)}


def _below(node: Schema, models: Mapping[str, Schema]) -> Schema:
    below: Schema = {}
    if "properties" in node:
        below["properties"] = {
            name: _resolved(part, models) for name, part in node["properties"].items()
        }
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            below[name] = _resolved(node[name], models)
    return below


def _is_supported(name: str) -> bool:
    return name in SUPPORTED or name.startswith("x-kubernetes-")


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_null(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_null(item) for item in value]
    return value
