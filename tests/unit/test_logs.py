"""Log lines tell what went wrong, never what was worked with."""

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
def test_a_crash_is_logged_without_the_values_it_happened_on(style: str) -> None:
    command = [sys.executable, "-c", CRASHING, style]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "SECRET" not in done.stdout + done.stderr
    assert done.stdout.count("a bug of ours") >= 2
    assert "handle" in done.stdout
