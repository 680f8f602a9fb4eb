"""Every error of the operator.

::

    OperatorError
    ├── InvalidInstanceError      the spec is invalid; its problems name the fields
    ├── NameConflictError         an object with a child's name belongs to somebody else
    ├── ContestedError            something else changes a child as often as it is repaired
    ├── CredentialsError          credentials are lost or unusable
    ├── CheckFailedError          a store or the service did not answer a deep check as it should
    ├── NotReadyError             a MongoDB server cannot be used yet
    └── KubeError                 the API server did not do what it was asked
        ├── TransientError        worth a retry: outage, timeout, 5xx, 429, namespace being deleted
        ├── ConflictError         409: it exists already, or has another uid or resourceVersion
        ├── MissingError          404
        ├── ExpiredError          410: list again
        └── RefusedError          the request is invalid or forbidden; a retry changes nothing
"""

from collections.abc import Iterable


class OperatorError(Exception):
    """Root of the tree."""


class InvalidInstanceError(OperatorError):
    """The spec is invalid; each problem begins with the path of its field."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class NameConflictError(OperatorError):
    """An object with the name of a child belongs to somebody else; it is left alone."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        what = f"{kind} {name!r} exists and does not belong to this instance"
        super().__init__(f"{what}; rename or delete it, or choose another instance name")


class ContestedError(OperatorError):
    """Something else changes a child as often as the operator repairs it: the repair waits.

    *path* is the first field that differs, empty for a child that is deleted; *manager* owns it,
    empty if that is not known.
    """

    def __init__(self, kind: str, name: str, path: str, manager: str) -> None:
        action = f"changes {path}" if path else "deletes it"
        what = f"{kind} {name!r} is contested: {manager or 'something'} {action}"
        fix = "stop it, or allow what it adds in foreignFields"
        super().__init__(f"{what} as often as the operator repairs it; {fix}")


class CredentialsError(OperatorError):
    """Credentials are lost or unusable; *reason* is the reason of the condition."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class CheckFailedError(OperatorError):
    """A store or the service did not answer a deep check as it should."""


class NotReadyError(OperatorError):
    """A MongoDB server cannot be used yet; *reason* is a word for `/ready`."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        self.message = message
        super().__init__(message)


class KubeError(OperatorError):
    """The API server did not do what it was asked.

    *status* is the HTTP status, 0 if there was no answer.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class TransientError(KubeError):
    """Worth a retry; *retry_after_s* is the least delay that the server asks for, or 0."""

    def __init__(self, message: str, *, status: int = 0, retry_after_s: float = 0.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, status=status)


class ConflictError(KubeError):
    """The object exists already, or has another uid or resourceVersion."""


class MissingError(KubeError):
    """There is no such object."""


class ExpiredError(KubeError):
    """The resourceVersion is too old: list again."""


class RefusedError(KubeError):
    """The request is invalid or forbidden; a retry changes nothing.

    *is_immutable* tells that it wanted to change only fields that cannot change.
    """

    def __init__(self, message: str, *, status: int = 0, is_immutable: bool = False) -> None:
        self.is_immutable = is_immutable
        super().__init__(message, status=status)


def stable_message(error: Exception) -> str:
    """The message of an error of MongoDB's driver, without the parts that differ every time.

    A status with such a part would be rewritten on every pass.
    """
    return str(error).partition(", full error")[0].partition(", Timeout:")[0]
