"""Everything that can go wrong in the operator.

::

    OperatorError
    ├── InvalidInstanceError      the spec cannot be used; problems name the fields
    ├── NameConflictError         an object that is not ours has a child's name
    ├── CredentialsError          credentials are lost or unusable
    ├── CheckFailedError          a store or the service did not answer a deep check as it should
    └── KubeError                 the API server did not do what was asked
        ├── TransientError        worth repeating: outage, timeout, 5xx, 429
        │   └── TerminatingError  the namespace is being terminated: repeat quietly
        ├── ConflictError         409: exists already, or another uid or resourceVersion
        ├── MissingError          404
        ├── ExpiredError          410: list again
        └── RefusedError          the request itself is wrong; repeating it changes nothing
"""

from collections.abc import Iterable


class OperatorError(Exception):
    """Root of the tree."""


class InvalidInstanceError(OperatorError):
    """The spec cannot be used; each problem begins with the path of its field."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class NameConflictError(OperatorError):
    """An object that is not ours has the name of a child; it is left alone."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"{kind} {name!r} exists and does not belong to this instance")


class CredentialsError(OperatorError):
    """Credentials cannot be had; *reason* is the reason of the condition."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class CheckFailedError(OperatorError):
    """A store or the service did not answer a deep check as it should."""


class KubeError(OperatorError):
    """The API server did not do what was asked.

    *status* is the HTTP status, 0 when there was no answer.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class TransientError(KubeError):
    """Worth repeating; *retry_after_s* is the server's wish, 0 without one."""

    def __init__(self, message: str, *, status: int = 0, retry_after_s: float = 0.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, status=status)


class TerminatingError(TransientError):
    """The namespace is being terminated: nothing can be created in it."""


class ConflictError(KubeError):
    """The object exists already, or has another uid or resourceVersion."""


class MissingError(KubeError):
    """There is no such object."""


class ExpiredError(KubeError):
    """The resourceVersion is too old: list again."""


class RefusedError(KubeError):
    """The request is wrong; repeating it changes nothing."""
