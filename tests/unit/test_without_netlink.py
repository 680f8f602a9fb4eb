"""A browser of the tests that does not hear of changes of the network can still connect."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from support import without_netlink

TRIES = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
socket.create_connection(listener.getsockname())
socket.getaddrinfo("localhost", 80)
try:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
except OSError as refused:
    print(refused.strerror)
"""


@pytest.mark.skipif(
    platform.machine() not in without_netlink.SOCKET, reason="not on this kind of processor"
)
def test_a_program_gets_sockets_but_those_of_netlink() -> None:
    program = Path(str(without_netlink.__file__))
    command = [sys.executable, str(program), sys.executable, "-c", TRIES]
    tried = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert tried.stdout == "Address family not supported by protocol\n"
