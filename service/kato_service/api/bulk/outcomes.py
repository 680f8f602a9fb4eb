"""What became of the lines of a bulk learn, as JSON; and of all of them together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import orjson

from kato_service import json_text
from kato_service.api.bulk.line_reader import Line, Located
from kato_service.api.shapes import rendering
from kato_service.errors import InvalidInputError, KatoError
from kato_service.knowledge.model.entries import Applied

Outcome = Applied | KatoError


@dataclass(slots=True)
class Tally:
    """Counts the outcomes of one request, line by line in order."""

    located: Located
    """Says where in the request an error of an entry is."""
    lines: int = 0
    learned: int = 0
    repeated: int = 0
    insufficient_data: int = 0
    errors: int = 0
    durable_through: int = 0
    error: KatoError | None = None
    """Why the request ends before its last line."""
    _is_broken: bool = False
    """A line failed that may succeed when it is sent again."""

    def outcome(self, line: Line, found: Sequence[Outcome]) -> bytes:
        """The JSON of a line whose entries had the outcomes *found*."""
        self.lines += 1
        if _is_usual(found, line):
            self.learned += 1
            text = _usual(line, found[0])
        elif (error := line.error or self._failure(line, found)) is not None:
            self.errors += 1
            self._is_broken |= error.retryable
            text = json_text.text(_told(line, {"status": "error", "error": told(error)}))
        else:
            applied = [one for one in found if isinstance(one, Applied)]
            text = self._written(line, applied)
        if not self._is_broken:
            self.durable_through = line.number
        return text

    def summary(self, *, complete: bool) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "learned": self.learned,
            "repeated": self.repeated,
            "insufficient_data": self.insufficient_data,
            "errors": self.errors,
            "durable_through": self.durable_through,
            "complete": complete and self.error is None,
            "error": None if self.error is None else told(self.error),
        }

    def _failure(self, line: Line, found: Sequence[Outcome]) -> KatoError | None:
        """Why an entry of a line did not go in; None: all did."""
        error = next((one for one in found if isinstance(one, KatoError)), None)
        if isinstance(error, InvalidInputError):
            return self.located(error, line.number)
        return error

    def _written(self, line: Line, applied: Sequence[Applied]) -> bytes:
        assert line.planned is not None
        if not applied:
            self.insufficient_data += 1
            return json_text.text(_told(line, {"status": "insufficient_data"}))
        is_repeated = not any(one.met for one in applied)
        self.repeated += is_repeated
        self.learned += not is_repeated
        return json_text.text(_told(line, _learned(line.planned, applied)))


def told(error: KatoError) -> dict[str, Any]:
    """An error of a line as JSON."""
    return {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "details": list(error.details),
    }


def _is_usual(found: Sequence[Outcome], line: Line) -> TypeGuard[Sequence[Applied]]:
    """Whether *line* learned one pattern and nothing else: by far the most frequent outcome."""
    planned = line.planned
    if planned is None or len(found) != 1 or not planned.learns_last or planned.stm_truncated:
        return False
    one = found[0]
    return isinstance(one, Applied) and one.met


def _usual(line: Line, applied: Applied) -> bytes:
    """The JSON of such a line."""
    entry, ending = applied.entry, b"}"
    if line.unique_id is not None:
        ending = b',"unique_id":' + orjson.dumps(line.unique_id) + b"}"
    name = getattr(entry, "name", "")
    return (
        f'{{"line":{line.number},"status":"learned","pattern_name":"{rendering.spelled(name)}",'
        f'"frequency":{applied.frequency if applied.frequency is not None else "null"}'
    ).encode() + ending


def _learned(planned: Any, applied: Sequence[Applied]) -> dict[str, Any]:
    names = [_name(one) for one in applied]
    final = names.pop() if planned.learns_last else None
    content: dict[str, Any] = {"status": "learned" if planned.learns_last else "insufficient_data"}
    if planned.learns_last:
        content |= {"pattern_name": final, "frequency": applied[-1].frequency}
    if names:
        content["auto_learned_patterns"] = names
    if planned.stm_truncated:
        content["stm_truncated"] = True
    if not any(one.met for one in applied):
        content["repeated"] = True
    return content


def _name(applied: Applied) -> str | None:
    name: str = getattr(applied.entry, "name", "")
    return rendering.spelled(name) if applied.is_known else None


def _told(line: Line, content: Mapping[str, Any]) -> dict[str, Any]:
    named = {} if line.unique_id is None else {"unique_id": line.unique_id}
    return {"line": line.number, **content, **named}
