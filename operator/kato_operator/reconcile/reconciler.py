"""One pass over one instance: a flat list of steps, each safe to repeat."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from kato_operator import (
    children,
    names,
)
from kato_operator.cluster.cluster import Cluster
from kato_operator.crd.instance import KatoInstance, parse
from kato_operator.errors import (
    CheckFailedError,
    CredentialsError,
    InvalidInstanceError,
    KubeError,
    MissingError,
    NameConflictError,
    RefusedError,
    TransientError,
)
from kato_operator.manifests import Key, Manifest, component_of
from kato_operator.reconcile import (
    credentials,
    references,
    rollout,
)
from kato_operator.status import (
    events,
    status,
)
from kato_operator.status.budget import budgets
from kato_operator.status.diagnosis import Verdict
from kato_operator.status.status import Observed
from kato_operator.stores import (
    probes,
)
from kato_operator.stores.checks import DeepChecks
from kato_operator.stores.restarts import is_ready, next_restart

log = structlog.get_logger()

UNWATCHED = frozenset(
    {names.REASON_MISSING_SECRET, names.REASON_NAME_CONFLICT, names.REASON_REFUSED}
)
"""Reasons that may vanish without a watch telling: objects of others are in no cache."""
TOO_MANY_REQUESTS = 429
"""The status with which an eviction is refused for now."""
NOT_YET = Verdict(None, names.REASON_PENDING, "not looked at yet")


@dataclass(frozen=True, slots=True)
class Pass:
    """What the steps of one pass hand on to each other."""

    raw: Manifest
    instance: KatoInstance
    credentials: Verdict = NOT_YET
    secrets: tuple[Manifest, ...] = ()
    external: Mapping[str, str] = field(default_factory=dict)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return self.instance.key

    @property
    def may_change_children(self) -> bool:
        """Whether the spec wants it, and everything that manifests are made of is there."""
        return not self.instance.spec.paused and bool(self.credentials.ok) and not self.verdicts

    @property
    def values(self) -> dict[str, str]:
        """The values of the generated Secrets."""
        found: dict[str, str] = {}
        for secret in self.secrets:
            found |= credentials.values_of(secret)
        return found

    def blamed(self, component: str, verdict: Verdict) -> "Pass":
        """This pass, in which something stands in the way of a component."""
        return replace(self, verdicts={component: verdict, **self.verdicts})

    def noted(self, note: str) -> "Pass":
        """This pass, about which something is to be said that stops nothing."""
        return replace(self, notes=(*self.notes, note))


class Reconciler:
    """Brings instances to what their specs say; *checks* None: stores are not asked."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        checks: DeepChecks | None,
        images: Mapping[str, str],
        version: str,
        recheck_s: float,
    ) -> None:
        self._cluster = cluster
        self._checks = checks
        self._images = images
        self._version = version
        self._recheck_s = recheck_s
        self._uids: dict[Key, str] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Do one pass; the seconds until the next one is wanted without any change.

        Raises:
            KubeError: The pass must be repeated.
        """
        raw = self._cluster.instances.get(key)
        if raw is None:
            self._forget(key)
            return None
        if "deletionTimestamp" in raw["metadata"]:
            await self._write(raw, status.deleting(raw))
            return None
        try:
            instance = parse(raw)
        except InvalidInstanceError as error:
            await self._write(raw, status.rejected(raw, error.problems, now=_now()))
            return None
        self._uids[key] = instance.metadata.uid
        return await self._carry_out(Pass(await self._announced(raw), instance))

    async def _announced(self, raw: Manifest) -> Manifest:
        """Say that a new generation is not ready, before any child changes."""
        known = (raw.get("status") or {}).get("observedGeneration")
        if known == raw["metadata"]["generation"]:
            return raw
        return await self._write(raw, status.announced(raw, now=_now()))

    async def _carry_out(self, this: Pass) -> float | None:
        this = await self._with_references(this)
        this = await self._with_credentials(this)
        if this.may_change_children:
            this = await self._with_children(this)
        this = await self._with_answers(this)
        evaluated = status.evaluated(this.raw, this.instance, self._observed(this), now=_now())
        await self._write(this.raw, evaluated)
        return self._again_s(this)

    async def _with_references(self, this: Pass) -> Pass:
        """Read what the spec takes from Secrets of others."""
        found = await references.load(self._cluster, this.instance)
        return replace(this, external=found.values, verdicts=found.missing)

    async def _with_credentials(self, this: Pass) -> Pass:
        """Have the generated Secrets, made or adopted."""
        try:
            secrets = await credentials.ensured(self._cluster, this.instance)
        except CredentialsError as error:
            verdict = Verdict(False, error.reason, str(error), blocked=True)
            return replace(this, credentials=verdict)
        present = Verdict(True, names.REASON_CREDENTIALS_PRESENT, "all credentials are there")
        return replace(this, credentials=present, secrets=secrets)

    async def _with_children(self, this: Pass) -> Pass:
        """Make the children what they should be: apply, grow, restart, prune."""
        desired = children.desired(this.instance, self._facts(this))
        wanted = rollout.arranged(this.instance, desired, self._cluster.children(this.key))
        for manifest in wanted:
            this = await self._with_child(this, manifest)
        this = await self._with_grown_claims(this, desired)
        this = await self._with_restarts(this)
        await self._cluster.prune(this.instance, wanted)
        return this

    def _facts(self, this: Pass) -> children.Facts:
        return children.Facts(
            images=self._images,
            credentials=this.values,
            external=this.external,
            operator_version=self._version,
            recorded_set=_recorded_set(this),
        )

    async def _with_child(self, this: Pass, manifest: Manifest) -> Pass:
        """Apply one manifest; a workload only if all that it needs could be applied."""
        component, kind = component_of(manifest), manifest["kind"]
        if kind in rollout.WORKLOADS and component in this.verdicts:
            return this
        try:
            await self._cluster.apply(this.instance, manifest)
        except NameConflictError as error:
            return this.blamed(component, _blocked(names.REASON_NAME_CONFLICT, str(error)))
        except RefusedError as error:
            return this.blamed(component, _blocked(names.REASON_REFUSED, str(error)))
        except MissingError:
            return this.noted(f"this cluster does not serve the kind {kind}")
        return this

    async def _with_grown_claims(self, this: Pass, desired: tuple[Manifest, ...]) -> Pass:
        live = self._cluster.children(this.key)
        for growth in rollout.growths(desired, live):
            name = growth.claim["metadata"]["name"]
            try:
                await self._cluster.expand(growth.claim, growth.size)
            except RefusedError as error:
                component = component_of(growth.claim)
                message = f"volume {name} cannot grow to {growth.size}: {error}"
                this = this.blamed(component, _blocked(names.REASON_VOLUME_PENDING, message))
            else:
                log.info("volume grown", claim=name, size=str(growth.size))
        return this

    async def _with_restarts(self, this: Pass) -> Pass:
        """Replace the one pod per store that its controller leaves as it is."""
        live = self._cluster.children(this.key)
        for workload in (item for item in live if item["kind"] == "StatefulSet"):
            pod = next_restart(workload, rollout.pods_of(workload, live))
            if pod is not None:
                this = await self._with_restart(this, pod)
        return this

    async def _with_restart(self, this: Pass, pod: Manifest) -> Pass:
        """Take a pod away; a disruption budget that refuses is said and asked again later."""
        name = pod["metadata"]["name"]
        try:
            await (self._cluster.evict(pod) if is_ready(pod) else self._cluster.delete(pod))
        except TransientError as error:
            if error.status != TOO_MANY_REQUESTS:
                raise
            return this.noted(f"pod {name} cannot be replaced yet: {error}")
        log.info("pod restarted", pod=name)
        return this

    async def _with_answers(self, this: Pass) -> Pass:
        """Ask what runs how it is; nothing that runs is asked while it is hibernated."""
        if self._checks is None or this.instance.spec.hibernate or not this.secrets:
            return this
        observed = self._observed(this)
        asked = {
            name: probe
            for name, probe in probes.of(this.instance, this.values, this.external).items()
            if status.is_up(this.instance, observed, name)
        }
        failures = await self._checks.failures(
            this.instance.metadata.uid, asked, probes.rules(this.instance)
        )
        for component, message in failures.items():
            this = this.blamed(component, Verdict(False, names.REASON_UNHEALTHY, message))
        if names.MONGODB in asked and names.MONGODB not in failures:
            await self._record_set(this)
        return this

    async def _record_set(self, this: Pass) -> None:
        """Note that a replica set was initiated: it must never be initiated a second time."""
        keyfile = _keyfile(this)
        if keyfile is None or _recorded_set(this):
            return
        try:
            found = await probes.recorded_set(this.instance)
        except CheckFailedError as error:
            log.info("replica set not recorded", cause=str(error))
            return
        if found:
            await self._cluster.merge_metadata(
                keyfile, {"annotations": {names.MONGODB_SET_ANNOTATION: found}}
            )
            log.info("replica set recorded", set=found)

    def _observed(self, this: Pass) -> Observed:
        live = self._cluster.children(this.key)
        return Observed(
            children=live,
            credentials=this.credentials,
            verdicts=this.verdicts,
            versions=rollout.versions(live),
            primary=self._primary(this),
            notes=(*this.notes, *rollout.notes(live)),
            budgets=budgets(this.instance, live),
        )

    def _primary(self, this: Pass) -> str:
        """The pod that is MongoDB's primary, as far as it was asked."""
        if self._checks is None:
            return ""
        host = self._checks.detail(this.instance.metadata.uid, names.MONGODB)
        pod = host.partition(".")[0]
        is_ours = pod.startswith(names.store(this.instance.metadata.name, names.MONGODB))
        return pod if is_ours else ""

    def _again_s(self, this: Pass) -> float | None:
        spec = this.instance.spec
        if self._checks is not None and not spec.hibernate:
            return float(spec.health_checks.interval_seconds)
        unwatched = (
            bool(this.notes)
            or not this.credentials.ok
            or any(verdict.reason in UNWATCHED for verdict in this.verdicts.values())
        )
        return self._recheck_s if unwatched or references.references(this.instance) else None

    async def _write(self, raw: Manifest, wanted: Manifest) -> Manifest:
        """Write a status that differs, and tell of its transitions."""
        before = raw.get("status") or {}
        if wanted == before:
            return raw
        await self._cluster.write_status(raw, wanted)
        for event in events.of_transitions(raw, before, wanted, now=_now()):
            await self._announce(event)
        return {**raw, "status": wanted}

    async def _announce(self, event: Manifest) -> None:
        try:
            await self._cluster.publish(event)
        except KubeError as error:  # an event is a courtesy: it must not stop a pass
            log.warning("event not published", reason=event["reason"], error=str(error))

    def _forget(self, key: Key) -> None:
        uid = self._uids.pop(key, "")
        if self._checks is not None and uid:
            self._checks.forget(uid)


def _keyfile(this: Pass) -> Manifest | None:
    name = names.keyfile(this.instance.metadata.name)
    found = (secret for secret in this.secrets if secret["metadata"]["name"] == name)
    return next(found, None)


def _recorded_set(this: Pass) -> str:
    annotations = (_keyfile(this) or {}).get("metadata", {}).get("annotations") or {}
    return str(annotations.get(names.MONGODB_SET_ANNOTATION, ""))


def _blocked(reason: str, message: str) -> Verdict:
    return Verdict(ok=False, reason=reason, message=message, blocked=True)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
