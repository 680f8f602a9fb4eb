"""What an instance reports: the schema of `status` with its texts, and the columns of kubectl."""

from collections.abc import Mapping
from typing import Any

from kato_operator import names

Schema = dict[str, Any]
UNSEEN = -1
"""The observed generation of an instance that no operator has looked at: without one, tools that
follow kstatus would call it finished."""


def columns() -> list[Schema]:
    """The columns of `kubectl get`; those with a priority are only in its wide output."""
    ready = f'.status.conditions[?(@.type=="{names.READY}")]'
    shown = (
        ("Ready", "string", f"{ready}.status", 0),
        ("Phase", "string", ".status.phase", 0),
        ("Replicas", "integer", ".status.readyReplicas", 0),
        ("Redis", "string", _status_of(names.REDIS_READY), 0),
        ("Mongo", "string", _status_of(names.MONGODB_READY), 0),
        ("Qdrant", "string", _status_of(names.QDRANT_READY), 1),
        ("URL", "string", ".status.endpoints.http", 1),
        ("Operator", "string", ".status.orchestratedBy", 1),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("Message", "string", f"{ready}.message", 0),
    )
    return [
        {"name": name, "type": kind, "jsonPath": path, **({"priority": wide} if wide else {})}
        for name, kind, path, wide in shown
    ]


def schema() -> Schema:
    """The schema of `status`."""
    fields = {
        "observedGeneration": _number(
            "Generation of the spec that the last pass has seen; if metadata.generation is higher,"
            " nothing below speaks of the newest spec. -1: no pass has seen the instance yet."
        ),
        "phase": _text(
            "Summary for people, one of " + ", ".join(names.PHASES) + "; programs read conditions."
        ),
        "conditions": _list_by(
            "type", _condition(), text="What holds of the instance, and why; one of each type."
        ),
        "replicas": _number("Pods of the service that exist, for the scale subresource."),
        "readyReplicas": _number("Pods of the service that are ready."),
        "selector": _text("Label selector of the service's pods, for autoscalers."),
        "version": _text("Version of the service's image: its tag or digest."),
        "templateRevision": _number("Revision of the operator's templates; there is only one."),
        "endpoints": _object(_ENDPOINTS, text="URLs of the instance, as its Service has them now."),
        "credentialsSecretRef": _object(
            {"name": _text("Name of the Secret, in the instance's namespace.")},
            text="Secret with the generated credentials.",
        ),
        "stores": _list_by(
            "name",
            _object(_STORE, "name", "mode", text="One store."),
            text="The stores, and why they are not ready.",
        ),
        "connectionBudget": _connection_budget(),
        "orchestratedBy": _orchestrated_by(),
        "drift": _drift(),
    }
    text = "What the operator has observed, and only the operator writes."
    return {**_object(fields, text=text), "default": {"observedGeneration": UNSEEN}}


def _connection_budget() -> Schema:
    return {
        "type": "object",
        "description": "Connections that the pools may open to each store, by its name.",
        "additionalProperties": _object(_BUDGET, text="The connections to one store."),
    }


def _orchestrated_by() -> Schema:
    return {
        **_text(
            "Installation of the operator that looks after the instance, by the namespace and"
            " name of its Lease, whose renewTime shows whether it is alive."
        ),
        "pattern": names.INSTALLATION_PATTERN,
        "maxLength": 320,
    }


def _drift() -> Schema:
    return {
        "type": "array",
        "description": "Places where children differ from the spec, at most 50; absent if none."
        " While spec.paused is set, this is what unsetting it would change.",
        "items": _object(_DRIFT, "kind", "name", "path", text="One place."),
    }


def _text(text: str) -> Schema:
    return {"type": "string", "description": text}


def _number(text: str) -> Schema:
    return {"type": "integer", "format": "int64", "description": text}


_ENDPOINTS = {
    "http": _text("Base of the HTTP API, within the cluster."),
    "ws": _text("Base of the WebSocket URLs, within the cluster."),
}
_STORE = {
    "name": _text("redis, mongodb or qdrant."),
    "mode": _text("Managed, External, Embedded or Disabled."),
    "ready": _text("Ready pods and those asked for, for example 1/1; managed stores only."),
    "version": _text("Version of the store's image: its tag or digest."),
    "primary": _text("Pod of MongoDB's primary, if it is known."),
    "message": _text("Why the store is not ready, and what to do; absent if it is."),
}
_BUDGET = {
    "needed": _number("Connections that all pods may open together, during a rollout."),
    "limit": _number("Connections that the store accepts; absent if that is unknown."),
}
_DRIFT = {
    "kind": _text("Kind of the child."),
    "name": _text("Name of the child."),
    "path": _text(
        "Field that differs; empty: the child does not exist; .metadata: it is no longer asked for."
    ),
    "manager": _text("Field manager that owns the field, if one does."),
    "state": _text("What becomes of it: Pending, Repairing, Contested or Allowed."),
}


def _condition() -> Schema:
    fields: dict[str, Schema] = {
        "type": _text("Name of the condition, for example Ready, Stalled or RedisReady."),
        "status": {
            **_text("Whether the condition holds; Unknown: it was not evaluated."),
            "enum": ["True", "False", "Unknown"],
        },
        "observedGeneration": _number(
            "Generation of the spec that was evaluated; absent if none was."
        ),
        "lastTransitionTime": {
            **_text("Time at which the status last changed."),
            "format": "date-time",
        },
        "reason": _text("Cause in one word, for programs; the manual lists what to do about each."),
        "message": _text("Cause in a sentence, and what to do about it, for people."),
    }
    needed = ("type", "status", "lastTransitionTime", "reason", "message")
    return _object(fields, *needed, text="One condition.")


def _status_of(kind: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].status'


def _object(properties: Mapping[str, Schema], *required: str, text: str) -> Schema:
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "description": text, "properties": dict(properties), **needed}


def _list_by(key: str, item: Schema, *, text: str) -> Schema:
    return {
        "type": "array",
        "description": text,
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
    }
