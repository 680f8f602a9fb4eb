"""Running programs: what failed says what to do about it, in one line."""

import ctypes
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

STARTED = time.monotonic()
FIRST_PORT, PORTS = 8_200, 1_800


class TestbedError(Exception):
    """What failed and how to fix it, in one line."""

    __test__ = False


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f}s] {text}", flush=True)


def run(
    command: Sequence[str],
    *,
    timeout_s: float = 120,
    stdin: str = "",
    env: dict[str, str] | None = None,
) -> str:
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=env,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise TestbedError(
            f"{' '.join(command[:4])} … failed with exit code {done.returncode}: {' | '.join(said)}"
        )
    return done.stdout


def run_tool(
    command: Sequence[str], *, timeout_s: float = 900, env: Mapping[str, str] | None = None
) -> str:
    """Run a tool that explains itself at length; its standard output.

    Raises:
        TestbedError: It failed; carries its last lines.
    """
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, env=env, check=False
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise TestbedError(f"{' '.join(command[:3])} … failed:\n{said}")
    return done.stdout


def until(look: Callable[[], bool], what: str, timeout_s: float) -> None:
    give_up_at = time.monotonic() + timeout_s
    while not look():
        if time.monotonic() > give_up_at:
            raise TestbedError(f"waited {timeout_s:.0f} s in vain for: {what}")
        time.sleep(0.2)


def die_with_parent() -> None:
    """PR_SET_PDEATHSIG: the kernel kills this process when the tests are killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def free_port() -> int:
    """A port below those that the kernel gives to clients: none takes it before a server does."""
    while True:
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
