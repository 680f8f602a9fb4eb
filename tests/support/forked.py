"""Processes of our programs that are forked instead of started.

Importing a program takes most of a start, and the tests start hundreds: a nursery (`nursery.py`)
imports it once per worker of the tests, and forks. There are two nurseries for each program, which
take turns, so that neighbours differ in the seed of their hashes as started processes do.
"""

import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO, Union

from support.dying import dying_with_us

NURSERIES = 2
OF_INTERPRETERS = ("PYTHON", "LD_", "MALLOC_", "OTEL_")
"""Beginnings of variables that are read before a program runs, or when it is imported."""
INHERITED = ("PATH", "HOME")
LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
SERVICE = ("kato_service.__main__", "kato_service.program", "kato_service.app")
SERVICE_WITH_QDRANT = (
    *SERVICE,
    "kato_service.connections.qdrant_pool",
    "kato_service.knowledge.vectors.qdrant_store",
)
"""A service imports Qdrant's client only if it has a Qdrant: 1.5 s of a processor."""
OPERATOR = ("kato_operator.__main__", "kato_operator.program")
"""What runs, and what is imported before."""
_turn = count()
Process = Union["Forked", "subprocess.Popen[bytes]"]


def started(
    program: tuple[str, ...], environment: Mapping[str, str], out: IO[bytes], folder: Path
) -> Process:
    """A process of one of the programs above that runs now; it is killed when the tests end.

    Its environment is *environment* and, of ours, `INHERITED`: a variable for our own interpreter
    would have every process started instead of forked.
    """
    complete = {**inherited(), **environment}
    if any(name.startswith(OF_INTERPRETERS) for name in complete):
        package = program[0].removesuffix(".__main__")
        return subprocess.Popen(
            [*dying_with_us(), sys.executable, "-m", package],
            env=complete,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    return _nursery(program, next(_turn) % NURSERIES).forked(program[0], complete, out, folder)


def inherited() -> dict[str, str]:
    """What every process gets of our environment."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


class Forked:
    """As much of `subprocess.Popen` as the tests use."""

    def __init__(self, nursery: "_Nursery", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery
        self._ended = os.pidfd_open(pid)

    def poll(self) -> int | None:
        return self._status(0.0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("forked", timeout or 0.0)
        return status

    def send_signal(self, sent: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sent)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _status(self, timeout_s: float | None) -> int | None:
        """The exit status, if it ends in time."""
        if self.returncode is None and select.select([self._ended], [], [], timeout_s)[0]:
            self.returncode = self._nursery.reaped(self.pid)
            os.close(self._ended)
        return self.returncode


class _Nursery:
    def __init__(self, modules: Sequence[str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        program = Path(__file__).with_name("nursery.py")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(program), str(theirs.fileno()), *modules],
                env=inherited(),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def forked(
        self, main: str, environment: Mapping[str, str], out: IO[bytes], folder: Path
    ) -> Forked:
        order = {
            "main": main,
            "environment": dict(environment),
            "folder": str(folder),
            # As a started process inherits them: those of now, not of when the nursery began.
            "limits": {number: resource.getrlimit(number) for number in LIMITS},
        }
        return Forked(self, self._asked(order, [out.fileno()]))

    def reaped(self, pid: int) -> int:
        """The exit status of a child that has ended."""
        return self._asked({"reap": pid}, [])

    def _asked(self, order: Mapping[str, object], files: list[int]) -> int:
        with self._lock:
            socket.send_fds(self._control, [json.dumps(order).encode()], files)
            return int(self._control.recv(64))


@cache
def _nursery(modules: tuple[str, ...], _number: int) -> _Nursery:
    return _Nursery(modules)
