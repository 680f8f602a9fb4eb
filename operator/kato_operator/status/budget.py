"""How many connections an instance may open to each store, against what the store accepts."""

from collections.abc import Iterable
from dataclasses import dataclass

from kato_operator import names
from kato_operator.crd.instance import KatoInstance
from kato_operator.manifests import Manifest
from kato_operator.status.diagnosis import Verdict

REDIS_MAXCLIENTS = 10_000
"""What Redis accepts when nothing is configured."""
MONITORING = 3
"""Connections of each process that are in no pool: monitoring and health checks."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Connections to one store at the worst moment; *limit* 0: the store states none."""

    store: str
    needed: int
    limit: int

    @property
    def is_exceeded(self) -> bool:
        return 0 < self.limit < self.needed

    def described(self) -> dict[str, int]:
        """The budget as the status spells it."""
        return {"needed": self.needed, **({"limit": self.limit} if self.limit else {})}


def budgets(instance: KatoInstance, live: Iterable[Manifest]) -> tuple[Budget, ...]:
    """What a rollout at full scale needs, where stores are not embedded, and what they accept."""
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
    """Whether a store would have to refuse connections."""
    exceeded = [item for item in found if item.is_exceeded]
    if not exceeded:
        return Verdict(False, names.REASON_WITHIN_BUDGET, "the stores accept every connection")
    said = (f"{item.store} accepts {item.limit} of {item.needed}" for item in exceeded)
    return Verdict(True, names.REASON_BUDGET_EXCEEDED, f"connections: {', '.join(said)}")


def _limits(instance: KatoInstance, live: Iterable[Manifest]) -> dict[str, int]:
    """What the managed stores were told to accept."""
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
    """The value of `--maxConns` on any container's command line; 0 without one."""
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
    """Pods at full scale, and the one more of a rolling update."""
    service = instance.spec.service
    most = service.autoscaling.max_replicas if service.autoscaling is not None else 0
    return max(service.replicas, most) + 1
