"""The running operator: informers, work queue, workers, resync, and the HTTP port."""

import asyncio
import random

import structlog
from aiohttp import web

from kato_operator import names
from kato_operator.claims import lease
from kato_operator.claims.claims import Claims
from kato_operator.claims.leadership import Leadership
from kato_operator.claims.rights import Rights, writing_for
from kato_operator.claims.rivals import Rivals
from kato_operator.cluster.cluster import Cluster
from kato_operator.cluster.definition import MISSING, Definition
from kato_operator.cluster.kube import Kube, counted_writes
from kato_operator.errors import KubeError, TransientError
from kato_operator.handlers import watch_instances
from kato_operator.instance_metrics import InstanceMetrics
from kato_operator.manifests import Key
from kato_operator.metrics import CONTENT_TYPE, Metrics
from kato_operator.queue import WorkQueue
from kato_operator.reconcile.reconciler import Reconciler
from kato_operator.settings import OperatorSettings
from kato_operator.stores.deep_checks import DeepChecks

log = structlog.get_logger()

RESYNC_AGAIN_S = 60.0
"""Seconds until the next attempt after a resync that failed."""


class Operator:
    """Everything that runs in one process, around one reconciler."""

    def __init__(self, settings: OperatorSettings, kube: Kube, *, version: str) -> None:
        clock = asyncio.get_running_loop().time
        self._settings = settings
        self.queue = WorkQueue(clock=clock)
        self.cluster = Cluster(
            kube,
            namespace=settings.namespace,
            changed=self.queue.add,
            excluded=settings.excluded_namespaces,
            ipv6=kube.has_ipv6 if settings.ipv6 == "auto" else settings.ipv6 == "true",
            recheck_s=settings.recheck_s,
        )
        self.definition = Definition(
            kube, namespace=settings.namespace, look_every_s=settings.recheck_s
        )
        self.leadership = Leadership(
            kube,
            lease.named(settings.identity),
            process=settings.process,
            lease_s=settings.lease_s,
        )
        self._claims = self._made_claims(kube)
        kube.may_write_s = Rights(self.leadership, self._claims).remaining_s
        self._checks = DeepChecks(
            clock=clock,
            changed=self.queue.add,
            rate=settings.checked_instances_per_s,
            may_ask=lambda: self.leadership.is_held,
        )
        self._reconciler = Reconciler(
            self.cluster,
            checks=self._checks if settings.deep_checks else None,
            images=dict(settings.default_images.items()),
            pull_secrets=settings.pull_secrets,
            version=version,
            recheck_s=settings.recheck_s,
        )
        self.metrics = self._made_metrics()

    def _made_claims(self, kube: Kube) -> Claims:
        settings = self._settings
        return Claims(
            self.cluster,
            self.leadership,
            Rivals(kube, gone_after_s=max(settings.take_over_after_s, settings.lease_s)),
            excluded=settings.excluded_namespaces,
            changed=self.queue.add,
            every_s=min(settings.lease_s, settings.take_over_after_s / 3),
        )

    def _made_metrics(self) -> Metrics:
        named = InstanceMetrics(
            self.cluster.instances,
            self.queue,
            ours=self._claims.ours,
            most=self._settings.instance_metrics,
        )
        return Metrics(
            self.queue,
            named,
            phases=self._claims.phases,
            held_for_s=lambda: self.leadership.held_for_s,
        )

    async def run(self) -> None:
        """Watch the cluster and reconcile instances until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cluster.watch())
            group.create_task(self._checks.run())
            group.create_task(self._resync())
            group.create_task(self.leadership.run())
            group.create_task(self._claims.run())
            for _ in range(self._settings.workers):
                group.create_task(self._work())

    @property
    def is_stuck(self) -> bool:
        """Whether a changed instance has waited too long for a worker of a process that writes."""
        waited_s = min(self.queue.oldest_wait_s, self.leadership.held_for_s)
        return self.cluster.is_synced and waited_s > self._settings.stuck_after_s

    @property
    def role(self) -> str:
        """Whether this process writes, in words."""
        if self.leadership.is_held:
            return f"this process holds Lease {self._settings.identity}"
        holder = self.leadership.holder or "nobody"
        return f"standing by: Lease {self._settings.identity} is held by {holder}"

    async def _work(self) -> None:
        """Take one key after the other, once the caches are filled and while the Lease is held."""
        await self.cluster.synced()
        while True:
            key = await self.queue.get()
            try:
                await self.leadership.held()  # not before: it may be lost while no key is due
                await self._pass(key)
            finally:
                self.queue.done(key)

    async def _pass(self, key: Key) -> None:
        named = structlog.contextvars.bound_contextvars(namespace=key.namespace, instance=key.name)
        with named, counted_writes() as writes:
            try:
                with self.metrics.timed():
                    next_s = await self._reconciled(key)
            except KubeError as error:
                self._retry(key, error, has_progressed=writes.count > 0)
            except Exception:  # a defect that one instance brings out must not stop the others
                log.exception("pass crashed", retry_in_s=round(self.queue.retry(key), 1))
                self.metrics.count(key, "crashed")
            else:
                self.queue.succeeded(key)
                self.metrics.count(key, "done")
                if next_s is not None:
                    self.queue.add_after(key, next_s)

    async def _reconciled(self, key: Key) -> float | None:
        """One pass over an instance, if this installation orchestrates it."""
        raw = self.cluster.instances.get(key)
        if raw is None:
            self._claims.forget(key)
        elif not await self._claims.hold(raw):
            self._reconciler.forget(key)
            return None
        with writing_for(key):
            return await self._reconciler.reconcile(key)

    def _retry(self, key: Key, error: KubeError, *, has_progressed: bool) -> None:
        at_least_s = error.retry_after_s if isinstance(error, TransientError) else 0.0
        delay_s = self.queue.retry(key, at_least_s=at_least_s, has_progressed=has_progressed)
        log.warning("pass interrupted", error=str(error), retry_in_s=round(delay_s, 1))
        self.metrics.count(key, "retried")

    async def _resync(self) -> None:
        """List everything from time to time, and spread a pass of every instance over that time.

        It repairs whatever a watch may have missed.
        """
        pause_s = self._settings.resync_s
        while True:
            await asyncio.sleep(pause_s)
            pause_s = self._settings.resync_s
            try:
                for key in await self.cluster.resync():
                    self.queue.add_after(key, random.uniform(0, self._settings.resync_s))
            except KubeError as error:
                pause_s = min(pause_s, RESYNC_AGAIN_S)
                log.warning("resync failed", error=str(error), retry_in_s=pause_s)


async def run(settings: OperatorSettings, *, version: str) -> None:
    """Run the operator until a signal or cancellation stops it."""
    kube = await Kube.connect(
        manager=names.FIELD_MANAGER,
        rate=settings.api_requests_per_s,
        timeout_s=settings.api_timeout_s,
        excluded=settings.excluded_namespaces,
    )
    runner: web.AppRunner | None = None
    operator: Operator | None = None
    try:
        operator = Operator(settings, kube, version=version)
        watching = asyncio.Event()
        runner = await _serving(settings, operator, watching)
        log.info(
            "operator started",
            version=version,
            namespace=settings.namespace or "all",
            excluded=settings.excluded_namespaces,
            installation=settings.identity,
        )
        async with asyncio.TaskGroup() as group:
            working = group.create_task(operator.run())
            await operator.cluster.synced()
            await _watch(settings, operator, watching)
            working.cancel()
    finally:
        if operator is not None:
            await kube.drained()
            await operator.leadership.release()
        if runner is not None:
            await runner.cleanup()
        await kube.close()
        log.info("operator stopped")


async def _watch(settings: OperatorSettings, operator: Operator, watching: asyncio.Event) -> None:
    """Let kopf report KatoInstances whenever their CRD is installed, until a signal.

    kopf never watches a CRD that it did not find, and fails when one is removed.
    """
    while True:
        await operator.definition.served()
        try:
            return await watch_instances(
                operator.cluster.instances, namespace=settings.namespace, watching=watching
            )
        except Exception:  # kopf keeps its errors private: the API server tells what has happened
            watching.clear()
            if await operator.definition.is_served():
                raise


async def _serving(
    settings: OperatorSettings, operator: Operator, watching: asyncio.Event
) -> web.AppRunner:
    async def healthz(_: web.Request) -> web.Response:
        if operator.is_stuck:
            return web.Response(
                status=503, text="a changed instance has waited too long for a worker\n"
            )
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if watching.is_set() and operator.cluster.is_synced:
            return web.Response(text=f"ok: {operator.role}\n")
        missing = MISSING if operator.definition.is_missing else "the caches are still being filled"
        return web.Response(status=503, text=f"not ready: {missing}\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=operator.metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=settings.http_port).start()
    return runner
