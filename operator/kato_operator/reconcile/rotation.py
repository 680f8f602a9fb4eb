"""How changed credentials get into use without an interruption: pure functions, step by step.

A store accepts the new value next to the one in use; then the pods of the service are replaced by
pods that use it; then the store drops the old one. How far that is follows from the live objects
alone: the connections Secret holds the value in use and the other one, and the Deployment shows
whether a pod may still use the other one. So an interruption changes nothing, and so does an edit
in the middle: to go back is the same as to go on, with the two values exchanged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from kato_operator import names
from kato_operator.children import Facts, Rotation, connections, service
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest, by_name, component_of, is_deleted
from kato_operator.status import diagnosis
from kato_operator.status.observed import is_running, mode
from kato_operator.status.verdict import Verdict

STORES = {
    names.REDIS_PASSWORD: names.REDIS,
    names.MONGODB_SERVICE_PASSWORD: names.MONGODB,
    names.QDRANT_API_KEY: names.QDRANT,
}
"""The credentials that the service sends to a store, by the store."""
MOST_EARLIER = 8
"""Passwords of before that are kept while nobody can tell which of them is valid."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The values that the service uses, and what else is valid next to them."""

    in_use: Mapping[str, str]
    rotation: Rotation

    def of_facts(self, facts: Facts) -> Facts:
        """The facts with these values."""
        return replace(facts, credentials=self.in_use, rotation=self.rotation)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found out of a rotation.

    *waits* tells, by credential, why its store does not accept the next value yet; without an entry
    it does. *unsettled* is what the service waits for until all its pods use the values in use, a
    verdict that is not ok. *operator* is why the operator's user of MongoDB cannot log in, empty if
    it can, None if nobody has asked.
    """

    waits: Mapping[str, Verdict]
    unsettled: Verdict | None
    operator: str | None = None


def recorded(
    instance: KatoInstance, live: Mapping[str, str], since: str, wished: Mapping[str, str]
) -> Credentials:
    """The credentials as the connections Secret has recorded them; before it exists, those wished.

    Args:
        live: The values of the connections Secret.
        since: Its annotation.
        wished: The values of the generated Secrets, empty if they are not known.
    """
    rotated = [name for name in STORES if mode(instance, STORES[name]) == "Managed"]
    kept = {name: live[name] for name in rotated if name in live and name in wished}
    found = ((name, live.get(f"{name}{connections.OTHER}")) for name in rotated)
    rotation = Rotation(
        others={name: value for name, value in found if value is not None},
        earlier=tuple(live.get(connections.EARLIER, "").split()),
        user=live.get(connections.SERVICE_USER, names.MONGODB_SERVICE_USER),
        since=since,
    )
    operator = {
        name: live[name]
        for name in (names.MONGODB_OPERATOR_PASSWORD,)
        if name in live and name in wished and mode(instance, names.MONGODB) == "Managed"
    }
    return Credentials({**wished, **kept, **operator}, rotation)


def is_changing(known: Credentials) -> bool:
    """Whether more than the values in use is valid."""
    return bool(known.rotation.others or known.rotation.earlier)


def stepped(
    known: Credentials, wished: Mapping[str, str], evidence: Evidence, *, now: str
) -> Credentials:
    """The credentials after the step that may be made now; the same ones if there is none."""
    changed = known
    for name in STORES:
        if name in wished:
            changed = _stepped(changed, name, wished[name], evidence)
    if names.MONGODB_OPERATOR_PASSWORD in wished:
        changed = _with_operator(changed, wished[names.MONGODB_OPERATOR_PASSWORD], evidence)
    if changed == known:
        return known
    since = now if is_changing(changed) else ""
    return replace(changed, rotation=replace(changed.rotation, since=since))


def unsettled(instance: KatoInstance, facts: Facts, live: Iterable[Manifest]) -> Verdict | None:
    """Why a pod of the service may use other values than these; None if none does."""
    present = tuple(live)
    deployment = by_name(present).get(("Deployment", names.service(instance.metadata.name)))
    if deployment is None:
        return None
    pods = [it for it in present if is_running(it) and component_of(it) == names.SERVICE]
    meta = deployment["spec"]["template"]["metadata"]
    applied = (meta.get("annotations") or {}).get(names.CONFIG_HASH_ANNOTATION)
    if applied != service.config_hash(instance, facts):
        return Verdict(False, names.REASON_ROLLING_OUT, "the new template is not applied yet")
    rollout = diagnosis.rollout(deployment, (it for it in pods if not is_deleted(it)), ())
    if not rollout.ok:
        return replace(rollout, blocked=rollout.blocked or _is_overdue(deployment))
    ending = sum(is_deleted(pod) for pod in pods)
    if ending:
        return Verdict(
            False, names.REASON_ROLLING_OUT, f"waiting for old pods to end ({ending} left)"
        )
    return None


def _stepped(known: Credentials, name: str, wished: str, evidence: Evidence) -> Credentials:
    used, other = known.in_use.get(name, wished), known.rotation.others.get(name)
    if other is None:
        return known if wished == used else _with_other(known, name, wished)
    if wished == other:
        return known if name in evidence.waits else _exchanged(known, name)
    if evidence.unsettled is not None:
        return known
    return _with_other(known, name, None if wished == used else wished)


def _with_other(known: Credentials, name: str, value: str | None) -> Credentials:
    rest = {key: other for key, other in known.rotation.others.items() if key != name}
    others = rest if value is None else {**rest, name: value}
    return replace(known, rotation=replace(known.rotation, others=others))


def _exchanged(known: Credentials, name: str) -> Credentials:
    """The credentials with the other value in use; MongoDB has it for another user."""
    used, rotation = known.in_use[name], known.rotation
    changed = _with_other(known, name, used)
    in_use = {**known.in_use, name: rotation.others[name]}
    if name != names.MONGODB_SERVICE_PASSWORD:
        return replace(changed, in_use=in_use)
    moved = replace(changed.rotation, user=rotation.other_user)
    return Credentials(in_use, moved)


def _with_operator(known: Credentials, wished: str, evidence: Evidence) -> Credentials:
    """The credentials with a password of the operator's user, which only the agent uses.

    The agent needs the one of before to set it; which of several is valid, only a login tells.
    """
    used, earlier = (
        known.in_use.get(names.MONGODB_OPERATOR_PASSWORD, wished),
        known.rotation.earlier,
    )
    if wished != used:
        candidates = [it for it in (used, *earlier) if it != wished][:MOST_EARLIER]
        in_use = {**known.in_use, names.MONGODB_OPERATOR_PASSWORD: wished}
        return Credentials(in_use, replace(known.rotation, earlier=tuple(candidates)))
    if earlier and evidence.operator == "":
        return replace(known, rotation=replace(known.rotation, earlier=()))
    return known


def _is_overdue(deployment: Manifest) -> bool:
    """Whether its controller has given up waiting for progress."""
    return any(
        item["type"] == "Progressing" and item.get("reason") == "ProgressDeadlineExceeded"
        for item in deployment.get("status", {}).get("conditions", ())
    )
