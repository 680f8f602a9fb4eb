"""Log lines say what went wrong, and never show the data that it happened with."""

import json
import subprocess
import sys

import pytest

CRASHING = """
import logging, sys, structlog
from kato_service.logs import configure_logs

def handle(session_id, body, key):
    raise RuntimeError("a bug of ours")

configure_logs(level="info", style=sys.argv[1])
try:
    handle("secret".upper(), {"strings": ["secret".upper()]}, b"secret".upper())
except RuntimeError:
    structlog.get_logger().exception("request crashed")
    logging.getLogger("library").exception("it failed")
"""


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_crash_is_logged_without_the_values_of_local_variables(style: str) -> None:
    command = [sys.executable, "-c", CRASHING, style]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "SECRET" not in done.stdout + done.stderr
    assert done.stdout.count("a bug of ours") >= 2
    assert "handle" in done.stdout


LOSING = """
import logging
from pymongo.errors import AutoReconnect
from kato_service.logs import configure_logs

configure_logs(level="info", style="json")
for error in (AutoReconnect("connection closed"), RuntimeError("a bug")):
    try:
        raise error
    except Exception:
        logging.getLogger("pymongo.client").exception("background task encountered an error:")
"""


def test_a_connection_that_a_driver_lost_is_a_warning_without_traceback() -> None:
    command = [sys.executable, "-c", LOSING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    lost, crashed = map(json.loads, done.stdout.splitlines())
    assert (lost["level"], lost["error"], "exception" in lost) == (
        "warning",
        "AutoReconnect",
        False,
    )
    assert (crashed["level"], "exception" in crashed) == ("error", True)
