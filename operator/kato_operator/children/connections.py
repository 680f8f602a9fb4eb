"""The connections Secret: the URLs of the stores with their credentials, and a copy of these.

A generated Secret that is lost while its data still exists is rebuilt from the copy.
"""

from urllib.parse import quote, urlencode

from kato_operator import names
from kato_operator.children.component import Component
from kato_operator.children.facts import Facts
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest

REDIS_AUTH = "redis-auth.conf"
API_KEY = "API_KEY"
CA_FILE = "/etc/kato/mongodb/ca.crt"
"""The file in the service's pods with the CA certificate of an external MongoDB."""


def secret(component: Component, facts: Facts) -> Manifest:
    """The Secret with all `secret_variables`, the password file of Redis, and the copy."""
    instance = component.instance
    name = names.connections(instance.metadata.name)
    values = {**facts.credentials, **secret_variables(instance, facts)}
    if instance.spec.redis.mode == "Managed":
        values[REDIS_AUTH] = f"requirepass {facts.credentials[names.REDIS_PASSWORD]}\n"
    if names.MONGODB_CA in facts.external:
        values[names.MONGODB_CA] = facts.external[names.MONGODB_CA]
    return component.manifest("Secret", name, type="Opaque", stringData=values)


def secret_variables(instance: KatoInstance, facts: Facts) -> dict[str, str]:
    """The variables of the service that hold secrets, for the stores that the instance has."""
    found = {
        **_redis(instance, facts),
        **_mongodb(instance, facts),
        **_qdrant(instance, facts),
    }
    if instance.spec.service.auth.takes_one_key:
        found[API_KEY] = _overridden(names.SERVICE_API_KEY, facts)
    return found


def _redis(instance: KatoInstance, facts: Facts) -> dict[str, str]:
    mode = instance.spec.redis.mode
    if mode == "External":
        return {"REDIS_URL": facts.external[names.REDIS_URL]}
    if mode != "Managed":
        return {}
    password = quote(facts.credentials[names.REDIS_PASSWORD], safe="")
    address = f"{Component(instance, names.REDIS).host}:{names.REDIS_PORT}"
    return {"REDIS_URL": f"redis://:{password}@{address}/0"}


def _mongodb(instance: KatoInstance, facts: Facts) -> dict[str, str]:
    mode = instance.spec.mongodb.mode
    if mode == "External":
        return {"MONGO_BASE_URL": _external_mongodb(facts)}
    if mode != "Managed":
        return {}
    password = quote(facts.credentials[names.MONGODB_SERVICE_PASSWORD], safe="")
    options = urlencode({"authSource": "admin", **_topology(instance)})
    login = f"{names.MONGODB_SERVICE_USER}:{password}"
    return {"MONGO_BASE_URL": f"mongodb://{login}@{','.join(_members(instance))}/?{options}"}


def _members(instance: KatoInstance) -> list[str]:
    component = Component(instance, names.MONGODB)
    return [
        f"{component.object_name}-{ordinal}.{component.peers_domain}:{names.MONGODB_PORT}"
        for ordinal in range(instance.spec.mongodb.managed.members)
    ]


def _topology(instance: KatoInstance) -> dict[str, str]:
    """How the driver finds the primary.

    A single member is the primary; a direct connection also works with servers without replica
    sets.
    """
    if instance.spec.mongodb.managed.members == 1:
        return {"directConnection": "true"}
    return {"replicaSet": names.MONGODB_SET}


def _external_mongodb(facts: Facts) -> str:
    """The URL as the user wrote it, with the CA certificate added if there is one."""
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
    address = f"{Component(instance, names.QDRANT).host}:{names.QDRANT_PORT}"
    return {
        "QDRANT_URL": f"http://{address}",
        "QDRANT_API_KEY": facts.credentials[names.QDRANT_API_KEY],
    }


def _overridden(name: str, facts: Facts) -> str:
    """The value from a Secret of the user, or else the generated one."""
    return facts.external.get(name) or facts.credentials[name]
