"""A file whose content may change while the service runs, as mounted Secrets do."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from kato_service.errors import UnusableError

log = structlog.get_logger()
T = TypeVar("T")

MAX_FILE_BYTES = 4 * 2**20


class WatchedFile(Generic[T]):
    """What a file holds; its last good value where it cannot be used any more.

    The content itself is compared: Kubernetes swaps a symbolic link, and other tools write files
    anew within one tick of the clock that times of change have.
    """

    def __init__(self, variable: str, path: Path, parsed: Callable[[bytes], T]) -> None:
        """Read the file.

        Args:
            variable: The environment variable that names it, for messages.
            parsed: Gives the value of the content; raises UnusableError with the reason.

        Raises:
            UnusableError: It cannot be read or used; the message names neither path nor content.
        """
        self.variable = variable
        self._path = path
        self._parsed = parsed
        self._content = _content(path)
        self.value = parsed(self._content)
        self.problem: str | None = None
        """Why the file as it is now is not in use."""

    async def poll(self) -> bool:
        """Look whether the file changed; whether there is a new value."""
        try:
            content = await asyncio.to_thread(_content, self._path)
            if content == self._content and self.problem is None:
                return False
            self.value, self._content = self._parsed(content), content
        except UnusableError as exc:
            self._refuse(exc.message)
            return False
        self.problem = None
        return True

    def _refuse(self, reason: str) -> None:
        if reason != self.problem:
            log.error("file not reloaded, its last good content stays", variable=self.variable,
                      reason=reason)  # fmt: skip
        self.problem = reason


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise UnusableError(f"the file cannot be read ({exc.strerror})") from None
    if len(content) > MAX_FILE_BYTES:
        raise UnusableError(f"the file is larger than {MAX_FILE_BYTES} bytes")
    return content


def line_of(content: bytes) -> str:
    """The text of a file that holds one line, as a token."""
    return lines_of(content)[0]


def lines_of(content: bytes) -> tuple[str, ...]:
    """The lines of a file, without blanks around them; at least one."""
    try:
        lines = tuple(line.strip() for line in content.decode().splitlines() if line.strip())
    except UnicodeDecodeError:
        raise UnusableError("the file is not UTF-8") from None
    if not lines:
        raise UnusableError("the file is empty")
    return lines
