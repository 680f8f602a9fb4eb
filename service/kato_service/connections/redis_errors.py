"""What can become of a command for Redis, apart from an answer.

RedisError
├── BusyError                 too much waits to be sent: it was not sent
├── SilentError               no answer came
│   ├── NotSentError          it was not sent, so it did not run
│   ├── UnansweredError       it was sent: it may have run
│   └── NodeDownError         a node of a cluster: `may_have_run` tells which of the two
└── RefusedError              Redis answered with an error, whose first word is a code
    ├── AuthenticationError   NOAUTH, WRONGPASS
    ├── LoadingError          LOADING
    ├── NoScriptError         NOSCRIPT
    ├── NoPermissionError     NOPERM
    ├── OutOfMemoryError      OOM
    ├── ReadOnlyError         READONLY
    ├── RedirectionError
    │   ├── MovedError        MOVED
    │   └── AskError          ASK
    └── PartDownError         CLUSTERDOWN, MASTERDOWN, TRYAGAIN
"""


class RedisError(Exception):
    """Root of the tree. No client of the service receives one: stores map them to theirs."""


class BusyError(RedisError):
    """Too much waited to be sent until the time-out; the command was not sent."""


class SilentError(RedisError):
    """No answer came."""

    may_have_run = False


class NotSentError(SilentError):
    """Redis could not be reached; the command was not sent."""


class UnansweredError(SilentError):
    """The command was sent, but its answer did not come in time or the connection broke."""

    may_have_run = True


class NodeDownError(SilentError):
    """One node of the cluster did not answer; the others may."""

    def __init__(self, message: str, *, may_have_run: bool) -> None:
        super().__init__(message)
        self.may_have_run = may_have_run


class RefusedError(RedisError):
    """Redis answered with an error; its text begins with a code."""

    @property
    def code(self) -> str:
        return str(self).partition(" ")[0]


class AuthenticationError(RefusedError):
    """The user or the password is wrong or missing."""


class LoadingError(RefusedError):
    """Redis still reads its data from disk."""


class NoScriptError(RefusedError):
    """Redis does not have the script of that digest."""


class NoPermissionError(RefusedError):
    """The user may not run the command."""


class OutOfMemoryError(RefusedError):
    """Redis uses as much memory as it may."""


class ReadOnlyError(RefusedError):
    """The server is a replica."""


class RedirectionError(RefusedError):
    """Another node has the slot: ``MOVED <slot> <host>:<port>``; host '' means the node asked."""

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = str(self).rpartition(" ")[2].rpartition(":")
        return host, int(port)


class MovedError(RedirectionError):
    """The slot moved to another node for good."""


class AskError(RedirectionError):
    """The slot is moving: this one command goes to another node."""


class PartDownError(RefusedError):
    """A part of the cluster serves nothing for the moment."""


_BY_CODE: dict[str, type[RefusedError]] = {
    "ASK": AskError,
    "CLUSTERDOWN": PartDownError,
    "LOADING": LoadingError,
    "MASTERDOWN": PartDownError,
    "MOVED": MovedError,
    "NOAUTH": AuthenticationError,
    "NOPERM": NoPermissionError,
    "NOSCRIPT": NoScriptError,
    "OOM": OutOfMemoryError,
    "READONLY": ReadOnlyError,
    "TRYAGAIN": PartDownError,
    "WRONGPASS": AuthenticationError,
}


def refusal(text: str) -> RefusedError:
    """The error that Redis' answer *text* means."""
    return _BY_CODE.get(text.partition(" ")[0], RefusedError)(text)
