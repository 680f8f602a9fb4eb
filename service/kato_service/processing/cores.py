"""How many processors this process may use."""

import os
from contextlib import suppress
from math import ceil
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Those it is bound to, or fewer where the limit of its container is lower; at least one."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(bound or 1, ceil(_limit(cgroup))))


def _limit(cgroup: Path) -> float:
    """Processors that the container's limit amounts to."""
    for read in (_limit_v2, _limit_v1):
        with suppress(OSError, ValueError, ZeroDivisionError):
            limit = read(cgroup)
            if limit > 0:
                return limit
    return float(2**31)


def _limit_v2(cgroup: Path) -> float:
    quota, period = (cgroup / "cpu.max").read_text(encoding="ascii").split()
    return int(quota) / int(period)


def _limit_v1(cgroup: Path) -> float:
    quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text(encoding="ascii")
    period = (cgroup / "cpu/cpu.cfs_period_us").read_text(encoding="ascii")
    return int(quota) / int(period)
