"""How many connections an instance may open to each store, and how many the store accepts."""

from collections.abc import Iterable
from dataclasses import dataclass

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest
from kato_operator.status.diagnosis import Verdict

REDIS_MAXCLIENTS = 10_000
"""Connections that Redis accepts unless it is configured otherwise."""
MONITORING = 3
"""Connections that each process opens outside its pools: monitoring and health checks."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most connections to one store; *limit* is what it accepts, 0 if that is unknown."""

    store: str
    needed: int
    limit: int

    @property
    def is_exceeded(self) -> bool:
        return 0 < self.limit < self.needed

    def described(self) -> dict[str, int]:
        """The budget in the spelling of the status."""
        return {"needed": self.needed, **({"limit": self.limit} if self.limit else {})}


def budgets(instance: KatoInstance, live: Iterable[Manifest]) -> tuple[Budget, ...]:
    """The budget of each store that is not embedded, during a rollout at full scale."""
    limits = _limits(instance, live)
    pools = instance.spec.connection_pools
    sizes = {names.REDIS: pools.redis.max_connections, names.MONGODB: pools.mongodb.max_size}
    modes = {names.REDIS: instance.spec.redis.mode, names.MONGODB: instance.spec.mongodb.mode}
    processes = _pods(instance) * instance.spec.service.workers
    return tuple(
        Budget(store, processes * (size + MONITORING), limits.get(store, 0))
        for store, size in sizes.items()
        if modes[store] != "Embedded"
    )


def verdict(found: Iterable[Budget]) -> Verdict:
    """Whether a store may have to refuse connections; True is bad."""
    exceeded = [item for item in found if item.is_exceeded]
    if not exceeded:
        return Verdict(
            False, names.REASON_WITHIN_BUDGET, "the stores accept every connection of the pools"
        )
    stores = ", ".join(f"{it.store}: {it.needed} needed, {it.limit} accepted" for it in exceeded)
    what = f"the pools may open more connections than a store accepts ({stores})"
    fix = "use smaller pools, fewer pods or workers, or a larger store"
    return Verdict(True, names.REASON_BUDGET_EXCEEDED, f"{what}; {fix}")


def _limits(instance: KatoInstance, live: Iterable[Manifest]) -> dict[str, int]:
    """The number of connections that each managed store is configured to accept."""
    found: dict[str, int] = {}
    if instance.spec.redis.mode == "Managed":
        given = instance.spec.redis.managed.config.get("maxclients", "")
        found[names.REDIS] = int(given) if given.isdecimal() else REDIS_MAXCLIENTS
    name = names.store(instance.metadata.name, names.MONGODB)
    for item in live:
        if (item["kind"], item["metadata"]["name"]) == ("StatefulSet", name):
            found[names.MONGODB] = _max_conns(item)
    return found


def _max_conns(workload: Manifest) -> int:
    """The value of `--maxConns` on a container's command line; 0 without one."""
    containers = workload["spec"]["template"]["spec"]["containers"]
    words = [
        word
        for container in containers
        for argument in (*container.get("command", ()), *container.get("args", ()))
        for word in argument.replace("=", " ").split()
    ]
    after = words[words.index("--maxConns") + 1 :] if "--maxConns" in words else []
    return int(after[0]) if after and after[0].isdecimal() else 0


def _pods(instance: KatoInstance) -> int:
    """Pods at full scale, and the additional one of a rolling update."""
    service = instance.spec.service
    most = service.autoscaling.max_replicas if service.autoscaling is not None else 0
    return max(service.replicas, most) + 1
