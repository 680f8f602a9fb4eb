"""What kopf is used for: it watches KatoInstances, logs in and handles signals. Nothing else."""

import asyncio
import copy
from typing import Any

import kopf

from kato_operator import names
from kato_operator.cluster.instances import Instances
from kato_operator.manifests import Key


async def watch_instances(instances: Instances, *, namespace: str, watching: asyncio.Event) -> None:
    """Let kopf report KatoInstances to *cluster*, and signals, until a signal ends the process.

    Args:
        namespace: The only namespace to watch; empty watches all of them.
        watching: Set once kopf watches.
    """
    await kopf.operator(
        registry=_registry(instances),
        settings=_kopf_settings(),
        standalone=True,
        clusterwide=not namespace,
        namespaces=[namespace] if namespace else [],
        ready_flag=watching,
        # kopf would ask for the name of the process' user, and a container's may have none
        identity=names.FIELD_MANAGER,  # type: ignore[arg-type]  # a str of a type it keeps private
    )


def _registry(instances: Instances) -> kopf.OperatorRegistry:
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
            instances.remove(Key(meta["namespace"], meta["name"]), meta["uid"])
        else:
            instances.put(raw)

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
