"""The KatoInstance: how one is read, and the CRD that is generated from its models."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from kato_operator.crd import schema
from kato_operator.crd.rules import Model
from kato_operator.crd.schema import NAME_MESSAGE, NAME_PATTERN
from kato_operator.crd.spec import Spec
from kato_operator.errors import InvalidInstanceError
from kato_operator.manifests import Key


class Metadata(Model):
    """What the API server says about the object itself."""

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default={})


class KatoInstance(Model):
    """One custom resource."""

    metadata: Metadata
    spec: Spec = Spec()

    @property
    def key(self) -> Key:
        return Key(self.metadata.namespace, self.metadata.name)

    @property
    def processor_id(self) -> str:
        """What names the knowledge; neither a namespace nor an instance can hold a dot."""
        return self.spec.processor_id or f"{self.metadata.namespace}.{self.metadata.name}"


def parse(raw: dict[str, Any]) -> KatoInstance:
    """The instance that an object of the API describes.

    Raises:
        InvalidInstanceError: The spec cannot be used.
    """
    try:
        instance = KatoInstance.model_validate({**raw, "spec": raw.get("spec") or {}})
    except ValidationError as error:
        raise InvalidInstanceError(map(_problem, error.errors())) from error
    problems = tuple(_broken_rules(instance))
    if problems:
        raise InvalidInstanceError(problems)
    return instance


def custom_resource_definition() -> dict[str, Any]:
    """The CRD, as it is applied to a cluster."""
    return schema.definition(Spec)


def _broken_rules(instance: KatoInstance) -> Iterator[str]:
    if not re.fullmatch(NAME_PATTERN, instance.metadata.name):
        yield f"metadata.name: {NAME_MESSAGE}"
    yield from instance.spec.violations("spec")


def _problem(error: ErrorDetails) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"])
    path = "".join(steps).lstrip(".")
    return f"{path}: {error['msg'][0].lower()}{error['msg'][1:]}"
