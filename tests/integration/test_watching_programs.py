"""What programs that watched a KATO v2 or v3 ask a service, and what they read in its answers.

As in `test_client_conversations`, which the fixtures share.
"""

import pytest
from talks import Talk

from support.patient import PATIENCE_S
from support.shapes import NUMBER, Kind, at, is_, lacking
from support.sockets import opened

pytestmark = pytest.mark.xdist_group("client conversations")
RESOURCES: dict[str, Kind] = {
    "cpu_percent": NUMBER,
    "memory_percent": NUMBER,
    "disk_percent": NUMBER,
}
STORE: dict[str, Kind] = {"operations": int, "errors": int, "avg_response_time": NUMBER}
SUMMARY: dict[str, Kind] = {
    "sessions": {
        "total_created": int, "total_deleted": int, "active": int, "operations_total": int,
    },
    "performance": {
        "total_requests": int, "total_errors": int, "error_rate": NUMBER,
        "average_response_time": NUMBER,
    },
    "resources": RESOURCES,
    "databases": {"mongodb": STORE, "clickhouse": STORE, "qdrant": STORE, "redis": STORE},
}  # fmt: skip
POINT: dict[str, Kind] = {"timestamp": NUMBER, "value": NUMBER, "labels": dict}
PROCESSORS: dict[str, Kind] = {
    "total_processors": int, "max_processors": int, "eviction_ttl_seconds": int,
    "processors": list,
}  # fmt: skip
STATS: dict[str, Kind] = {
    "time_range_minutes": is_(5), "timestamp": NUMBER, "processor_manager": PROCESSORS,
    "current_status": {
        "status": is_("healthy"), "issues": is_([]), "timestamp": at,
        "metrics": {"cpu_percent": NUMBER, "memory_percent": NUMBER, "error_rate_per_min": NUMBER},
    },
    "time_series": {
        "kato_cpu_usage_percent": [POINT], "cpu_percent": [POINT], "requests_total": [POINT],
        "response_time": list, "redis_response_time": list, "clickhouse_operations": [POINT],
    },
    "summary": SUMMARY,
}  # fmt: skip


def test_a_program_that_watches_the_service(talk: Talk) -> None:
    talk.get("/", has={"service": str, "version": str, "status": is_("running"), "docs": str})
    health = {"status": is_("healthy"), "processor_status": is_("healthy"), "issues": is_([])}
    health |= {"active_sessions": int, "uptime_seconds": NUMBER, "timestamp": at}
    health |= {"metrics_collected": int, "last_collection": NUMBER, "service_name": str}
    talk.get("/health", has=health)
    sessions = {"total_sessions": int, "active_sessions": int, "expired_sessions": int}
    status = {"status": str, "base_processor_id": str, "processors": PROCESSORS}
    talk.get("/status", has=status | {"sessions": sessions, "uptime_seconds": NUMBER})
    talk.headers = {"Accept": "application/json"}
    metrics = SUMMARY | {"timestamp": NUMBER, "processor_manager": PROCESSORS}
    metrics |= {"rates": {"requests_per_second": NUMBER, "requests_per_minute": NUMBER}}
    talk.get("/metrics", has=metrics)
    talk.get("/stats?minutes=5", has=STATS)
    statistics = {"count": int, "min": NUMBER, "max": NUMBER, "avg": NUMBER}
    has = {"metric_name": str, "time_range_minutes": is_(10), "timestamp": NUMBER}
    has |= {"statistics": statistics, "data_points": [POINT]}
    for name in ("kato_cpu_usage_percent", "memory_percent"):
        assert talk.get(f"/metrics/{name}", has=has)["metric_name"] == name
    talk.refused("GET", "/metrics/none", None, status=404, words="no data available")
    talk.get("/connection-pools", has={"health": dict, "pool_statistics": dict, "timestamp": at})
    talk.get("/concurrency", has={"status": str, "current": dict, "peak": dict, "limits": dict})
    talk.get("/cache/stats", has={"cache_performance": dict, "cache_health": dict})
    talk.post("/cache/invalidate", has={"status": is_("success"), "patterns_invalidated": is_(0)})
    talk.get("/distributed-stm/stats", has={"status": is_("disabled")})
    talk.get("/sessions/test/7", has={"test_id": is_("7"), "message": str})


def test_a_program_that_follows_the_sessions_of_its_node(talk: Talk) -> None:
    with opened(f"{talk.urls[0]}/ws/events?node_id={talk.user}") as socket:
        snapshot = {"active_sessions": int, "system_status": is_("healthy")}
        framed = {"event_type": is_("state.snapshot"), "timestamp": at, "data": snapshot}
        assert lacking(socket.next(), framed) == []
        created = talk.post("/sessions", {"node_id": talk.user}, has={"session_id": str})
        session_id = {"session_id": str, "node_id": is_(talk.user)}
        talk.ask("DELETE", f"/sessions/{created['session_id']}", has={"status": is_("deleted")})
        # Replicas tell each other from time to time, so the second may come first.
        frames = {frame["event_type"]: frame for frame in (socket.next(), socket.next())}
        for kind, data in (
            ("session.created", {"created_at": at}),
            ("session.destroyed", {"destroyed_at": at, "reason": is_("explicit_delete")}),
        ):
            framed = {"event_type": is_(kind), "timestamp": at, "data": session_id | data}
            assert lacking(frames[kind], framed) == []
        socket.connection.send("ping")
        assert socket.connection.recv(timeout=PATIENCE_S) == "pong"
