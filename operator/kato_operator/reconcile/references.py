"""The values that a spec takes from Secrets of the user."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from kato_operator import names
from kato_operator.cluster.cluster import Cluster
from kato_operator.crd.instance import KatoInstance
from kato_operator.crd.parts import SecretKey
from kato_operator.manifests import Manifest
from kato_operator.status.diagnosis import Verdict

SCHEMES = {names.REDIS_URL: ("redis", "rediss"), names.MONGODB_URL: ("mongodb", "mongodb+srv")}


@dataclass(frozen=True, slots=True)
class Reference:
    """A key of a Secret, and the component that needs it."""

    component: str
    source: SecretKey


@dataclass(frozen=True, slots=True)
class Referred:
    """The values that were found, and the verdicts of components whose values were not."""

    values: Mapping[str, str]
    missing: Mapping[str, Verdict]


async def load(cluster: Cluster, instance: KatoInstance) -> Referred:
    """Read every Secret that the spec refers to; their values are in no cache."""
    values: dict[str, str] = {}
    missing: dict[str, Verdict] = {}
    for name, reference in references(instance).items():
        secret = await cluster.read("Secret", instance.metadata.namespace, reference.source.name)
        value, problem = _value(secret, reference.source, SCHEMES.get(name, ()))
        if problem:
            verdict = Verdict.blocked_by(names.REASON_MISSING_SECRET, problem)
            missing.setdefault(reference.component, verdict)
        values[name] = value
    return Referred(values, missing)


def references(instance: KatoInstance) -> dict[str, Reference]:
    """What has to be read, by the name under which manifests use the value."""
    spec = instance.spec
    found: list[tuple[str, str, SecretKey | None]] = []
    if spec.redis.external is not None:
        found.append((names.REDIS_URL, names.REDIS, spec.redis.external.url_secret_ref))
    if spec.mongodb.external is not None:
        found.append((names.MONGODB_URL, names.MONGODB, spec.mongodb.external.url_secret_ref))
        found.append((names.MONGODB_CA, names.MONGODB, spec.mongodb.external.ca_secret_ref))
    if spec.qdrant.external is not None:
        key = spec.qdrant.external.api_key_secret_ref
        found.append((names.QDRANT_API_KEY, names.QDRANT, key))
    auth = spec.service.auth
    if auth.takes_one_key:
        found.append((names.SERVICE_API_KEY, names.SERVICE, auth.api_key_secret_ref))
    if auth.takes_named_keys:
        found.append((names.SERVICE_API_KEYS, names.SERVICE, auth.api_keys_secret_ref))
    if auth.accepted_tokens is not None:
        found.append((names.TOKEN_CA, names.SERVICE, auth.accepted_tokens.ca_secret_ref))
    return {name: Reference(component, key) for name, component, key in found if key is not None}


def _value(secret: Manifest | None, source: SecretKey, schemes: tuple[str, ...]) -> tuple[str, str]:
    """The value, or else the problem, which never repeats a value."""
    if secret is None:
        return "", f"Secret {source.name!r} does not exist; create it with the key {source.key!r}"
    encoded = (secret.get("data") or {}).get(source.key)
    if not encoded:
        return "", f"Secret {source.name!r} has no key {source.key!r}; add it"
    where = f"key {source.key!r} of Secret {source.name!r}"
    try:
        value = base64.b64decode(encoded).decode().strip()
    except ValueError:
        return "", f"{where} is not UTF-8 text; replace it"
    if schemes and value.partition("://")[0] not in schemes:
        accepted = " or ".join(f"{scheme}://" for scheme in schemes)
        return "", f"{where} is not a URL that begins with {accepted}; replace it"
    return value, ""
