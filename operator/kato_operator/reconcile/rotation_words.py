"""What is said of a rotation: which step waits for what, and how to fix it or to go back."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.reconcile.rotation import STORES, Credentials, Evidence
from kato_operator.status.verdict import Verdict

STUCK_S = 180.0
"""Seconds after which a store should have accepted a new value: the kubelet may need one or two
minutes to bring it into the pod."""
AGENT = "see the log of the container agent in MongoDB's pod"
FIXES = {
    names.REDIS_PASSWORD: "delete the pod of Redis, which then starts with both values",
    names.MONGODB_SERVICE_PASSWORD: AGENT,
    names.MONGODB_OPERATOR_PASSWORD: AGENT,
    names.QDRANT_API_KEY: "use an image of Qdrant that has alt_api_key (1.17 or newer)",
}
SOON = "usually within a minute"


def verdict(
    instance: KatoInstance,
    known: Credentials,
    wished: Mapping[str, str],
    evidence: Evidence,
    *,
    now: str,
    blocker: Verdict | None = None,
) -> Verdict | None:
    """The verdict on the credentials that change; None if none does.

    Args:
        blocker: Why nothing can be applied, if that is so.
    """
    said = list(_said(instance, known, wished, evidence, now))
    if not said:
        return None
    changing = ", ".join(name for name, _, _ in said)
    if instance.spec.paused:
        what = f"spec.paused is set: changed values are not applied until it is unset ({changing})"
        return Verdict(False, names.REASON_PAUSED, what)
    if blocker is not None:
        what = f"changed values ({changing}) cannot be applied: {blocker.message}"
        return Verdict(False, names.REASON_CREDENTIALS_ROTATING, what)
    message = "; ".join(text for _, text, _ in said)
    if any(is_stuck for _, _, is_stuck in said):
        return Verdict.blocked_by(names.REASON_ROTATION_STUCK, message)
    return Verdict(False, names.REASON_CREDENTIALS_ROTATING, message)


def _said(
    instance: KatoInstance,
    known: Credentials,
    wished: Mapping[str, str],
    evidence: Evidence,
    now: str,
) -> Iterator[tuple[str, str, bool]]:
    """The credentials that change, with words, and whether waiting alone will not help."""
    late = _elapsed_s(known.rotation.since, now) > STUCK_S
    for name, other in known.rotation.others.items():
        if wished.get(name) == other:
            yield name, *_of_store(instance, name, known, evidence.waits.get(name), late)
        else:
            third = wished.get(name, "") not in (known.in_use.get(name), "")
            yield name, *_of_service(instance, name, evidence.unsettled, third)
    if known.rotation.earlier and evidence.operator is not None:
        name = names.MONGODB_OPERATOR_PASSWORD
        text = f"{name}: waiting for MongoDB's agent to set the new value"
        detail = f"{text} ({evidence.operator or SOON})"
        back = _back(instance, name, "the first line of mongodb-operator-password.earlier")
        yield name, f"{detail}; {AGENT}; {back}" if late else detail, late


def _of_store(
    instance: KatoInstance, name: str, known: Credentials, waiting: Verdict | None, late: bool
) -> tuple[str, bool]:
    """The words for a store that does not accept the next value yet."""
    store = STORES[name]
    if waiting is None:
        return f"{name}: waiting for {store} to accept the new value ({SOON})", False
    refuses = waiting.reason == names.REASON_UNHEALTHY
    if not waiting.blocked and not (refuses and late):
        text = f"{name}: waiting for {store} to accept the new value ({waiting.message})"
        return text, False
    what = f"{name}: {store} does not accept the new value since {known.rotation.since}"
    stays = "the service keeps using the one of before"
    fix = FIXES[name] if refuses else f"see the pods of {store}"
    return f"{what} ({waiting.message}); {stays}; {fix}; {_back(instance, name, name)}", True


def _of_service(
    instance: KatoInstance, name: str, waiting: Verdict | None, third: bool
) -> tuple[str, bool]:
    """The words for a service some of whose pods may not use the value in use."""
    detail = "the new template is not applied yet" if waiting is None else waiting.message
    text = f"{name}: waiting until all pods of the service use the new value ({detail})"
    if third:
        text += "; the value that is in the Secret now comes next"
    if waiting is None or not waiting.blocked:
        return text, False
    return f"{text}; see ServiceReady; {_back(instance, name, f'{name}.other')}", True


def _back(instance: KatoInstance, name: str, key: str) -> str:
    owner = instance.metadata.name
    return (
        f"to go back, set {name} in Secret {names.credentials(owner)!r}"
        f" to {key} of {names.connections(owner)!r}"
    )


def _elapsed_s(since: str, now: str) -> float:
    if not since:
        return 0.0
    return (datetime.fromisoformat(now) - datetime.fromisoformat(since)).total_seconds()
