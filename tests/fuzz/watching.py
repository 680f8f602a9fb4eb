"""What must hold after any input: flat memory, a quiet log, right answers, no connection left."""

import gzip
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest

from programs import golden_conversation
from support.services import ServiceProcess

CASES = int(os.environ.get("FUZZ_CASES", "0"))
"""How much is generated for each kind of test; 0: the short form."""
SEED = int(os.environ.get("SEED", "20261129"))
ONLY = os.environ.get("FUZZ_ONLY")
"""Number of the one case of raw bytes to send."""
AT_ONCE = 24
"""Connections with raw bytes that are open at the same time."""
Watched = Callable[[], AbstractContextManager[ServiceProcess]]
ADMIN_KEY = "a-key-that-may-do-everything"
SAMPLE_S = 0.25
TELL_S = 15.0
WARM_UP_S = 60.0
"""Seconds in which the largest requests may have come, wherever in the order they are: what they
need once, the allocator keeps."""
WARM_UP_MIB = 96.0
"""MiB by which memory may grow meanwhile."""
GROWTH = 1.15
GROWTH_MIB = 24.0
"""Afterwards memory must stay below `GROWTH` times what was used after a third of the time, plus
these MiB: sessions and patterns that generated requests made are still there at the end."""
SETTLED_FILES = 16
"""Files more than before that may be open afterwards: idle connections to stores, new databases."""
PATIENCE_S = 60.0
GOLDEN_CASES = 10
MiB = 2**20
_GOLDEN = Path(__file__).parents[1] / "golden" / "predictions.jsonl.gz"


@dataclass(frozen=True)
class Variant:
    """A way to run the service."""

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    """What generated requests carry."""


@contextmanager
def watched(service: ServiceProcess) -> Iterator[None]:
    """Check a service after the input that is sent in the block.

    Raises:
        AssertionError: Its memory grew, files stayed open, it logged an error, or it no longer
            predicts what the golden cases say.
    """
    assert service.process is not None
    agreed(service)
    process = psutil.Process(service.process.pid)
    files = process.num_fds()
    memory = Memory(process)
    with memory:
        yield
    assert service.process.poll() is None, f"the service ended: {service.log[-4000:]}"
    _await_closed(process, files)
    assert not errors_of(service.log), service.log[-8000:]
    agreed(service)
    memory.require_flat()


class Memory:
    """Samples the resident memory of a process, in a thread, and tells how it develops."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._samples: list[tuple[float, float]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def require_flat(self) -> None:
        if not self._samples:
            return
        (began_at, first_mib), (ended_at, _) = self._samples[0], self._samples[-1]
        early_until = began_at + max(WARM_UP_S, (ended_at - began_at) / 3)
        early_mib = max(mib for at, mib in self._samples if at <= early_until)
        most_mib = max(mib for _, mib in self._samples)
        told(f"memory: {first_mib:.1f} MiB, early {early_mib:.1f} MiB, at most {most_mib:.1f} MiB")
        found = self._samples[:: max(1, len(self._samples) // 20)]
        assert early_mib <= first_mib + WARM_UP_MIB, f"memory grew at once: {found}"
        assert most_mib <= early_mib * GROWTH + GROWTH_MIB, f"memory grew: {found}"

    def _run(self) -> None:
        began = told_at = time.monotonic()
        while not self._stopped.wait(SAMPLE_S):
            with suppress(psutil.NoSuchProcess):
                mib = self._process.memory_info().rss / MiB
                now = time.monotonic()
                self._samples.append((now, mib))
                if now > told_at + TELL_S:
                    told_at = now
                    told(f"{now - began:.0f} s: the service uses {mib:.1f} MiB")


def numbers(count: int) -> Sequence[int]:
    """The numbers of cases to send."""
    return [int(ONLY)] if ONLY else range(count)


def told(line: str) -> None:
    """Show progress, which `pytest -s` lets through."""
    sys.stdout.write(f"  {line}\n")
    sys.stdout.flush()


def errors_of(log: str) -> list[str]:
    """Lines of a log that no request may cause."""
    lines = log.splitlines()
    return [line for line in lines if "Traceback" in line or '"level":"error"' in line]


def agreed(service: ServiceProcess) -> None:
    """Play golden cases; every prediction must be as expected."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(golden_conversation.HEADERS, "X-API-Key", ADMIN_KEY)
        for case in golden_cases():
            golden_conversation.forget(service.url, case)
            found = golden_conversation.predictions_of(service.url, case)
            assert golden_conversation.agrees(case["predictions"], found), case["id"]


@cache
def golden_cases() -> tuple[dict[str, Any], ...]:
    """Some small ones, evenly spread."""
    with gzip.open(_GOLDEN, "rt", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    small = [case for case in cases if case["predictions"] and len(case["learned"]) < 12]
    return tuple(small[:: len(small) // GOLDEN_CASES][:GOLDEN_CASES])


def _await_closed(process: psutil.Process, files: int) -> None:
    """Connections that clients left must be closed soon."""
    give_up_at = time.monotonic() + PATIENCE_S
    while process.num_fds() > files + SETTLED_FILES:
        assert time.monotonic() < give_up_at, f"{process.num_fds()} files are open, not {files}"
        time.sleep(0.2)
