"""Cuts what arrives of a stream into lines, each within a bound."""

from collections.abc import Iterator
from typing import NamedTuple


class RawLine(NamedTuple):
    number: int
    """Its place in the stream, from 1; blank lines count."""
    text: bytes | None
    """Without its end; None: it is longer than a line may be."""


class LineSplitter:
    def __init__(self, most_bytes: int) -> None:
        """*most_bytes*: of a line, without its end."""
        self.number = 0
        """Lines that ended so far."""
        self._most_bytes = most_bytes
        self._begun: list[bytes] = []
        """Pieces of the line that has not ended yet: joined once, however small they are."""
        self._begun_bytes = 0
        self._is_too_long = False
        """The line that has not ended yet was given out already, and is dropped."""

    @property
    def begun_bytes(self) -> int:
        """Bytes of the line that has not ended yet."""
        return self._begun_bytes

    def feed(self, data: bytes) -> Iterator[RawLine]:
        """The lines that *data* ends, without blank ones."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            piece = data[start:end]
            start = end + 1
            if self._begun or self._is_too_long:
                line = self._ended(piece)
            else:
                self.number += 1
                line = RawLine(self.number, piece if len(piece) <= self._most_bytes else None)
            if line is not None and (line.text is None or not _is_blank(line.text)):
                yield line
        rest = data[start:]
        if rest and (line := self._continued(rest)) is not None:
            yield line

    def end(self) -> Iterator[RawLine]:
        """The last line, if nothing ended it."""
        if self._begun:
            line = self._ended(b"")
            if line is not None and line.text is not None and not _is_blank(line.text):
                yield line

    def _ended(self, piece: bytes) -> RawLine | None:
        """The line that *piece* completes; None: it was given out already."""
        self.number += 1
        was_too_long, self._is_too_long = self._is_too_long, False
        if was_too_long:
            return None
        size = self._begun_bytes + len(piece)
        text = b"".join((*self._begun, piece)) if size <= self._most_bytes else None
        self._begun, self._begun_bytes = [], 0
        return RawLine(self.number, text)

    def _continued(self, piece: bytes) -> RawLine | None:
        """Keep the start of a line; the line, if it is too long already."""
        if self._is_too_long:
            return None
        self._begun.append(piece)
        self._begun_bytes += len(piece)
        if self._begun_bytes <= self._most_bytes:
            return None
        self._begun, self._begun_bytes, self._is_too_long = [], 0, True
        return RawLine(self.number + 1, None)


def _is_blank(text: bytes) -> bool:
    return not text or text.isspace()
