"""Which image each container runs: the one in the spec, completed from a table."""

from collections.abc import Mapping
from dataclasses import dataclass

from kato_operator import names
from kato_operator.children.facts import Facts
from kato_operator.crd.instance import KatoInstance
from kato_operator.crd.parts import Image

AGENT = "agent"
"""The operator's own image, which runs next to every MongoDB server."""
LABEL_CHARACTERS = 63


@dataclass(frozen=True, slots=True)
class ChosenImage:
    """An image as a container refers to it, and the version that labels show."""

    reference: str
    version: str = ""
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Parts:
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def reference(self) -> str:
        if self.digest:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag}" if self.tag else self.repository


def table(operator_version: str) -> dict[str, str]:
    """The default images of template revision 1, by component; ours must be pushed or loaded."""
    return {
        names.SERVICE: f"localhost/kato-service:{operator_version}",
        AGENT: f"localhost/kato-operator:{operator_version}",
        names.REDIS: "docker.io/library/redis:7.4",
        names.MONGODB: "docker.io/library/mongo:8.0",
        names.QDRANT: "docker.io/qdrant/qdrant:v1.19-unprivileged",
    }


def of_service(instance: KatoInstance, facts: Facts) -> ChosenImage:
    return _chosen(instance.spec.service.image, names.SERVICE, facts)


def of_redis(instance: KatoInstance, facts: Facts) -> ChosenImage:
    return _chosen(instance.spec.redis.managed.image, names.REDIS, facts)


def of_mongodb(instance: KatoInstance, facts: Facts) -> ChosenImage:
    return _chosen(instance.spec.mongodb.managed.image, names.MONGODB, facts)


def of_qdrant(instance: KatoInstance, facts: Facts) -> ChosenImage:
    return _chosen(instance.spec.qdrant.managed.image, names.QDRANT, facts)


def of_agent(instance: KatoInstance, facts: Facts) -> ChosenImage:
    """The image of the agent, which comes from where the service's image does."""
    secrets = Image(pull_secrets=instance.spec.service.image.pull_secrets)
    return _chosen(secrets, AGENT, facts)


def _default(component: str, facts: Facts) -> str:
    known: Mapping[str, str] = {**table(facts.operator_version), **facts.images}
    return known[component]


def _chosen(image: Image, component: str, facts: Facts) -> ChosenImage:
    """The image of a spec; its empty fields come from the default of the component."""
    known = _parts(_default(component, facts))
    parts = _Parts(
        image.repository or known.repository,
        image.tag or known.tag,
        # the default's digest belongs to the default's tag, not to one that the spec gives
        image.digest or ("" if image.tag else known.digest),
    )
    return ChosenImage(
        parts.reference,
        _version(parts),
        image.pull_policy,
        tuple(dict.fromkeys((*(it.name for it in image.pull_secrets), *facts.pull_secrets))),
    )


def _parts(reference: str) -> _Parts:
    """The parts of a reference; a colon before the last slash belongs to the registry's port."""
    name, _, digest = reference.partition("@")
    folder, slash, last = name.rpartition("/")
    base, _, tag = last.partition(":")
    return _Parts(f"{folder}{slash}{base}", tag, digest)


def _version(parts: _Parts) -> str:
    """The version as a valid label value: the tag, or the beginning of the digest."""
    text = parts.tag or parts.digest.partition(":")[2][:12]
    return text[:LABEL_CHARACTERS].strip("-_.")
