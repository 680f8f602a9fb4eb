"""MongoDB's replica set: it is recorded, because it must never be initiated a second time."""

from collections.abc import Iterable

import structlog

from kato_operator import names
from kato_operator.cluster.cluster import Cluster
from kato_operator.crd.instance import KatoInstance
from kato_operator.errors import CheckFailedError
from kato_operator.manifests import Manifest
from kato_operator.stores import probes

log = structlog.get_logger()


def recorded(instance: KatoInstance, secrets: Iterable[Manifest]) -> str:
    """The id of the set that was initiated for this instance, from the keyfile Secret, or empty."""
    annotations = (_keyfile(instance, secrets) or {}).get("metadata", {}).get("annotations") or {}
    return str(annotations.get(names.MONGODB_SET_ANNOTATION, ""))


async def record(cluster: Cluster, instance: KatoInstance, secrets: tuple[Manifest, ...]) -> None:
    """Note the id of the set on the keyfile Secret, unless it is noted already.

    An agent that is not ready yet is asked again in a later pass.
    """
    keyfile = _keyfile(instance, secrets)
    if keyfile is None or recorded(instance, secrets):
        return
    try:
        found = await probes.recorded_set(instance)
    except CheckFailedError as error:
        log.info("replica set not recorded", cause=str(error))
        return
    if found:
        annotations = {names.MONGODB_SET_ANNOTATION: found}
        await cluster.merge_metadata(keyfile, {"annotations": annotations})
        log.info("replica set recorded", set=found)


def primary_pod(instance: KatoInstance, host: str) -> str:
    """The pod at the address of a primary; empty for a server that is not the instance's."""
    pod = host.partition(".")[0]
    return pod if pod.startswith(names.store(instance.metadata.name, names.MONGODB)) else ""


def _keyfile(instance: KatoInstance, secrets: Iterable[Manifest]) -> Manifest | None:
    name = names.keyfile(instance.metadata.name)
    return next((secret for secret in secrets if secret["metadata"]["name"] == name), None)
