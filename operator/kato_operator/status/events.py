"""Kubernetes Events about the transitions of conditions: pure functions of the time."""

from collections.abc import Iterator
from uuid import uuid4

from kato_operator import names
from kato_operator.kinds import INSTANCE
from kato_operator.manifests import Manifest
from kato_operator.status import status
from kato_operator.status.conditions import GATES

REPORTED = (
    names.READY,
    *GATES,
    names.ORCHESTRATION_PAUSED,
    names.CONNECTION_BUDGET_EXCEEDED,
)
NEGATIVE_POLARITY = (names.ORCHESTRATION_PAUSED, names.CONNECTION_BUDGET_EXCEEDED)
"""Conditions that are good when they are False."""
EXPECTED = frozenset(
    {
        *(names.REASON_CREATING, names.REASON_PENDING, names.REASON_PROGRESSING),
        *(names.REASON_ROLLING_OUT, names.REASON_PAUSED, names.REASON_HIBERNATING),
        *(names.REASON_HIBERNATED, names.REASON_DELETING),
        names.REASON_EXPANDING,
    }
)
"""Reasons of a bad status that need no warning: somebody asked for it, or it will pass."""


def of_transitions(
    raw: Manifest, before: Manifest, after: Manifest, *, now: str
) -> Iterator[Manifest]:
    """One Event for every condition that changed to its opposite, or that starts out bad."""
    known = {item["type"]: item["status"] for item in before.get("conditions", ())}
    for condition in status.transitions(before, after):
        turned = known.get(condition["type"], "Unknown") != "Unknown"
        reported = condition["type"] in REPORTED and condition["status"] != "Unknown"
        if reported and (turned or _is_warning(condition)):
            yield _event(raw, condition, now=now)


def about(
    raw: Manifest, *, kind: str, reason: str, message: str, now: str, suffix: str = ""
) -> Manifest:
    """An Event about an instance.

    Args:
        kind: `Normal` or `Warning`.
        suffix: The end of its name; empty: one that no other Event has.
    """
    meta = raw["metadata"]
    name = f"{meta['name']}.{suffix or uuid4().hex[:16]}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": meta["namespace"]},
        "type": kind,
        "reason": reason,
        "message": message[:1000],
        "involvedObject": {
            "apiVersion": INSTANCE.api_version,
            "kind": INSTANCE.name,
            **{field: meta[field] for field in ("name", "namespace", "uid", "resourceVersion")},
        },
        "source": {"component": names.FIELD_MANAGER},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


def _event(raw: Manifest, condition: Manifest, *, now: str) -> Manifest:
    return about(
        raw,
        kind="Warning" if _is_warning(condition) else "Normal",
        reason=condition["reason"],
        message=f"{condition['type']} is {condition['status']}: {condition['message']}",
        now=now,
    )


def _is_warning(condition: Manifest) -> bool:
    bad = "True" if condition["type"] in NEGATIVE_POLARITY else "False"
    return bool(condition["status"] == bad and condition["reason"] not in EXPECTED)
