"""The OpenAPI documents of an application, and what they say about an answer."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from kato_service.access.opening import access_control
from kato_service.app import Application, make_app
from kato_service.monitoring.metrics import Metrics
from kato_service.settings.settings import Settings

Document = dict[str, Any]
LINES = "application/x-ndjson"
OF_HTTP = frozenset(
    {"content-length", "content-type", "date", "connection", "transfer-encoding"}
    | {"content-encoding", "vary"}  # of long answers, for clients that accept an encoding
)
"""Headers that no operation needs to mention."""


def application(**variables: str) -> Application:
    """The application with these variables, for its routes."""
    settings = Settings(_env_file=None, **variables)  # type: ignore[call-arg, arg-type]  # by alias
    service: Any = SimpleNamespace(
        settings=settings, access=access_control(settings), metrics=Metrics(), rate_limits=None
    )
    return make_app(service)


@dataclass(frozen=True)
class Described:
    """An operation as a document describes it."""

    document: Document
    method: str
    path: str
    content: Mapping[str, Any]
    closed_components: Any

    @property
    def selects_session(self) -> bool:
        """Whether a header selects the session."""
        return any(it.get("name") == "X-Session-ID" for it in self.content["parameters"])

    @property
    def id(self) -> str:
        name: str = self.content["operationId"]
        return name

    @property
    def takes_lines(self) -> bool:
        """Whether the body is lines of JSON, each of which is as the schema says."""
        return LINES in self.content.get("requestBody", {"content": {}})["content"]

    def examples(self) -> Iterator[Any]:
        """The bodies that can be pasted; None for an operation without a body."""
        body = self.content.get("requestBody")
        if body is None:
            yield None
            return
        (content,) = body["content"].values()
        for example in content["examples"].values():
            yield example["value"]

    def sent_body(self, value: Any) -> dict[str, Any]:
        """The arguments of a request that has *value* as its body, or as the only line of it."""
        if not self.takes_lines:
            return {"json": value}
        return {"content": json.dumps(value) + "\n", "headers": {"content-type": LINES}}

    def answer(self, status: int) -> Mapping[str, Any]:
        """What is said about a status; raises KeyError if nothing is."""
        found: Mapping[str, Any] = self.content["responses"][str(status)]
        return resolved(self.document, found)

    def check(self, answer: httpx.Response) -> None:
        """Status, headers and body are what the document says, and nothing else."""
        said = self.answer(answer.status_code)
        headers = {
            name.lower(): resolved(self.document, header)
            for name, header in said["headers"].items()
        }
        assert set(answer.headers) - OF_HTTP <= set(headers)
        for name, header in headers.items():
            assert name in answer.headers or not header.get("required")
        kind = answer.headers["content-type"].split(";")[0]
        schema = said["content"][kind]["schema"]
        if kind == "application/json":
            whole = {"components": self.closed_components, **schema}
            Draft202012Validator(whole).validate(answer.json())


def operations(document: Document) -> list[Described]:
    """All operations in the order of the document."""
    components = closed(document["components"])
    return [
        Described(document, method.upper(), path, operation, components)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def resolved(document: Document, found: Mapping[str, Any]) -> Mapping[str, Any]:
    """*found*, or what it refers to."""
    if "$ref" not in found:
        return found
    value: Any = document
    for part in found["$ref"].removeprefix("#/").split("/"):
        value = value[part]
    known: Mapping[str, Any] = value
    return known


def closed(schema: Any) -> Any:
    """*schema*, so that objects may have the fields that it names and no others."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(value) for name, value in schema.items()}
    if "properties" in schema and schema.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made
