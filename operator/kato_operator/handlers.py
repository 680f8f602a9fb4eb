"""The only use of kopf: it logs in, watches KatoInstances, and handles signals."""

import asyncio
import copy
import signal
from typing import Any

import kopf

from kato_operator import names
from kato_operator.cluster.instances import Instances
from kato_operator.manifests import Key


async def watch_instances(instances: Instances, *, namespace: str, watching: asyncio.Event) -> None:
    """Let kopf report KatoInstances, until a signal stops the process.

    If kopf fails, a signal cancels the calling task from then on: kopf's handlers stay, but nothing
    listens to them any more.

    Args:
        instances: Receives every instance that is reported.
        namespace: The only namespace to watch; empty: all of them.
        watching: Is set once kopf watches.
    """
    try:
        await kopf.operator(
            registry=_registry(instances),
            settings=_kopf_settings(),
            standalone=True,
            clusterwide=not namespace,
            namespaces=[namespace] if namespace else [],
            ready_flag=watching,
            # kopf would look up the name of the process' user, which a container need not have
            identity=names.FIELD_MANAGER,  # type: ignore[arg-type]  # its type is private
        )
    except Exception:  # whatever it was, and it goes on: kopf keeps its errors private
        _cancel_on_signals()
        raise


def _cancel_on_signals() -> None:
    task = asyncio.current_task()
    for sent in (signal.SIGTERM, signal.SIGINT):
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(sent, task.cancel)


def _registry(instances: Instances) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(
            **arguments
        )

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def changed(event: kopf.RawEvent, **_: Any) -> None:
        # a coroutine: kopf runs plain functions in threads, which must not touch cache and queue
        raw: dict[str, Any] = copy.deepcopy(dict(event["object"]))
        meta = raw["metadata"]
        if event["type"] == "DELETED":
            instances.remove(Key(meta["namespace"], meta["name"]), meta["uid"])
        else:
            instances.put(raw)

    return registry


def _kopf_settings() -> kopf.OperatorSettings:
    """Settings without Events and CRD scans of kopf's own; every wait on the network is limited."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    return settings
