"""The rotation of credentials in a pass: what is recorded, what the stores accept, what is said."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from kato_operator import names
from kato_operator.children import Facts, qdrant
from kato_operator.cluster.cluster import Cluster
from kato_operator.cluster.ownership import is_ours
from kato_operator.crd.instance import KatoInstance
from kato_operator.errors import CheckFailedError
from kato_operator.manifests import Manifest, by_name
from kato_operator.reconcile import rotation, rotation_words
from kato_operator.reconcile.credentials import values_of
from kato_operator.reconcile.rotation import STORES, Credentials, Evidence
from kato_operator.status import diagnosis
from kato_operator.status.observed import is_running
from kato_operator.status.verdict import Verdict
from kato_operator.stores import checks, probes

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rotated:
    """The credentials after a pass's step, and what is said of a rotation; None: there is none."""

    credentials: Credentials
    verdict: Verdict | None = None


async def rotated(
    cluster: Cluster,
    instance: KatoInstance,
    wished: Mapping[str, str],
    facts: Facts,
    *,
    asks: bool,
    blocker: Verdict | None,
) -> Rotated:
    """Make the next step of a rotation, if there is one and it may be made.

    Args:
        wished: The values of the generated Secrets; empty if they cannot be used.
        facts: Everything else that manifests are built from.
        asks: Whether stores may be asked. Otherwise it counts that new pods of the service become
            ready, which they do only when every store lets them in.
        blocker: Why nothing can be applied, if that is so.
    """
    known = await _recorded(cluster, instance, wished)
    live = cluster.children(instance.key)
    evidence = Evidence({}, None)
    if rotation.is_changing(known) and wished:
        unsettled = rotation.unsettled(instance, known.of_facts(facts), live)
        waits = await _waits(instance, known, wished, live, facts, asks=asks)
        operator = await _operator(instance, known) if asks else None
        evidence = Evidence(waits, unsettled, operator)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    after = rotation.stepped(known, wished, evidence, now=now)
    if after != known and not instance.spec.paused and blocker is None:
        log.info("credentials changing", others=sorted(after.rotation.others))
    said = rotation_words.verdict(instance, after, wished, evidence, now=now, blocker=blocker)
    return Rotated(after, said)


async def _recorded(
    cluster: Cluster, instance: KatoInstance, wished: Mapping[str, str]
) -> Credentials:
    name = names.connections(instance.metadata.name)
    live = await cluster.load("Secret", instance.metadata.namespace, name)
    if live is None or not is_ours(live, instance):
        return rotation.recorded(instance, {}, "", wished)
    annotations = live["metadata"].get("annotations") or {}
    since = str(annotations.get(names.ROTATING_SINCE_ANNOTATION, ""))
    return rotation.recorded(instance, values_of(live), since, wished)


async def _waits(
    instance: KatoInstance,
    known: Credentials,
    wished: Mapping[str, str],
    live: tuple[Manifest, ...],
    facts: Facts,
    *,
    asks: bool,
) -> dict[str, Verdict]:
    """Why stores do not accept the values that are wished, by credential."""
    found: dict[str, Verdict] = {}
    for name, other in known.rotation.others.items():
        if wished.get(name) != other or _sleeps(instance, STORES[name], live):
            continue
        waiting = None
        if name == names.QDRANT_API_KEY:
            waiting = _restart(instance, known.of_facts(facts), live)
        if waiting is None and asks:
            message = await _refusal(instance, known, name, other)
            waiting = Verdict(False, names.REASON_UNHEALTHY, message) if message else None
        if waiting is not None:
            found[name] = waiting
    return found


def _sleeps(instance: KatoInstance, store: str, live: tuple[Manifest, ...]) -> bool:
    """Whether a store has no pod: it reads its values when it starts."""
    label = names.COMPONENT_LABEL
    return instance.spec.hibernate and not any(
        is_running(item) and item["metadata"]["labels"].get(label) == store for item in live
    )


def _restart(instance: KatoInstance, facts: Facts, live: tuple[Manifest, ...]) -> Verdict | None:
    """Why not all pods of Qdrant know both keys; it reads them only when it starts."""
    name = names.store(instance.metadata.name, names.QDRANT)
    workload = by_name(live).get(("StatefulSet", name))
    template = {} if workload is None else workload["spec"]["template"]["metadata"]
    applied = (template.get("annotations") or {}).get(names.CONFIG_HASH_ANNOTATION)
    if applied != qdrant.config_hash(facts):
        return Verdict(False, names.REASON_ROLLING_OUT, "the new template is not applied yet")
    found = diagnosis.rollout(workload, (), ())
    return None if found.ok else found


async def _refusal(instance: KatoInstance, known: Credentials, name: str, value: str) -> str:
    """Why a store refuses a value; empty if it accepts it."""
    probe = probes.login(instance, name, value, user=known.rotation.other_user)
    message, _ = await checks.answered_once(probe, probes.policy(instance).timeout_s)
    if not message or name != names.MONGODB_SERVICE_PASSWORD:
        return message
    return await _agents_word(instance) or message


async def _operator(instance: KatoInstance, known: Credentials) -> str | None:
    """Why the operator's user of MongoDB cannot log in; None if its password does not change."""
    name = names.MONGODB_OPERATOR_PASSWORD
    if not known.rotation.earlier:
        return None
    probe = probes.login(instance, name, known.in_use[name])
    message, _ = await checks.answered_once(probe, probes.policy(instance).timeout_s)
    return message and (await _agents_word(instance) or message)


async def _agents_word(instance: KatoInstance) -> str:
    """Why the agent has not changed the users; empty if it does not say."""
    pod = f"{names.store(instance.metadata.name, names.MONGODB)}-0"
    try:
        return str((await probes.readiness(instance, pod)).get("rotation", ""))
    except CheckFailedError:
        return ""
