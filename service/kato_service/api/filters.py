"""Filters of patterns in queries and bodies, and the pages that they select (http-api.md §6)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from starlette.responses import Response

from kato_service import json_text
from kato_service.api.intake.calls import Call
from kato_service.api.intake.queries import AsDigits, Gathered
from kato_service.api.shapes import rendering
from kato_service.api.shapes.body import MAX_KEYS
from kato_service.api.shapes.knowledge.bodies import MAX_CONDITIONS, PatternFilterBody
from kato_service.api.shapes.requests import MAX_FREQUENCY
from kato_service.api.wording import invalid_input
from kato_service.domain.cursor import place_of
from kato_service.errors import InvalidInputError
from kato_service.findings import Finding, Place
from kato_service.knowledge.model.pattern_filter import MAX_FREQUENCY as ANY_FREQUENCY
from kato_service.knowledge.model.pattern_filter import PatternFilter
from kato_service.users.pattern_search import Times

MAX_CHARS = 8192
"""Characters of a filter in a query; a body takes more."""
_JSON = {
    "symbols": 'a JSON array of symbols, such as ["a","b"]: the pattern contains all of them',
    "prefix": 'a JSON array of events, such as [["a"],["b"]]: the pattern begins with them',
    "metadata": 'a JSON object, such as {"source":"manual"}: the pattern has these values; null'
    " stands for any",
}
_TIME = "RFC 3339, as far back as the log goes."
_SYMBOLS = {"type": "array", "items": {"type": "string"}, "maxItems": MAX_CONDITIONS}
_EVENT = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_EVENTS = {"type": "array", "items": _EVENT, "maxItems": MAX_CONDITIONS}
_VALUES = {"type": "object", "maxProperties": MAX_KEYS}


def _json(name: str, schema: dict[str, Any]) -> Any:
    """What the documents say of a parameter that is JSON as text."""
    return Field(
        max_length=MAX_CHARS,
        description=_JSON[name],
        json_schema_extra={"contentMediaType": "application/json", "contentSchema": schema},
    )


def _time(description: str) -> Any:
    return Field(description=f"{description} {_TIME}", json_schema_extra={"format": "date-time"})


Frequency = Annotated[
    int | None,
    Field(ge=0, le=MAX_FREQUENCY, description="Bound of the frequency, inclusive."),
    AsDigits,
]


class Filtered:
    """What a request wants of the patterns of a knowledge base."""

    def __init__(self, body: PatternFilterBody, part: str, *, newest_first: bool = False) -> None:
        """*part*: of the request, in which it is."""
        self.body = body
        self.newest_first = newest_first
        self._part = part

    @property
    def is_whole(self) -> bool:
        """Whether every pattern is wanted."""
        return self.body.max_frequency is None and not any(self.body.conditions().values())

    @property
    def wanted(self) -> PatternFilter:
        """The filter without its times."""
        body = self.body
        texts = {
            key: None if value is None else json_text.canonical(value)
            for key, value in (body.metadata or {}).items()
        }
        most = ANY_FREQUENCY if body.max_frequency is None else body.max_frequency
        return PatternFilter(
            symbols=tuple(dict.fromkeys(body.symbols or ())),
            prefix=tuple(map(tuple, body.prefix or ())),
            metadata=texts,
            least=body.min_frequency or 0,
            most=most,
        )

    @property
    def times(self) -> Times:
        body = self.body
        return Times(
            first_after=_moment(body.first_learned_after),
            first_before=_moment(body.first_learned_before),
            after=_moment(body.learned_after),
            before=_moment(body.learned_before),
            place=self._place,
        )

    async def bounded(self, call: Call, kb: str) -> PatternFilter:
        """The filter with its times as revisions; raises InvalidInputError where the log does not
        go back so far."""
        return await call.service.users.search.bounded(kb, self.wanted, self.times)

    def _place(self, name: str) -> Place:
        return (self._part, name)


def _filtered(  # noqa: PLR0913 - one argument for each parameter of the query
    symbols: Annotated[str | None, _json("symbols", _SYMBOLS)] = None,
    prefix: Annotated[str | None, _json("prefix", _EVENTS)] = None,
    metadata: Annotated[str | None, _json("metadata", _VALUES)] = None,
    min_frequency: Frequency = None,
    max_frequency: Frequency = None,
    learned_after: Annotated[str | None, _time("Last learned or edited later.")] = None,
    learned_before: Annotated[str | None, _time("Last learned or edited by then.")] = None,
    first_learned_after: Annotated[str | None, _time("First learned later.")] = None,
    first_learned_before: Annotated[str | None, _time("First learned by then.")] = None,
    order: Annotated[
        Literal["first", "-first"], Field(description="By first learn: oldest, or newest first.")
    ] = "first",
) -> Filtered:
    given: dict[str, Any] = {
        "symbols": _parsed("symbols", symbols),
        "prefix": _parsed("prefix", prefix),
        "metadata": _parsed("metadata", metadata),
        "min_frequency": min_frequency,
        "max_frequency": max_frequency,
        "learned_after": learned_after,
        "learned_before": learned_before,
        "first_learned_after": first_learned_after,
        "first_learned_before": first_learned_before,
    }
    try:
        body = PatternFilterBody.model_validate(given)
    except ValidationError as exc:
        found = exc.errors(include_url=False, include_input=False)
        raise invalid_input(found, PatternFilterBody, part="query") from exc
    return Filtered(body, "query", newest_first=order == "-first")


InQuery = Annotated[Filtered, Gathered(_filtered)]


async def page_of_patterns(
    call: Call, kb: str, filtered: Filtered, *, limit: int, cursor: str | None
) -> Response:
    """The answer with a page of the patterns that fit."""
    if filtered.is_whole and not filtered.newest_first:
        page = await call.service.processor.patterns.list_patterns(
            kb, limit=limit, after=place_of(cursor), deadline=call.deadline
        )
        patterns = await json_text.array(map(rendering.pattern, page.patterns))
        next_cursor = str(page.patterns[-1].first) if page.more else None
        return rendering.response({"patterns": patterns, "next_cursor": next_cursor})
    place = None if cursor is None else place_of(cursor)
    found = await call.service.users.search.page(
        kb,
        await filtered.bounded(call, kb),
        limit=limit,
        place=place,
        newest_first=filtered.newest_first,
        deadline=call.deadline,
    )
    patterns = await json_text.array(map(rendering.pattern, found.patterns))
    next_cursor = None if found.reached is None else str(found.reached)
    return rendering.response({"patterns": patterns, "next_cursor": next_cursor})


def _parsed(name: str, given: str | None) -> Any:
    if given is None:
        return None
    wrong = InvalidInputError((Finding(("query", name), f"must be {_JSON[name]}"),))
    try:
        found = json_text.parsed(given)
    except ValueError as exc:
        raise wrong from exc
    if found is None:
        raise wrong
    return found


def _moment(given: str | None) -> datetime | None:
    return None if given is None else datetime.fromisoformat(given)
