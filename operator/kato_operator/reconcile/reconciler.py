"""One pass over one instance: a flat list of steps, each safe to repeat."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from kato_operator import children, names
from kato_operator.cluster.cluster import Cluster
from kato_operator.crd.instance import parse
from kato_operator.errors import (
    ContestedError,
    CredentialsError,
    InvalidInstanceError,
    KubeError,
    MissingError,
    NameConflictError,
    RefusedError,
    TransientError,
)
from kato_operator.manifests import Key, Manifest, component_of, is_deleted, name_of
from kato_operator.reconcile import (
    classes,
    credentials,
    plan,
    references,
    replica_set,
    rollout,
    rotating,
    volumes,
)
from kato_operator.reconcile.one_pass import Pass
from kato_operator.reconcile.warnings import EventReader
from kato_operator.status import conditions, events, notes, status
from kato_operator.status.budget import budgets
from kato_operator.status.diagnosis import Verdict
from kato_operator.status.observed import Observed
from kato_operator.stores import probes
from kato_operator.stores.checks import Probe
from kato_operator.stores.deep_checks import DeepChecks
from kato_operator.stores.restarts import is_ready, next_restart
from kato_operator.stores.trust import Trust

log = structlog.get_logger()

UNWATCHED = frozenset(
    {names.REASON_NAME_CONFLICT, names.REASON_REFUSED, names.REASON_VOLUME_PENDING}
)
"""Reasons that may pass without a report of a watch: objects of others, StorageClasses and quotas
are in no cache."""
AGENT = "agent of "
"""What the checks call the agent of a MongoDB pod that is not ready, before the pod's name."""
TOO_MANY_REQUESTS = 429
"""The status of an eviction that a disruption budget does not allow now."""


class Reconciler:
    """Brings instances to the state that their specs describe.

    Args:
        checks: The deep checks; None leaves it at the status of the pods.
        images: Images by component that replace entries of the built-in table.
        pull_secrets: Names of Secrets that every pod gets to pull its images.
        version: The operator's version, which is also that of the default images.
        recheck_s: Seconds until a pass looks again at what no watch reports.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        checks: DeepChecks | None,
        images: Mapping[str, str],
        pull_secrets: tuple[str, ...] = (),
        version: str,
        recheck_s: float,
    ) -> None:
        self._cluster = cluster
        self._checks = checks
        self._images = images
        self._pull_secrets = pull_secrets
        self._version = version
        self._recheck_s = recheck_s
        self._uids: dict[Key, str] = {}
        self._trust = Trust()
        self._events = EventReader(cluster, every_s=recheck_s, clock=time.monotonic)

    async def reconcile(self, key: Key) -> float | None:
        """Do one pass; the seconds until the next one, None if only a change needs one.

        Raises:
            KubeError: The pass was interrupted and must be repeated.
        """
        raw = self._cluster.instances.get(key)
        if raw is None:
            self.forget(key)
            return None
        if "deletionTimestamp" in raw["metadata"]:
            await self._write(raw, status.deleting(raw, now=_now()))
            return None
        try:
            instance = parse(raw)
        except InvalidInstanceError as error:
            await self._write(raw, status.rejected(raw, error.problems, now=_now()))
            return None
        if self._uids.get(key) != instance.metadata.uid:  # another one that had this name
            self.forget(key)
        self._uids[key] = instance.metadata.uid
        return await self._carry_out(Pass(await self._announced(raw), instance))

    async def _announced(self, raw: Manifest) -> Manifest:
        """The instance with a status that calls a new generation not ready, before children change.

        Without it, a client that waits for Ready after an edit could see the Ready from before.
        """
        known = (raw.get("status") or {}).get("observedGeneration")
        if known == raw["metadata"]["generation"]:
            return raw
        return await self._write(raw, status.announced(raw, now=_now()))

    async def _carry_out(self, this: Pass) -> float | None:
        this = await self._with_references(this)
        this = await self._with_credentials(this)
        this = await self._with_rotation(this)
        this = plan.planned(self._cluster, this, self._facts(this))
        if not this.instance.spec.paused:
            this = await self._with_children(this)
        this = await self._with_warnings(this)
        this = await self._with_checks(this)
        if not self._is_newest(this):
            return None  # the newer spec has asked for a pass, and none of it is applied yet
        if this.awaited:
            return self._next_pass_s(this)  # the first answers cause another pass within seconds
        evaluated = status.evaluated(this.raw, this.instance, self._observed(this), now=_now())
        await self._write(this.raw, evaluated)
        return self._next_pass_s(this)

    def _is_newest(self, this: Pass) -> bool:
        newest = self._cluster.instances.get(this.instance.key)
        if newest is None:
            return False
        meta, known = newest["metadata"], this.instance.metadata
        return (meta["uid"], meta["generation"]) == (known.uid, known.generation)

    async def _with_references(self, this: Pass) -> Pass:
        """Read what the spec takes from Secrets of the user."""
        found = await references.load(self._cluster, this.instance)
        return replace(this, external=found.values, verdicts=found.missing)

    async def _with_credentials(self, this: Pass) -> Pass:
        """Create or adopt the generated Secrets."""
        try:
            secrets = await credentials.ensured(self._cluster, this.instance)
        except CredentialsError as error:
            return replace(this, credentials=Verdict.blocked_by(error.reason, str(error)))
        except RefusedError as error:  # a quota, an admission policy, a right that is missing
            message = f"the API server refuses a generated Secret: {error}"
            refused = Verdict.blocked_by(names.REASON_REFUSED, message)
            return replace(this, credentials=refused)
        present = Verdict(True, names.REASON_CREDENTIALS_PRESENT, "all credentials are present")
        return replace(this, credentials=present, secrets=secrets)

    async def _with_rotation(self, this: Pass) -> Pass:
        """Decide which values are in use, and which are valid next to them."""
        found = await rotating.rotated(
            self._cluster,
            this.instance,
            this.values,
            self._facts(this),
            asks=self._checks is not None,
            blocker=next(iter(this.verdicts.values()), None),
        )
        known = found.credentials
        return replace(this, in_use=known.in_use, rotation=known.rotation, rotating=found.verdict)

    async def _with_children(self, this: Pass) -> Pass:
        """Make the children match the spec: apply, expand, restart, stop, prune.

        Without all values of Secrets nothing can be applied, but pods can be stopped, and children
        that are no longer asked for can be deleted.
        """
        live = self._cluster.children(this.instance.key)
        wanted = rollout.arranged(this.instance, this.asked, live)
        if this.blocker is None:
            this = await self._with_applied(this, wanted)
        for manifest in wanted:
            this = await self._with_stopped(this, manifest)
        await self._cluster.prune(this.instance, wanted)
        return this

    async def _with_applied(self, this: Pass, wanted: tuple[Manifest, ...]) -> Pass:
        changes = classes.plan(this.desired, self._cluster.children(this.instance.key))
        refused = await classes.carry_out(self._cluster, changes)
        for manifest in (item for item in wanted if name_of(item) not in changes.held):
            this = await self._with_child(this, manifest)
        for component, verdict in refused.items():
            this = this.with_verdict(component, verdict)
        this = await self._with_expanded_claims(this)
        this = await volumes.describe(self._cluster, this)
        return await self._with_restarts(this)

    def _facts(self, this: Pass) -> children.Facts:
        return children.Facts(
            images=self._images,
            credentials=this.in_use,
            external=this.external,
            operator_version=self._version,
            recorded_set=replica_set.recorded(this.instance, this.secrets),
            pull_secrets=self._pull_secrets,
            rotation=this.rotation,
            ipv6=self._cluster.has_ipv6,
        )

    async def _with_child(self, this: Pass, manifest: Manifest) -> Pass:
        """Apply one manifest; a workload only if everything that it needs could be applied."""
        component, kind = component_of(manifest), manifest["kind"]
        name = manifest["metadata"]["name"]
        if rollout.waits(manifest, this.verdicts.get(component)):
            return this
        try:
            live = await self._cluster.apply(this.instance, manifest)
        except NameConflictError as error:
            verdict = Verdict.blocked_by(names.REASON_NAME_CONFLICT, str(error))
            return this.with_verdict(component, verdict)
        except RefusedError as error:
            message = f"the API server refuses {kind} {name!r}: {error}"
            return this.with_verdict(component, Verdict.blocked_by(names.REASON_REFUSED, message))
        except ContestedError as error:
            return this.with_note(str(error))
        except MissingError:
            return this.with_note(
                f"{kind} {name!r} is not created: this cluster does not serve the kind"
            )
        return this if is_deleted(live) else this.with_applied(manifest, live)

    async def _with_stopped(self, this: Pass, manifest: Manifest) -> Pass:
        """Scale a workload to 0 that the manifest wants at 0, and that could not be applied."""
        live = rollout.to_stop(manifest, self._cluster.children(this.instance.key))
        if live is None:
            return this
        try:
            await self._cluster.stop(this.instance, live)
        except RefusedError as error:
            kind, name = live["kind"], live["metadata"]["name"]
            return this.with_note(f"{kind} {name} cannot be scaled to 0: {error}")
        return this

    async def _with_expanded_claims(self, this: Pass) -> Pass:
        """Ask for larger volumes through the claims; templates of claims are immutable."""
        live = self._cluster.children(this.instance.key)
        for expansion in rollout.expansions(this.desired, live):
            name = expansion.claim["metadata"]["name"]
            try:
                await self._cluster.expand(expansion.claim, expansion.size)
            except RefusedError as error:
                message = f"volume {name} cannot be expanded to {expansion.size}: {error}"
                verdict = Verdict.blocked_by(names.REASON_VOLUME_PENDING, message)
                this = this.with_verdict(component_of(expansion.claim), verdict)
            else:
                log.info("volume expanded", claim=name, size=str(expansion.size))
        return this

    async def _with_restarts(self, this: Pass) -> Pass:
        """Replace, per store, the one pod that its controller leaves as it is."""
        live = self._cluster.children(this.instance.key)
        for workload in (item for item in live if item["kind"] == "StatefulSet"):
            pod = next_restart(workload, rollout.pods_of(workload, live))
            if pod is not None:
                this = await self._with_restart(this, pod)
        return this

    async def _with_restart(self, this: Pass, pod: Manifest) -> Pass:
        """Evict a pod, or delete a broken one; a refused eviction is noted and retried later."""
        name = pod["metadata"]["name"]
        try:
            await (self._cluster.evict(pod) if is_ready(pod) else self._cluster.delete(pod))
        except TransientError as error:
            if error.status != TOO_MANY_REQUESTS:
                raise
            return this.with_note(f"pod {name} cannot be replaced yet, retrying: {error}")
        log.info("pod restarted", pod=name)
        return this

    async def _with_warnings(self, this: Pass) -> Pass:
        """Read what Events tell of the objects that wait, and whose status does not say why."""
        waiting = conditions.suspects(this.instance, self._seen(this))
        uid = this.instance.metadata.uid
        return replace(this, warnings=await self._events.read(uid, waiting))

    async def _with_checks(self, this: Pass) -> Pass:
        """What the deep checks have found of every component that runs, and of waiting agents."""
        if self._checks is None:
            return this
        asked = self._asked(this)
        agent = replica_set.agent(this.instance, self._seen(this).pods(names.MONGODB))
        of_agent = {} if agent is None else {AGENT + agent[0]["metadata"]["name"]: agent[1]}
        key, uid = this.instance.key, this.instance.metadata.uid
        found = self._checks.ask(key, uid, {**asked, **of_agent}, probes.policy(this.instance))
        for name in of_agent:
            refused = agent and replica_set.refused(agent[0], found.details[name])
            this = this if refused is None else this.with_verdict(names.MONGODB, refused)
        for component in found.failures.keys() - of_agent.keys():
            verdict = Verdict(False, names.REASON_UNHEALTHY, found.failures[component])
            this = this.with_verdict(component, verdict)
        this = replace(this, details=found.details, awaited=found.awaited - of_agent.keys())
        if names.MONGODB in asked.keys() - found.failures - this.awaited:
            this = await self._with_recorded_set(this)
        return this

    def _asked(self, this: Pass) -> dict[str, Probe]:
        """How to ask every component that runs; none while the instance hibernates."""
        if this.instance.spec.hibernate or not this.secrets:
            return {}
        observed, uid = self._observed(this), this.instance.metadata.uid
        anchors = self._trust.anchors(uid, probes.certificates(this.external))
        user = this.rotation.user
        known = probes.of(this.instance, this.in_use, this.external, anchors=anchors, user=user)
        return {
            name: probe
            for name, probe in known.items()
            if conditions.is_up(this.instance, observed, name)
        }

    async def _with_recorded_set(self, this: Pass) -> Pass:
        """Record MongoDB's replica set, now or, if its agent cannot say yet, in a later pass."""
        done = await replica_set.record(self._cluster, this.instance, this.secrets)
        return this if done else replace(this, is_unrecorded=True)

    def _seen(self, this: Pass) -> Observed:
        """The children alone, which are not compared with the spec."""
        live = self._cluster.children(this.instance.key)
        said = this.rotating if this.credentials.ok else None
        return Observed(children=live, credentials=said or this.credentials)

    def _observed(self, this: Pass) -> Observed:
        seen = self._seen(this)
        live, drift = seen.children, plan.drift(self._cluster, this)
        return replace(
            seen,
            verdicts=this.verdicts,
            versions=rollout.versions(live),
            primary=self._primary(this),
            notes=(*this.notes, *notes.of(this.instance, live)),
            budgets=budgets(this.instance, live),
            warnings=this.warnings,
            drift=tuple(item for item in drift if not item.is_tolerable),
            tolerated=tuple(item for item in drift if item.is_tolerable),
            blocker=this.blocker,
        )

    def _primary(self, this: Pass) -> str:
        """The pod of MongoDB's primary, from its last check."""
        return replica_set.primary_pod(this.instance, this.details.get(names.MONGODB, ""))

    def _next_pass_s(self, this: Pass) -> float | None:
        if this.is_unrecorded or this.rotating:
            return min(self._recheck_s, float(this.instance.spec.health_checks.interval_seconds))
        unwatched = (
            bool(this.notes or this.warnings)
            or not this.credentials.ok
            or any(verdict.reason in UNWATCHED for verdict in this.verdicts.values())
        )
        is_blind = references.references(this.instance) and not self._cluster.watches_secrets
        return self._recheck_s if unwatched or is_blind else None

    async def _write(self, raw: Manifest, wanted: Manifest) -> Manifest:
        """Write a status if it differs, and publish its transitions; the instance with it."""
        before = raw.get("status") or {}
        if wanted == before:
            return raw
        await self._cluster.write_status(raw, wanted)
        for event in events.of_transitions(raw, before, wanted, now=_now()):
            await self._publish(event)
        return {**raw, "status": wanted}

    async def _publish(self, event: Manifest) -> None:
        try:
            await self._cluster.publish(event)
        except KubeError as error:  # an event is a courtesy: its failure must not stop a pass
            log.warning("event not published", reason=event["reason"], error=str(error))

    def forget(self, key: Key) -> None:
        """Drop what is known of an instance that is deleted, or that others orchestrate."""
        uid = self._uids.pop(key, "")
        self._cluster.secrets.keep(key, ())
        self._trust.forget(uid)
        self._events.forget(uid)
        if self._checks is not None and uid:
            self._checks.forget(uid)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
