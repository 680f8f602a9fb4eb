"""The deep checks of an instance: which addresses, with which credentials, and how often."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.errors import CheckFailedError
from kato_operator.stores.checks import (
    AgentProbe,
    HttpProbe,
    MongoDBProbe,
    Probe,
    RedisProbe,
    ServiceProbe,
    body_of,
)
from kato_operator.stores.deep_checks import CheckPolicy


def policy(instance: KatoInstance) -> CheckPolicy:
    """How often and how patiently the spec wants components to be asked."""
    wanted = instance.spec.health_checks
    return CheckPolicy(
        interval_s=float(wanted.interval_seconds),
        timeout_s=float(wanted.timeout_seconds),
        failure_threshold=wanted.failure_threshold,
    )


def of(
    instance: KatoInstance,
    generated: Mapping[str, str],
    external: Mapping[str, str],
    *,
    anchors: str = "",
    user: str = names.MONGODB_SERVICE_USER,
) -> dict[str, Probe]:
    """A probe for each component that is not embedded or disabled.

    Args:
        generated: Values of the generated Secrets that are in use.
        external: Values from the Secrets that the spec refers to.
        anchors: The certificates (PEM) to trust where the service speaks HTTPS.
        user: The user of a managed MongoDB that the service logs in as.
    """
    probes: dict[str, Probe | None] = {
        names.REDIS: _redis(instance, generated, external),
        names.MONGODB: _mongodb(instance, generated, external, user),
        names.QDRANT: _qdrant(instance, generated, external),
        names.SERVICE: ServiceProbe(_health(instance), anchors),
    }
    return {name: probe for name, probe in probes.items() if probe is not None}


def login(instance: KatoInstance, name: str, value: str, *, user: str = "") -> Probe:
    """A probe that succeeds if a managed store accepts this value of a credential.

    Args:
        name: The name of the credential.
        user: The user of MongoDB whose password it would be.
    """
    if name == names.REDIS_PASSWORD:
        return _redis_login(instance, value)
    if name == names.QDRANT_API_KEY:
        address = _address(instance, names.QDRANT, names.QDRANT_PORT)
        return HttpProbe(f"http://{address}/collections", value)
    if name == names.MONGODB_OPERATOR_PASSWORD:
        user = names.MONGODB_OPERATOR_USER
    return _mongodb_login(instance, user, value)


def certificates(external: Mapping[str, str]) -> str:
    """The certificates (PEM) in the Secret of the service's TLS; empty without one."""
    found = (external.get(name, "") for name in (names.TLS_CERTIFICATE, names.TLS_CA))
    return "\n".join(one for one in found if one)


async def recorded_set(instance: KatoInstance) -> str:
    """The id of the replica set, from the agent of its first member.

    It is empty for a server without replica sets.

    Raises:
        CheckFailedError: The agent did not answer, or is not ready yet.
    """
    found = await readiness(instance, f"{names.store(instance.metadata.name, names.MONGODB)}-0")
    if not found.get("ready"):
        raise CheckFailedError("the MongoDB agent is not ready yet")
    return str(found.get("set", ""))


async def readiness(instance: KatoInstance, pod: str) -> dict[str, Any]:
    """What the agent in a pod says of its server: `ready`, and if that is false, `reason` and why.

    Raises:
        CheckFailedError: The agent did not answer.
    """
    try:
        async with asyncio.timeout(policy(instance).timeout_s), aiohttp.ClientSession() as http:
            return await body_of(_agent(instance, pod), http)
    except TimeoutError as error:
        raise CheckFailedError("the MongoDB agent did not answer in time") from error


def of_agent(instance: KatoInstance, pod: str) -> Probe:
    """A probe for the agent in a pod, whose detail is the `reason` and `message` of its answer."""
    return AgentProbe(_agent(instance, pod))


def _agent(instance: KatoInstance, pod: str) -> str:
    peers = _host(instance, names.store_peers(instance.metadata.name, names.MONGODB))
    return f"http://{pod}.{peers}:{names.AGENT_PORT}/ready"


def _health(instance: KatoInstance) -> str:
    service = instance.spec.service
    scheme = "http" if service.tls is None else "https"
    host = _host(instance, names.service(instance.metadata.name))
    return f"{scheme}://{host}:{service.port}/v2/health"


def _redis(
    instance: KatoInstance, generated: Mapping[str, str], external: Mapping[str, str]
) -> Probe | None:
    if instance.spec.redis.mode == "External":
        url = external.get(names.REDIS_URL, "")
        return RedisProbe(url) if url else None
    password = generated.get(names.REDIS_PASSWORD)
    if instance.spec.redis.mode != "Managed" or not password:
        return None
    return _redis_login(instance, password)


def _redis_login(instance: KatoInstance, password: str) -> Probe:
    address = _address(instance, names.REDIS, names.REDIS_PORT)
    return RedisProbe(f"redis://:{quote(password, safe='')}@{address}/0")


def _mongodb(
    instance: KatoInstance, generated: Mapping[str, str], external: Mapping[str, str], user: str
) -> Probe | None:
    if instance.spec.mongodb.mode == "External":
        url = external.get(names.MONGODB_URL, "")
        ca = external.get(names.MONGODB_CA, "")
        return MongoDBProbe(url, ca) if url else None
    password = generated.get(names.MONGODB_SERVICE_PASSWORD)
    if instance.spec.mongodb.mode != "Managed" or not password:
        return None
    return _mongodb_login(instance, user, password)


def _mongodb_login(instance: KatoInstance, user: str, password: str) -> Probe:
    login = f"{user}:{quote(password, safe='')}"
    address = _address(instance, names.MONGODB, names.MONGODB_PORT)
    return MongoDBProbe(f"mongodb://{login}@{address}/?authSource=admin&directConnection=true")


def _qdrant(
    instance: KatoInstance, generated: Mapping[str, str], external: Mapping[str, str]
) -> Probe | None:
    store = instance.spec.qdrant
    if store.mode == "External" and store.external is not None:
        return HttpProbe(f"{store.external.url.rstrip('/')}/readyz", _api_key(external))
    if store.mode != "Managed":
        return None
    address = _address(instance, names.QDRANT, names.QDRANT_PORT)
    return HttpProbe(f"http://{address}/readyz", _api_key(generated))


def _api_key(values: Mapping[str, str]) -> str:
    return values.get(names.QDRANT_API_KEY, "")


def _address(instance: KatoInstance, store: str, port: int) -> str:
    return f"{_host(instance, names.store(instance.metadata.name, store))}:{port}"


def _host(instance: KatoInstance, service: str) -> str:
    return names.host(service, instance.metadata.namespace)
