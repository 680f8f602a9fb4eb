"""The parent of several worker processes that serve on one socket: WORKERS greater than 1."""

import multiprocessing
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from types import FrameType

import structlog

log = structlog.get_logger()

LOOK_S = 0.5
"""Seconds between two looks at the workers."""
MARGIN_S = 20.0
"""Seconds that a worker has beyond the shutdown grace to close its stores; then it is killed."""
_SPAWN = multiprocessing.get_context("spawn")

Serve = Callable[[list[socket.socket]], None]


class Supervisor:
    def __init__(self, serve: Serve, listener: socket.socket, *, workers: int, grace_s: float):
        """Nothing is started yet.

        Args:
            serve: What each worker runs, given the listening socket. It must be importable, because
                workers are spawned, and must end on SIGTERM.
        """
        self._serve = serve
        self._listener = listener
        self._grace_s = grace_s
        self._count = workers
        self._workers: list[SpawnProcess] = []
        self._ending = threading.Event()

    def run(self) -> None:
        """Keep the workers running until SIGTERM or SIGINT, then wait for them to end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        self._workers = [self._started() for _ in range(self._count)]
        while not self._ending.wait(LOOK_S):
            self._workers = [self._replaced(worker) for worker in self._workers]
        self._stop()

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._ending.set()

    def _started(self) -> SpawnProcess:
        worker = _SPAWN.Process(target=self._serve, args=([self._listener],), daemon=True)
        worker.start()
        return worker

    def _replaced(self, worker: SpawnProcess) -> SpawnProcess:
        if worker.is_alive():
            return worker
        log.error(
            "worker ended unexpectedly and was replaced", pid=worker.pid, exit_code=worker.exitcode
        )
        return self._started()

    def _stop(self) -> None:
        for worker in self._workers:
            worker.terminate()
        give_up_at = time.monotonic() + self._grace_s + MARGIN_S
        for worker in self._workers:
            worker.join(max(0.0, give_up_at - time.monotonic()))
            if worker.is_alive():
                log.error("worker did not end in time and was killed", pid=worker.pid)
                worker.kill()
                worker.join()
