"""The KatoInstance: parsed from an object of the API, and defined by a generated CRD."""

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
    """The metadata of the object, as far as the operator reads it."""

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
        """The name of the knowledge; unique by default, as neither name can contain a dot."""
        return self.spec.processor_id or f"{self.metadata.namespace}.{self.metadata.name}"


def parse(raw: dict[str, Any]) -> KatoInstance:
    """The instance that an object of the API describes.

    Raises:
        InvalidInstanceError: The spec is invalid; the error lists every problem.
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
    """The CRD as it is applied to a cluster."""
    return schema.definition(Spec)


def _broken_rules(instance: KatoInstance) -> Iterator[str]:
    if not re.fullmatch(NAME_PATTERN, instance.metadata.name):
        yield f"metadata.name: {NAME_MESSAGE}"
    yield from instance.spec.violations("spec")


def _problem(error: ErrorDetails) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"])
    path = "".join(steps).lstrip(".")
    return f"{path}: {error['msg'][0].lower()}{error['msg'][1:]}"
