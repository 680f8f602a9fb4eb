"""The running operator: informers, work queue, workers, resync, and the HTTP port."""

import asyncio
import random

import structlog
from aiohttp import web

from kato_operator import names
from kato_operator.cluster.cluster import Cluster
from kato_operator.cluster.kube import Kube
from kato_operator.errors import KubeError, TransientError
from kato_operator.handlers import watch_instances
from kato_operator.manifests import Key
from kato_operator.metrics import CONTENT_TYPE, Metrics
from kato_operator.queue import WorkQueue
from kato_operator.reconcile.reconciler import Reconciler
from kato_operator.settings import OperatorSettings
from kato_operator.stores.checks import DeepChecks

log = structlog.get_logger()


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
        )
        checks = DeepChecks(clock=clock) if settings.deep_checks else None
        self._reconciler = Reconciler(
            self.cluster,
            checks=checks,
            images=dict(settings.default_images.items()),
            pull_secrets=settings.pull_secrets,
            version=version,
            recheck_s=settings.recheck_s,
        )
        self.metrics = Metrics(self.queue, self.cluster.instances)

    async def run(self) -> None:
        """Watch the cluster and reconcile instances until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cluster.watch())
            group.create_task(self._resync())
            for _ in range(self._settings.workers):
                group.create_task(self._work())

    @property
    def is_stuck(self) -> bool:
        """Whether a changed instance has waited too long for a worker."""
        return self.cluster.is_synced and self.queue.oldest_wait_s > self._settings.stuck_after_s

    async def _work(self) -> None:
        """Take one key after the other; no pass starts before the caches are filled."""
        await self.cluster.synced()
        while True:
            key = await self.queue.get()
            try:
                await self._pass(key)
            finally:
                self.queue.done(key)

    async def _pass(self, key: Key) -> None:
        with structlog.contextvars.bound_contextvars(namespace=key.namespace, instance=key.name):
            try:
                with self.metrics.timed():
                    next_s = await self._reconciler.reconcile(key)
            except KubeError as error:
                self._retry(key, error)
            except Exception:  # a defect that one instance brings out must not stop the others
                log.exception("pass crashed", retry_in_s=round(self.queue.retry(key), 1))
                self.metrics.count("crashed")
            else:
                self.queue.succeeded(key)
                self.metrics.count("done")
                if next_s is not None:
                    self.queue.add_after(key, next_s)

    def _retry(self, key: Key, error: KubeError) -> None:
        at_least_s = error.retry_after_s if isinstance(error, TransientError) else 0.0
        delay_s = self.queue.retry(key, at_least_s=at_least_s)
        log.warning("pass interrupted", error=str(error), retry_in_s=round(delay_s, 1))
        self.metrics.count("retried")

    async def _resync(self) -> None:
        """List everything from time to time, and spread a pass of every instance over that time.

        It repairs whatever a watch may have missed.
        """
        while True:
            await asyncio.sleep(self._settings.resync_s)
            try:
                for key in await self.cluster.resync():
                    self.queue.add_after(key, random.uniform(0, self._settings.resync_s))
            except KubeError as error:
                log.warning("resync failed", error=str(error))


async def run(settings: OperatorSettings, *, version: str) -> None:
    """Run the operator until a signal or cancellation stops it."""
    kube = await Kube.connect(
        manager=names.FIELD_MANAGER,
        rate=settings.api_requests_per_s,
        timeout_s=settings.api_timeout_s,
    )
    runner = None
    try:
        operator = Operator(settings, kube, version=version)
        watching = asyncio.Event()
        runner = await _serving(settings, operator, watching)
        log.info("operator started", version=version, namespace=settings.namespace or "all")
        async with asyncio.TaskGroup() as group:
            working = group.create_task(operator.run())
            await operator.cluster.synced()
            await watch_instances(
                operator.cluster.instances, namespace=settings.namespace, watching=watching
            )
            working.cancel()
    finally:
        if runner is not None:
            await runner.cleanup()
        await kube.close()
        log.info("operator stopped")


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
            return web.Response(text="ok\n")
        return web.Response(status=503, text="not ready: the caches are still being filled\n")

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
