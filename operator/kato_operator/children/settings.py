"""The plain settings of the service: its environment variables that hold no secret."""

from kato_operator import names
from kato_operator.children import access, tls
from kato_operator.children.component import Component
from kato_operator.children.facts import Facts
from kato_operator.crd.instance import KatoInstance
from kato_operator.crd.service import Processor, Sessions
from kato_operator.crd.spec import ConnectionPools, HealthChecks, Spec
from kato_operator.manifests import Manifest

DATA_DIR = "/data"
EVERY_ADDRESS, EVERY_IPV4_ADDRESS = "::", "0.0.0.0"
SHUTDOWN_GRACE_S = 20
STM_MODES = {"KeepLast": "KEEP_LAST", "Clear": "CLEAR", "Rolling": "ROLLING"}
SERVERS = {names.REDIS: "redis", names.MONGODB: "mongodb", names.QDRANT: "qdrant"}


def config_map(component: Component, facts: Facts) -> Manifest:
    """The ConfigMap with the environment of the service's containers."""
    name = names.config(component.instance.metadata.name)
    return component.manifest("ConfigMap", name, data=variables(component.instance, facts))


def variables(instance: KatoInstance, facts: Facts) -> dict[str, str]:
    """The value of every variable that holds no secret."""
    spec = instance.spec
    two_families = spec.service.expose.ip_family_policy != "SingleStack"
    return {
        "PROCESSOR_ID": instance.processor_id,
        "HOST": EVERY_ADDRESS if facts.ipv6 or two_families else EVERY_IPV4_ADDRESS,
        **_process(spec),
        **access.variables(instance),
        **tls.variables(instance),
        **_stores(spec),
        **_pools(spec.connection_pools),
        **_health_checks(spec.health_checks),
        **_processor(spec.processor),
        **_sessions(spec.sessions),
    }


def _process(spec: Spec) -> dict[str, str]:
    found = {
        "PORT": str(spec.service.port),
        "WORKERS": str(spec.service.workers),
        "DATA_DIR": DATA_DIR,
        "SHUTDOWN_GRACE_S": str(SHUTDOWN_GRACE_S),
    }
    # Only where it is chosen: a new variable restarts the pods of every instance.
    if spec.service.legacy_metrics_json:
        found["METRICS_JSON"] = "true"
    if not spec.service.console:
        found["ENABLE_CONSOLE"] = "false"
    return found


def _stores(spec: Spec) -> dict[str, str]:
    """The kind of each store, by name.

    With a store named, the service does not start without its URL; it would fall back to an
    embedded one otherwise.
    """
    return {
        "SESSION_STORE": _store(names.REDIS, spec.redis.mode),
        "KNOWLEDGE_STORE": _store(names.MONGODB, spec.mongodb.mode),
        "MONGO_DATABASE": names.MONGODB_DATABASE,
        "VECTOR_STORE": _store(names.QDRANT, spec.qdrant.mode),
        "VECTORS": "disabled" if spec.qdrant.mode == "Disabled" else "enabled",
    }


def _store(component: str, mode: str) -> str:
    return mode.lower() if mode in ("Embedded", "Disabled") else SERVERS[component]


def _pools(pools: ConnectionPools) -> dict[str, str]:
    mongodb, redis, qdrant = pools.mongodb, pools.redis, pools.qdrant
    return {
        "MONGO_POOL_MIN_SIZE": str(mongodb.min_size),
        "MONGO_POOL_SIZE": str(mongodb.max_size),
        "MONGO_MAX_IDLE_S": str(mongodb.max_idle_seconds),
        "MONGO_WAIT_QUEUE_TIMEOUT_S": str(mongodb.wait_queue_timeout_seconds),
        "MONGO_SERVER_SELECTION_TIMEOUT_S": str(mongodb.server_selection_timeout_seconds),
        "REDIS_POOL_SIZE": str(redis.max_connections),
        "REDIS_SOCKET_TIMEOUT_S": str(redis.socket_timeout_seconds),
        "QDRANT_POOL_SIZE": str(qdrant.pool_size),
        "QDRANT_TIMEOUT_S": str(qdrant.timeout_seconds),
        "QDRANT_PREFER_GRPC": _boolean(qdrant.prefer_grpc),
    }


def _health_checks(checks: HealthChecks) -> dict[str, str]:
    return {
        "HEALTH_CHECK_INTERVAL": str(checks.interval_seconds),
        "HEALTH_CHECK_TIMEOUT": str(checks.timeout_seconds),
        "HEALTH_CHECK_FAILURES": str(checks.failure_threshold),
    }


def _processor(processor: Processor) -> dict[str, str]:
    return {
        "RECALL_THRESHOLD": processor.recall_threshold,
        "MAX_PREDICTIONS": str(processor.max_predictions),
        "PERSISTENCE": str(processor.persistence),
        "MAX_PATTERN_LENGTH": str(processor.max_pattern_length),
        "STM_MODE": STM_MODES[processor.stm_mode],
        "SORT_SYMBOLS": _boolean(processor.sort_symbols),
        "VECTOR_NEIGHBORS": str(processor.vector_neighbors),
        "VECTOR_MIN_SCORE": processor.vector_min_score,
    }


def _sessions(sessions: Sessions) -> dict[str, str]:
    return {
        "SESSION_TTL": str(sessions.ttl_seconds),
        "SESSION_AUTO_EXTEND": _boolean(sessions.auto_extend),
        "MAX_SESSIONS": str(sessions.max_sessions),
        "MAX_SESSIONS_PER_USER": str(sessions.max_sessions_per_user),
        "MAX_STM_EVENTS": str(sessions.max_stm_events),
    }


def _boolean(value: bool) -> str:
    return "true" if value else "false"
