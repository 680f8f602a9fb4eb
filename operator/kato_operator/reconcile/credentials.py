"""The generated Secrets of an instance: created once, adopted later, never overwritten."""

import base64
import re
import secrets
from collections.abc import Mapping
from typing import Any

import structlog

from kato_operator import children, names
from kato_operator.cluster.cluster import Cluster
from kato_operator.cluster.ownership import is_ours
from kato_operator.crd.instance import KatoInstance
from kato_operator.errors import CredentialsError, NameConflictError, TransientError
from kato_operator.manifests import Manifest, component_of, is_deleted

log = structlog.get_logger()

TOKEN_BYTES = 24
USABLE = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""The characters that fit a configuration file and a URL; generated values have no others."""


async def ensured(cluster: Cluster, instance: KatoInstance) -> tuple[Manifest, ...]:
    """Every generated Secret as it is in the cluster, created where there is none.

    Raises:
        CredentialsError: One is lost while its data still exists, or is unusable.
    """
    wanted = children.generated_secrets(instance, token=_token)
    return tuple([await _ensured(cluster, instance, manifest) for manifest in wanted])


def values_of(secret: Manifest) -> dict[str, str]:
    """The decoded values of a Secret."""
    data: Mapping[str, str] = secret.get("data") or {}
    return {name: base64.b64decode(value).decode(errors="replace") for name, value in data.items()}


async def _ensured(cluster: Cluster, instance: KatoInstance, wanted: Manifest) -> Manifest:
    namespace, name = instance.metadata.namespace, wanted["metadata"]["name"]
    live = await cluster.load("Secret", namespace, name)
    if live is None:
        wanted = await _unless_lost(cluster, instance, wanted)
        live = await cluster.create(wanted) or await cluster.read("Secret", namespace, name)
        log.info("credentials created", secret=name)
    if live is None or is_deleted(live):
        raise TransientError(f"Secret {name!r} is being deleted")
    _refuse_unusable(live, wanted, instance)
    return await _with_policy(cluster, live, wanted)


async def _unless_lost(cluster: Cluster, instance: KatoInstance, wanted: Manifest) -> Manifest:
    """The Secret to create: with new values, or with the applied ones where data needs them."""
    key = instance.key
    if not any(_needs(item, wanted) for item in cluster.children(key)):
        return wanted
    applied = await _applied(cluster, instance)
    needed = _keys(wanted)
    if not needed <= applied.keys():
        what = f"Secret {wanted['metadata']['name']!r} is missing, but volumes need its values"
        fix = "restore it, or delete the volumes to start over"
        raise CredentialsError(names.REASON_CREDENTIALS_LOST, f"{what}; {fix}")
    log.warning("credentials rebuilt", secret=wanted["metadata"]["name"])
    rest = {field: value for field, value in wanted.items() if field not in ("data", "stringData")}
    return {**rest, "stringData": {name: applied[name] for name in sorted(needed)}}


def _needs(child: Manifest, secret: Manifest) -> bool:
    """Whether a child is a volume whose data cannot be used without the values of a Secret."""
    components = (names.SERVICE, component_of(child))
    component = component_of(secret)
    return child["kind"] == "PersistentVolumeClaim" and component in components


async def _applied(cluster: Cluster, instance: KatoInstance) -> dict[str, str]:
    """The copy of the credentials in the connections Secret: the values as last applied."""
    name = names.connections(instance.metadata.name)
    live = await cluster.load("Secret", instance.metadata.namespace, name)
    return values_of(live) if live is not None and is_ours(live, instance) else {}


def _refuse_unusable(live: Manifest, wanted: Manifest, instance: KatoInstance) -> None:
    name = live["metadata"]["name"]
    if not is_ours(live, instance) or live.get("type") != wanted["type"]:
        raise CredentialsError(names.REASON_NAME_CONFLICT, str(NameConflictError("Secret", name)))
    values = values_of(live)
    absent = sorted(key for key in _keys(wanted) if not values.get(key))
    if absent:
        message = f"Secret {name!r} has no value for {', '.join(absent)}; add it"
        raise CredentialsError(names.REASON_CREDENTIALS_INVALID, message)
    unusable = sorted(key for key in _keys(wanted) if not _is_usable(key, values[key]))
    if unusable:
        what = f"Secret {name!r} has unusable characters in {', '.join(unusable)}"
        message = f"{what}; use only A-Z a-z 0-9 . _ ~ + / = -"
        raise CredentialsError(names.REASON_CREDENTIALS_INVALID, message)


def _is_usable(name: str, value: str) -> bool:
    """Whether a value fits; there may be several API keys, one per line."""
    lines = value.splitlines() if name == names.SERVICE_API_KEY else [value]
    return bool(lines) and all(USABLE.fullmatch(line) for line in lines)


async def _with_policy(cluster: Cluster, live: Manifest, wanted: Manifest) -> Manifest:
    """The Secret, owned by the instance or retained, whichever the deletion policy says."""
    owners, retained = _policy(wanted)
    if _policy(live) == (owners, retained):
        return live
    labels = {names.RETAINED_LABEL: retained}
    return await cluster.merge_metadata(live, {"ownerReferences": owners, "labels": labels})


def _policy(secret: Manifest) -> tuple[list[dict[str, Any]], str | None]:
    """What follows from the deletion policy: the owners, and the label of what is retained."""
    meta = secret["metadata"]
    labels: Mapping[str, str] = meta.get("labels") or {}
    return meta.get("ownerReferences", []), labels.get(names.RETAINED_LABEL)


def _keys(secret: Manifest) -> set[str]:
    return {*secret.get("data", {}), *secret.get("stringData", {})}


def _token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)
