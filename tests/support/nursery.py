"""A process that has imported a program, and forks one that runs it whenever it is asked to.

`nursery.py FD MODULE…`: FD is a socket of messages, see `support.forked`. It starts no thread, so
that forking is safe (OpenBLAS, which numpy loads, ends its threads before each fork), and ends with
the socket.
"""

import ctypes
import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import threading
from typing import Any

PR_SET_PDEATHSIG = 1
MOST_BYTES = 2**17


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.freeze()
    gc.enable()
    assert threading.active_count() == 1
    order, out = _next_child(control)
    control.close()
    _become(order, out)
    importlib.import_module(order["main"]).main()


def _next_child(control: socket.socket) -> tuple[dict[str, Any], int]:
    """Serve until this process is a child: what it is to run, and its output."""
    parent = os.getpid()
    while True:
        message, files, _, _ = socket.recv_fds(control, MOST_BYTES, 1)
        if not message:
            os._exit(0)
        order = json.loads(message)
        if "reap" in order:
            _, status = os.waitpid(order["reap"], 0)
            control.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if pid == 0:
            _die_with(parent)
            return order, files[0]
        os.close(files[0])
        control.send(str(pid).encode())


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _become(order: dict[str, Any], out: int) -> None:
    """Take over the files, limits, folder, environment and arguments of a new process."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for file, place in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(file, place)
    os.close(nothing)
    os.close(out)
    for number, (soft, hard) in order["limits"].items():
        resource.setrlimit(int(number), (soft, hard))
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = [order["main"]]


if __name__ == "__main__":
    main()
