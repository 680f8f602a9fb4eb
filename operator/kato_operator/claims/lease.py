"""The Lease of an installation: pure functions of its manifest, and how long it stays unchanged."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from kato_operator import names
from kato_operator.kinds import LEASE
from kato_operator.manifests import Manifest


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation of the operator, by the namespace and name of its Lease."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def installation(text: str) -> Installation | None:
    """The installation that a claim names; None if the text cannot be one."""
    if not re.fullmatch(names.INSTALLATION_PATTERN, text):
        return None
    return Installation(*text.split("/"))


def named(text: str) -> Installation:
    """The own installation."""
    return Installation(*text.split("/"))


def holder(live: Manifest) -> str:
    """The process that holds the Lease; empty when it is free."""
    return str((live.get("spec") or {}).get("holderIdentity") or "")


def duration_s(live: Manifest, *, default_s: float) -> float:
    """Seconds without a renewal after which the Lease may be taken."""
    return float((live.get("spec") or {}).get("leaseDurationSeconds") or default_s)


def taken(live: Manifest | None, of: Installation, *, by: str, lease_s: int) -> Manifest:
    """The Lease, held by this process from now on; as a renewal if it held it before."""
    now = _now()
    before = ((live or {}).get("spec")) or {}
    same = before.get("holderIdentity") == by
    transitions = int(before.get("leaseTransitions") or 0)
    spec = {
        "holderIdentity": by,
        "leaseDurationSeconds": lease_s,
        "acquireTime": (before.get("acquireTime") if same else None) or now,
        "renewTime": now,
        "leaseTransitions": transitions if same or live is None else transitions + 1,
    }
    return {**(live or _new(of)), "spec": spec}


def released(live: Manifest) -> Manifest:
    """The Lease without a holder; the next process that looks takes it."""
    spec = {**live["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
    return {**live, "spec": spec}


class Unchanged:
    """How long an object has not changed, as far as this process has seen.

    Times that others wrote are never compared with the own clock. The time between two looks counts
    up to *longest_s* only, and not at all if one failed: while this process was frozen, or the API
    server away, a holder could not show that it lives.
    """

    def __init__(self, *, clock: Callable[[], float], longest_s: float) -> None:
        self._clock = clock
        self._longest_s = longest_s
        self._version: str | None = None
        self._seen_at: float | None = None
        self._unchanged_s = 0.0

    def seen(self, version: str) -> float:
        """Seconds for which the object is known to be in this version; empty: absent."""
        now = self._clock()
        if version != self._version:
            self._version, self._unchanged_s = version, 0.0
        elif self._seen_at is not None:
            self._unchanged_s += min(now - self._seen_at, self._longest_s)
        self._seen_at = now
        return self._unchanged_s

    def missed(self) -> None:
        """A look has failed."""
        self._seen_at = None


def _new(of: Installation) -> Manifest:
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.name,
        "metadata": {
            "name": of.name,
            "namespace": of.namespace,
            "labels": {names.NAME_LABEL: names.FIELD_MANAGER, names.PART_OF_LABEL: names.PART_OF},
        },
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
