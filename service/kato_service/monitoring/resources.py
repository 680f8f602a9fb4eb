"""What this process takes of the machine, as shares of what it may take."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CPU, MEMORY, DISK = (f"kato_{what}_usage_percent" for what in ("cpu", "memory", "disk"))
MEMORY_BYTES, LOAD = "kato_memory_usage_bytes", "load_average_1m"
RESOURCES = (CPU, MEMORY, DISK, MEMORY_BYTES, LOAD)
"""The names of what a `ResourceMeter` reads."""


class ResourceMeter:
    """Reads files and the disk's state, which may block: to be called in a thread."""

    def __init__(self, data_dir: Path, *, cores: int, memory_bytes: int) -> None:
        """A meter whose first reading covers the life of the process so far.

        Args:
            data_dir: Where the service writes; it need not exist yet.
            cores: Processors that the process may use.
            memory_bytes: Memory that it may use.
        """
        self._data_dir = data_dir
        self._cores = cores
        self._memory_bytes = memory_bytes
        self._read_at = time.monotonic() - _age_s()
        self._computed_s = 0.0

    def read(self) -> dict[str, float]:
        """Figures by name; what this system does not tell is left out.

        `CPU`: computing time since the last reading, of what all usable processors could have
        computed. `MEMORY`: resident memory. `DISK`: what is taken of the file system with the data
        directory. These are percentages. `MEMORY_BYTES`: resident memory. `LOAD`: processes that
        run or wait on the machine, averaged over a minute.
        """
        return {name: round(value, 2) for name, value in self._figures()}

    def _figures(self) -> Iterator[tuple[str, float]]:
        now, computed_s = time.monotonic(), time.process_time()
        possible_s = (now - self._read_at) * self._cores
        if possible_s > 0:
            yield CPU, min(100.0, 100 * (computed_s - self._computed_s) / possible_s)
        self._read_at, self._computed_s = now, computed_s
        with suppress(OSError):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            resident_bytes = pages * os.sysconf("SC_PAGE_SIZE")
            yield MEMORY_BYTES, resident_bytes
            yield MEMORY, 100 * resident_bytes / self._memory_bytes
        with suppress(OSError):
            disk = shutil.disk_usage(_existing(self._data_dir.absolute()))
            yield DISK, 100 * disk.used / disk.total
        with suppress(OSError):
            yield LOAD, os.getloadavg()[0]


def _existing(path: Path) -> Path:
    """*path*, or the nearest folder above it that exists."""
    return next(one for one in (path, *path.parents) if one.exists())


def _age_s() -> float:
    """Seconds since this process started; 0 where the system does not tell."""
    with suppress(OSError, AttributeError):
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started_s
    return 0.0
