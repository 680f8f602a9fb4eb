"""From the text of a line to what it appends, or why it is refused.

Most lines are lists of symbols and nothing else. They are checked by hand, in a tenth of the time
that the validator takes; every other line, and every doubt, is the validator's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from kato_service import json_text
from kato_service.api.intake import exact_json, json_bodies
from kato_service.api.intake.calls import Call
from kato_service.api.intake.strict_route import refused_body
from kato_service.api.shapes.bulk.bodies import LearnLine
from kato_service.api.shapes.requests import MAX_SEQUENCE
from kato_service.domain.deadline import Deadline, within
from kato_service.domain.genes import Genes
from kato_service.domain.identity import processor_id_of
from kato_service.errors import InvalidInputError, KatoError
from kato_service.findings import Finding
from kato_service.processing.line_processor import LineId, PlannedLine

AT_ONCE_BYTES = 8 * 1024
"""Lines up to this size are read on the event loop: well below a millisecond each."""
MAX_UNIQUE_ID_CHARS = 256
MAX_KNOWN_USERS = 10_000
"""Users whose knowledge base a request keeps in mind."""
Located = Callable[[InvalidInputError, int], InvalidInputError]
_SLOW = "the configurations of users were not read before the deadline"
_LINES = TypeAdapter(LearnLine)
_PLAIN = frozenset({"events", "unique_id", "user_id"})
_APART = frozenset({"unique_id", "user_id"})
"""Fields that do not say what a line asks for."""


@dataclass(slots=True)
class Line:
    """A line that was read."""

    number: int
    unique_id: str | None = None
    """As the client gave it to the line."""
    planned: PlannedLine | None = None
    error: KatoError | None = None
    """Why it was refused, or what failed before it could be learned."""


class LineReader:
    """Reads the lines of one request."""

    def __init__(self, call: Call, stream_id: str | None, located: Located) -> None:
        """Args:
        stream_id: The id of the whole request, from which lines without an id get theirs.
        located: An error about a line, given its number, as one about its place in the request.
        """
        self._call = call
        self._located = located
        self._stream_id = stream_id
        self._lines = call.service.processor.lines
        self._configurations = call.service.users.configurations
        self._kbs: dict[str | None, str] = {}
        """By user, the knowledge base."""
        self._genes: dict[str, Genes] = {}
        """By knowledge base, the genes of its lines in this turn of the event loop."""

    def begin_turn(self) -> None:
        """Others had a turn of the event loop: configurations may have changed."""
        self._genes.clear()

    def at_once(self, number: int, raw: bytes) -> Line | None:
        """A line of symbols alone; None: `read` has to look at it."""
        if len(raw) > AT_ONCE_BYTES:
            return None
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return None
        line = self.at_once_of(number, value, len(raw))
        return line if line is not None and _is_exact(raw, value) else None

    def at_once_of(self, number: int, value: Any, size_bytes: int) -> Line | None:
        """The same of a value that was parsed and is exact."""
        if type(value) is not dict or not _PLAIN.issuperset(value):
            return None
        events, unique_id = value.get("events"), value.get("unique_id")
        if type(events) is not list or len(events) > MAX_SEQUENCE or not _are_texts(events):
            return None
        if not (_is_id(unique_id) if "unique_id" in value else True):
            return None
        user_id = value.get("user_id")
        kb = self._kbs.get(user_id) if user_id is None or type(user_id) is str else None
        if kb is None or (user_id is None and "user_id" in value):
            return None  # `read` finds out which it is, once for each user
        line_id = self._line_id(number, unique_id, value)
        genes = self._genes.get(kb) or self._current_genes(kb)
        if genes is None:
            return None
        planned = self._lines.at_once(kb, events, size_bytes, genes, line_id)
        return None if planned is None else Line(number, unique_id, planned)

    async def read(self, number: int, raw: bytes, deadline: Deadline) -> Line:
        """Any line."""
        try:
            value = await json_bodies.read(raw, _given)
        except InvalidInputError as error:
            return self._refused(number, None, error)
        return await self.read_of(number, value, deadline)

    async def read_of(self, number: int, value: Any, deadline: Deadline) -> Line:
        """The same of a value that was parsed."""
        try:
            body = _validated(value)
        except InvalidInputError as error:
            return self._refused(number, _unique_id_in(value), error)
        try:
            planned = await self._planned(number, body, value, deadline)
        except KatoError as error:
            return self._refused(number, body.unique_id, _placed(error, body))
        return Line(number, body.unique_id, planned)

    def _refused(self, number: int, unique_id: str | None, error: KatoError) -> Line:
        if isinstance(error, InvalidInputError):
            error = self._located(error, number)
        return Line(number, unique_id, error=error)

    async def _planned(
        self, number: int, body: LearnLine, value: Mapping[str, Any], deadline: Deadline
    ) -> PlannedLine:
        kb = self._kb(body.user_id)
        async with within(deadline, _SLOW):
            await self._configurations.current()
        genes = self._lines.genes.overridden(self._configurations.genes(kb))
        if body.config is not None:
            genes = genes.overridden(body.config.chosen())
        return await self._lines.planned(
            kb,
            body.observed(),
            genes,
            self._line_id(number, body.unique_id, value),
            caller=self._call.holder,
            deadline=deadline,
        )

    def _current_genes(self, kb: str) -> Genes | None:
        """Those of a line without any of its own; None: `read` has to look for changes first."""
        if not self._configurations.is_current:
            return None
        genes = self._lines.genes.overridden(self._configurations.genes(kb))
        self._genes[kb] = genes
        return genes

    def _kb(self, user_id: str | None) -> str:
        """The knowledge base of *user_id*, if the caller may act as that user.

        Raises:
            ForbiddenError: The caller may not.
        """
        user = self._call.caller.acting_as(user_id)
        kb = processor_id_of(self._call.service.settings.processor_id, user)
        if len(self._kbs) >= MAX_KNOWN_USERS:
            self._kbs.clear()
        self._call.service.knowledge.get(kb, user)
        self._kbs[user_id] = kb
        return kb

    def _line_id(
        self, number: int, unique_id: str | None, value: Mapping[str, Any]
    ) -> LineId | None:
        if unique_id is None:
            if self._stream_id is None:
                return None
            unique_id = f"{self._stream_id}\0{number}"
        asked = {name: item for name, item in value.items() if name not in _APART}
        return LineId(unique_id, json_text.canonical(asked).encode())


def _is_exact(raw: bytes, value: Mapping[str, Any]) -> bool:
    """Whether *value*, a line of texts alone, certainly is what *raw* says: no name repeated."""
    colons = raw.count(b":")
    if colons == len(value):
        return True
    # Some text has a colon: compare with the value's own.
    return colons == orjson.dumps(value).count(b":") and json_bodies.ESCAPED_COLON not in raw


def _are_texts(events: list[Any]) -> bool:
    for event in events:
        if type(event) is not list:
            return False
        for symbol in event:
            if type(symbol) is not str:
                return False
    return True


def _is_id(unique_id: Any) -> bool:
    return type(unique_id) is str and 0 < len(unique_id) <= MAX_UNIQUE_ID_CHARS


def _given(value: Any) -> Any:
    return value


def _validated(value: Any) -> LearnLine:
    if value is None:
        raise exact_json.refused("must be an object")
    try:
        return _LINES.validate_python(value)
    except ValidationError as exc:
        raise refused_body(exc, LearnLine, value) from exc


def _unique_id_in(value: Any) -> str | None:
    """The id of a line that is refused, if it has a valid one: its sender looks for it."""
    found = value.get("unique_id") if isinstance(value, dict) else None
    return found if _is_id(found) else None


def _placed(error: KatoError, body: LearnLine) -> KatoError:
    """*error* with the places that the line has: `events` hold their symbols directly."""
    if body.events is None or not isinstance(error, InvalidInputError):
        return error
    return type(error)([_in_events(each, body) for each in error.findings], error.count)


def _in_events(finding: Finding, body: LearnLine) -> Finding:
    match finding.place:
        case ("body", "observations", _, ("emotives" | "metadata") as field, *rest):
            return Finding(("body", field, *rest), finding.reason)
        case ("body", "observations", number, "strings", *rest):
            return Finding(("body", "events", number, *rest), finding.reason)
        case ("body", "observations", number, *rest):
            return Finding(("body", "events", number, *rest), finding.reason)
    return finding
