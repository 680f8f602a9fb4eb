"""Runs a program that cannot listen for changes of the network: `without_netlink.py COMMAND…`.

While interfaces come and go, as with the pods of a test node, Chromium fails requests that
are not connected yet, also to this machine (net::ERR_NETWORK_CHANGED). It learns of changes from
sockets of the family AF_NETLINK, and does without where there are none.
"""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 38, 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, FIRST_ARGUMENT_AT = 0, 16
"""Where `struct seccomp_data` has the number of the system call, and its first argument."""
SOCKET = {"x86_64": 41, "aarch64": 198}
"""The number of the system call `socket`."""


class Program(ctypes.Structure):
    """`struct sock_fprog`"""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def refuse_netlink(socket_number: int) -> None:
    """Refuse this process, and those it becomes, sockets of the family AF_NETLINK."""
    steps = (
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_IF_EQUAL, 0, 3, socket_number),
        (LOAD, 0, 0, FIRST_ARGUMENT_AT),
        (JUMP_IF_EQUAL, 0, 1, socket.AF_NETLINK),
        (RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EAFNOSUPPORT),
        (RETURN, 0, 0, SECCOMP_RET_ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = Program(len(steps), ctypes.addressof(code))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for arguments in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl failed")


if __name__ == "__main__":
    if platform.machine() in SOCKET:
        refuse_netlink(SOCKET[platform.machine()])
    os.execvp(sys.argv[1], sys.argv[1:])
