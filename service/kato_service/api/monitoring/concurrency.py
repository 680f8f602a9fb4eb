"""How busy this worker is: requests and frames in progress, of those that it may have."""

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from kato_service.api.intake.admission import Admission
from kato_service.service import BACKLOG

BUSY, FULL = 0.8, 0.95
"""Shares of the places from which on a worker is called busy, and almost full."""
_OF_KERNEL = Path("/proc/sys/net/core/somaxconn")


def concurrency(admission: Admission, workers: int) -> dict[str, Any]:
    """The figures of now; the request that asks for them is one of those in progress."""
    limit, now, most = admission.max_requests, admission.requests.total, admission.requests.most
    return {
        "status": _level(now, limit, "healthy", "warning", "critical"),
        "current": _use(now, limit),
        "peak": _use(most, limit),
        "limits": {
            "per_worker": limit,
            "warning_threshold": _threshold(BUSY, limit),
            "critical_threshold": _threshold(FULL, limit),
            "total_capacity": limit * workers,
        },
        "configuration": {
            "workers": workers,
            "backlog": _backlog(),
            "max_requests": "unlimited",
        },
        "recommendations": [_recommendation(now, most, limit)],
    }


@cache
def _backlog() -> int:
    """Connections that may wait to be accepted, as far as the kernel allows it."""
    with suppress(OSError, ValueError):
        return min(BACKLOG, int(_OF_KERNEL.read_text(encoding="ascii")))
    return BACKLOG


def _use(count: int, limit: int) -> dict[str, Any]:
    return {"concurrent_requests": count, "utilization_percent": round(100 * count / limit, 2)}


def _threshold(share: float, limit: int) -> int:
    return max(1, int(share * limit))


def _level(count: int, limit: int, *words: str) -> str:
    calm, busy, full = words
    if count >= _threshold(FULL, limit):
        return full
    return busy if count >= _threshold(BUSY, limit) else calm


def _recommendation(now: int, most: int, limit: int) -> dict[str, str]:
    level = _level(most, limit, "info", "warning", "critical")
    if level == "info":
        return {"level": level, "message": f"at most {most} of {limit} places were taken at once"}
    return {
        "level": level,
        "message": f"{most} of {limit} places were taken at once, and {now} are taken now; add"
        " replicas or workers, or raise MAX_REQUESTS_IN_FLIGHT",
    }
