"""The connections Secret: where the stores are, with credentials, and a copy of these.

The copy is what generated Secrets are rebuilt from when they are lost beside their data.
"""

from urllib.parse import quote, urlencode

from kato_operator import names
from kato_operator.children.facts import Facts
from kato_operator.children.part import Part
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest

REDIS_AUTH = "redis-auth.conf"
API_KEY = "API_KEY"
CA_FILE = "/etc/kato/mongodb/ca.crt"
"""Where the service's pods have the certificate of an external MongoDB's authority."""


def secret(part: Part, facts: Facts) -> Manifest:
    """The Secret with everything of `secret_variables`, Redis' password file, and the copy."""
    instance = part.instance
    name = names.connections(instance.metadata.name)
    values = {**facts.credentials, **secret_variables(instance, facts)}
    if instance.spec.redis.mode == "Managed":
        values[REDIS_AUTH] = f"requirepass {facts.credentials[names.REDIS_PASSWORD]}\n"
    if names.MONGODB_CA in facts.external:
        values[names.MONGODB_CA] = facts.external[names.MONGODB_CA]
    return part.manifest("Secret", name, type="Opaque", stringData=values)


def secret_variables(instance: KatoInstance, facts: Facts) -> dict[str, str]:
    """The variables of the service whose values are secrets, for the stores that it has."""
    found = {
        **_redis(instance, facts),
        **_mongodb(instance, facts),
        **_qdrant(instance, facts),
    }
    if instance.spec.service.auth.mode == "ApiKey":
        found[API_KEY] = _wanted(names.SERVICE_API_KEY, facts)
    return found


def _redis(instance: KatoInstance, facts: Facts) -> dict[str, str]:
    mode = instance.spec.redis.mode
    if mode == "External":
        return {"REDIS_URL": facts.external[names.REDIS_URL]}
    if mode != "Managed":
        return {}
    password = quote(facts.credentials[names.REDIS_PASSWORD], safe="")
    address = f"{Part(instance, names.REDIS).host}:{names.REDIS_PORT}"
    return {"REDIS_URL": f"redis://:{password}@{address}/0"}


def _mongodb(instance: KatoInstance, facts: Facts) -> dict[str, str]:
    mode = instance.spec.mongodb.mode
    if mode == "External":
        return {"MONGO_BASE_URL": _external_mongodb(facts)}
    if mode != "Managed":
        return {}
    password = quote(facts.credentials[names.MONGODB_SERVICE_PASSWORD], safe="")
    options = urlencode({"authSource": "admin", **_finding(instance)})
    login = f"{names.MONGODB_SERVICE_USER}:{password}"
    return {"MONGO_BASE_URL": f"mongodb://{login}@{','.join(_members(instance))}/?{options}"}


def _members(instance: KatoInstance) -> list[str]:
    part = Part(instance, names.MONGODB)
    return [
        f"{part.name}-{ordinal}.{part.peers_domain}:{names.MONGODB_PORT}"
        for ordinal in range(instance.spec.mongodb.managed.members)
    ]


def _finding(instance: KatoInstance) -> dict[str, str]:
    """How the primary is found; one member is it, also on servers that know no replica set."""
    if instance.spec.mongodb.managed.members == 1:
        return {"directConnection": "true"}
    return {"replicaSet": names.MONGODB_SET}


def _external_mongodb(facts: Facts) -> str:
    """The URL as it was given, with the authority's certificate if there is one."""
    url = facts.external[names.MONGODB_URL]
    if names.MONGODB_CA not in facts.external:
        return url
    options = urlencode({"tls": "true", "tlsCAFile": CA_FILE}, safe="/")
    if "?" in url:
        return f"{url.rstrip('&')}&{options}".replace("?&", "?")
    has_path = "/" in url.partition("://")[2]
    return f"{url}?{options}" if has_path else f"{url}/?{options}"


def _qdrant(instance: KatoInstance, facts: Facts) -> dict[str, str]:
    store = instance.spec.qdrant
    if store.external is not None:
        key = facts.external.get(names.QDRANT_API_KEY)
        return {"QDRANT_URL": store.external.url, **({"QDRANT_API_KEY": key} if key else {})}
    if store.mode != "Managed":
        return {}
    address = f"{Part(instance, names.QDRANT).host}:{names.QDRANT_PORT}"
    return {
        "QDRANT_URL": f"http://{address}",
        "QDRANT_API_KEY": facts.credentials[names.QDRANT_API_KEY],
    }


def _wanted(name: str, facts: Facts) -> str:
    """A value that somebody else's Secret may give instead of ours."""
    return facts.external.get(name) or facts.credentials[name]
