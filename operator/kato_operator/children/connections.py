"""The connections Secret: the URLs of the stores with their credentials, and a copy of these.

A generated Secret that is lost while its data still exists is rebuilt from the copy. While a
credential changes, the Secret also holds its other value: it is the record of how far that is.
"""

import json
from urllib.parse import quote, urlencode

from kato_operator import names
from kato_operator.children.component import Component, annotated
from kato_operator.children.facts import Facts
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest

REDIS_AUTH = "redis-users.conf"
"""Not the name of older versions: their pods keep the file that they can read, until replaced."""
API_KEY = "API_KEY"
API_KEY_LINES = "api-key-lines"
"""All keys that may do everything, one per line; `API_KEY` is the first."""
OTHER = ".other"
"""Follows the name of a credential in the name of its other value."""
EARLIER = f"{names.MONGODB_OPERATOR_PASSWORD}.earlier"
SERVICE_USER = "mongodb-service-user"
HEALTH_USER = "health"
"""The user of Redis that probes log in as, whatever the password is; it may only send PING."""
CA_FILE = "/etc/kato/mongodb/ca.crt"
"""The file in the service's pods with the CA certificate of an external MongoDB."""


def secret(component: Component, facts: Facts) -> Manifest:
    """The Secret with all `secret_variables`, the password file of Redis, and the copy."""
    instance = component.instance
    name = names.connections(instance.metadata.name)
    values = {**facts.credentials, **_record(facts), **secret_variables(instance, facts)}
    if instance.spec.redis.mode == "Managed":
        values[REDIS_AUTH] = _redis_users(facts)
    if instance.spec.mongodb.mode == "Managed":
        values[names.MONGODB_USERS] = _mongodb_users(facts)
    if names.MONGODB_CA in facts.external:
        values[names.MONGODB_CA] = facts.external[names.MONGODB_CA]
    if instance.spec.service.auth.takes_one_key:
        values[API_KEY_LINES] = _overridden(names.SERVICE_API_KEY, facts)
    since = facts.rotation.since
    found = component.manifest("Secret", name, type="Opaque", stringData=values)
    return annotated(found, {names.ROTATING_SINCE_ANNOTATION: since} if since else {})


def accepted(name: str, facts: Facts) -> tuple[str, ...]:
    """The values of a credential that its store accepts, the one in use first."""
    other = facts.rotation.others.get(name)
    return (facts.credentials[name], *(() if other is None else (other,)))


def _record(facts: Facts) -> dict[str, str]:
    """What a later pass has to know of a rotation."""
    rotation = facts.rotation
    found = {f"{name}{OTHER}": value for name, value in rotation.others.items()}
    if rotation.earlier:
        found[EARLIER] = "\n".join(rotation.earlier)
    if rotation.user != names.MONGODB_SERVICE_USER:
        found[SERVICE_USER] = rotation.user
    return found


def _redis_users(facts: Facts) -> str:
    """The users of Redis, as its configuration has them."""
    passwords = " ".join(f">{value}" for value in accepted(names.REDIS_PASSWORD, facts))
    return f"user {HEALTH_USER} on nopass -@all +ping\nuser default on ~* &* +@all {passwords}\n"


def _mongodb_users(facts: Facts) -> str:
    """The users of MongoDB with their passwords; those of the operator's user, the newest first."""
    rotation, password = facts.rotation, names.MONGODB_SERVICE_PASSWORD
    users = (rotation.user, rotation.other_user)
    found = {
        "operator": [facts.credentials[names.MONGODB_OPERATOR_PASSWORD], *rotation.earlier],
        "service": dict(zip(users, accepted(password, facts), strict=False)),
    }
    return json.dumps(found, sort_keys=True)


def secret_variables(instance: KatoInstance, facts: Facts) -> dict[str, str]:
    """The variables of the service that hold secrets, for the stores that the instance has."""
    found = {
        **_redis(instance, facts),
        **_mongodb(instance, facts),
        **_qdrant(instance, facts),
    }
    if instance.spec.service.auth.takes_one_key:
        lines = _overridden(names.SERVICE_API_KEY, facts).splitlines()
        found[API_KEY] = next(iter(lines), "")
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
    login = f"{facts.rotation.user}:{password}"
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
