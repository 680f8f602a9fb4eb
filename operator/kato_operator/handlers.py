"""The running operator: what marks keys dirty, who works on them, and its HTTP port."""

import asyncio
import copy
import random
from typing import Any

import kopf
import structlog
from aiohttp import web

from kato_operator import children, names
from kato_operator.cluster import Cluster
from kato_operator.errors import KubeError, TransientError
from kato_operator.kube import Kube
from kato_operator.metrics import CONTENT_TYPE, Metrics
from kato_operator.queue import DirtyKeys, Key
from kato_operator.reconcile import Reconciler
from kato_operator.settings import OperatorSettings
from kato_operator.stores.checks import DeepChecks

log = structlog.get_logger()


class Operator:
    """One process: caches, queue, workers and the resync, around one reconciler."""

    def __init__(self, settings: OperatorSettings, kube: Kube, *, version: str) -> None:
        clock = asyncio.get_running_loop().time
        self._settings = settings
        self.keys = DirtyKeys(clock=clock)
        self.cluster = Cluster(
            kube,
            namespace=settings.namespace,
            dirty=self.keys.add,
            kinds=children.OWNED_KINDS,
        )
        checks = DeepChecks(clock=clock) if settings.deep_checks else None
        self._reconciler = Reconciler(
            self.cluster,
            checks=checks,
            images=settings.default_images,
            version=version,
            recheck_s=settings.recheck_s,
        )
        self.metrics = Metrics(self.keys, self.cluster)

    async def run(self) -> None:
        """Watch and reconcile until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cluster.watch())
            group.create_task(self._resync())
            for _ in range(self._settings.workers):
                group.create_task(self._work())

    @property
    def is_stuck(self) -> bool:
        return self.cluster.is_synced and self.keys.oldest_wait_s > self._settings.stuck_after_s

    async def _work(self) -> None:
        await self.cluster.synced()
        while True:
            key = await self.keys.get()
            try:
                await self._pass(key)
            finally:
                self.keys.done(key)

    async def _pass(self, key: Key) -> None:
        with structlog.contextvars.bound_contextvars(namespace=key.namespace, instance=key.name):
            try:
                with self.metrics.timed():
                    again_s = await self._reconciler.reconcile(key)
            except KubeError as error:
                self._retry(key, error)
            except Exception:
                log.exception("pass crashed", retry_in_s=round(self.keys.retry(key), 1))
                self.metrics.count("crashed")
            else:
                self.keys.succeeded(key)
                self.metrics.count("done")
                if again_s is not None:
                    self.keys.add_after(key, again_s)

    def _retry(self, key: Key, error: KubeError) -> None:
        wish_s = error.retry_after_s if isinstance(error, TransientError) else 0.0
        delay_s = self.keys.retry(key, at_least_s=wish_s)
        log.warning("pass will be repeated", error=str(error), retry_in_s=round(delay_s, 1))
        self.metrics.count("retried")

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync_s)
            try:
                for key in await self.cluster.resync():
                    self.keys.add_after(key, random.uniform(0, self._settings.resync_s))
            except KubeError as error:
                log.warning("resync failed", error=str(error))


async def run(settings: OperatorSettings, *, version: str) -> None:
    """Run the operator until a signal or cancellation ends it."""
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
            await _watch_instances(settings, operator, watching)
            working.cancel()
    finally:
        if runner is not None:
            await runner.cleanup()
        await kube.close()
        log.info("operator stopped")


async def _watch_instances(
    settings: OperatorSettings, operator: Operator, watching: asyncio.Event
) -> None:
    """Let kopf tell of KatoInstances, and of signals, until one ends the process."""
    await kopf.operator(
        registry=_registry(operator.cluster),
        settings=_kopf_settings(),
        standalone=True,
        clusterwide=not settings.namespace,
        namespaces=[settings.namespace] if settings.namespace else [],
        ready_flag=watching,
        # kopf would ask for the name of the process' user, and a container's may have none
        identity=names.FIELD_MANAGER,  # type: ignore[arg-type]  # a str of a type it keeps private
    )


def _registry(cluster: Cluster) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(
            **arguments
        )

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def changed(event: kopf.RawEvent, **_: Any) -> None:
        # kopf runs a plain function in a thread, where neither caches nor queue may be touched
        raw: dict[str, Any] = copy.deepcopy(dict(event["object"]))
        meta = raw["metadata"]
        if event["type"] == "DELETED":
            cluster.forget(Key(meta["namespace"], meta["name"]), meta["uid"])
        else:
            cluster.learn_of(raw)

    return registry


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    return settings


async def _serving(
    settings: OperatorSettings, operator: Operator, watching: asyncio.Event
) -> web.AppRunner:
    async def healthz(_: web.Request) -> web.Response:
        if operator.is_stuck:
            return web.Response(status=503, text="a changed instance waits for too long\n")
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if watching.is_set() and operator.cluster.is_synced:
            return web.Response(text="ok\n")
        return web.Response(status=503, text="the caches are being filled\n")

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
