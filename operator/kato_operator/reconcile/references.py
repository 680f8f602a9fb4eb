"""The values that a spec takes from Secrets of the user."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from kato_operator import names
from kato_operator.cluster.cluster import Cluster
from kato_operator.crd.instance import KatoInstance
from kato_operator.crd.parts import SecretKey, Tls
from kato_operator.status.diagnosis import Verdict


@dataclass(frozen=True, slots=True)
class Form:
    """What a value must look like: words for messages, and what it must contain."""

    words: str
    pattern: re.Pattern[str]


_CERTIFICATE = Form("a certificate (PEM)", re.compile("-----BEGIN CERTIFICATE-----"))
FORMS = {
    names.REDIS_URL: Form(
        "a URL that begins with redis:// or rediss://", re.compile(r"^rediss?://")
    ),
    names.MONGODB_URL: Form(
        "a URL that begins with mongodb:// or mongodb+srv://", re.compile(r"^mongodb(\+srv)?://")
    ),
    names.TLS_CERTIFICATE: _CERTIFICATE,
    names.TLS_KEY: Form(
        "a private key (PEM) without a password",
        re.compile("-----BEGIN (?!ENCRYPTED)([A-Z]+ )?PRIVATE KEY-----"),
    ),
    names.TLS_CA: _CERTIFICATE,
}
"""By the name of the value; all others may be any text."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A key of a Secret, and the component that needs it."""

    component: str
    source: SecretKey
    is_optional: bool = False
    """Whether the Secret may lack the key."""


@dataclass(frozen=True, slots=True)
class Referred:
    """The values that were found, and the verdicts of components whose values were not."""

    values: Mapping[str, str]
    missing: Mapping[str, Verdict]


async def load(cluster: Cluster, instance: KatoInstance) -> Referred:
    """The values that the spec takes from Secrets; from now on, their changes cause passes."""
    values: dict[str, str] = {}
    missing: dict[str, Verdict] = {}
    wanted = references(instance)
    names_of_secrets = dict.fromkeys(reference.source.name for reference in wanted.values())
    cluster.secrets.keep(instance.key, names_of_secrets)
    secrets = {name: await cluster.secrets.read(instance.key, name) for name in names_of_secrets}
    for name, reference in wanted.items():
        value, problem = _value(secrets[reference.source.name], reference.source, FORMS.get(name))
        if problem and not reference.is_optional:
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
    named = {name: Reference(component, key) for name, component, key in found if key is not None}
    return {**named, **_of_tls(spec.service.tls)}


def _of_tls(tls: Tls | None) -> dict[str, Reference]:
    if tls is None:
        return {}
    return {
        name: Reference(
            names.SERVICE,
            SecretKey(name=tls.secret_name, key=key),
            is_optional=name == names.TLS_CA,
        )
        for name, key in names.TLS_FILES.items()
    }


def _value(data: Mapping[str, str] | None, source: SecretKey, form: Form | None) -> tuple[str, str]:
    """The value, or else the problem, which never repeats a value."""
    if data is None:
        return "", f"Secret {source.name!r} does not exist; create it with the key {source.key!r}"
    encoded = data.get(source.key)
    if not encoded:
        return "", f"Secret {source.name!r} has no key {source.key!r}; add it"
    where = f"key {source.key!r} of Secret {source.name!r}"
    try:
        value = base64.b64decode(encoded).decode().strip()
    except ValueError:
        return "", f"{where} is not UTF-8 text; replace it"
    if form is not None and not form.pattern.search(value):
        return "", f"{where} is not {form.words}; replace it"
    return value, ""
