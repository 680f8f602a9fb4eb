"""Checks of every generated answer, in addition to those of Schemathesis, which loads this file."""

import json
from typing import Any

import schemathesis
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
    use_after_free,
)

BEYOND_SCHEMAS = {
    "EMPTY_STM",
    "LIMIT_EXCEEDED",
    "UNIQUE_ID_REUSED",
    "VECTOR_DIMENSION",
}
"""Codes of refusals that depend on earlier requests, or on sizes that a schema cannot express."""
CURSORS = (["query", "cursor"], ["body", "cursor"])
"""Their values can only be taken from an earlier answer."""
IN_QUERY_OR_BODY = {"location": ["body", "ttl_seconds"], "reason": "is required"}
"""A field that a query parameter may give instead."""
BEYOND_SCHEMA_REASONS = (
    "send only one of them",  # two names of one field, or two users
    "leave it out",  # a user, or a session, that is not that of the path
    "move it into genes",  # a gene next to the map of genes
    "move it into config",
    "must consist of printable characters",  # as Unicode has them, for user ids
    "must not be . or .., which no path of the API could name",
    "printable characters, percent-encoded",
    "for its direction to be compared",  # a vector of zeros
    "if it is a whole number",  # anywhere in a free-form map, where fractions may be any size
    "so it cannot be told what was learned by then",  # a time before the log begins
    "import it for another user, or replace this one",  # a name that has other events by now
)
"""How the reasons end that no schema can express."""
SELECTED = ["body", "fields"]
"""Names in a text; as a query parameter its schema has a pattern."""
SELECTED_OF_VIEW = ["query", "fields"]
"""Names that depend on another parameter, which no schema of one can say."""
TOO_LONG = 431
"""A refusal of every request line that is too long, before anybody looks at its parts."""
NOT_LATER = ("hamiltonian", "grand_hamiltonian")
"""Fields that predictions have everywhere but on ``/sessions``."""
CLAIMS = {
    *("user_id", "node_id", "session_id", "processor_id"),
    *("x-user-id", "x-node-id", "x-test-id", "x-session-id"),
}
"""Query parameters and headers that say whom a request is for; all have to agree."""
_ERROR_FIELDS = {"code", "message", "retryable", "request_id", "details"}


@schemathesis.serializer("application/x-ndjson")
def one_line(ctx: Any, value: Any) -> bytes:
    """A body of one line."""
    return json.dumps(value).encode() + b"\n"


@schemathesis.hook
def before_call(ctx: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Let a valid request name one user at most: most would be refused for contradictions."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    parts = [part for part in (case.query, case.headers) if part]
    found = [(part, name) for part in parts for name in list(part) if name.lower() in CLAIMS]
    # The session of a path has a user of its own.
    for part, name in found if "{session_id}" in case.path else found[1:]:
        del part[name]


@schemathesis.check
def every_answer_names_its_request(ctx: Any, response: Any, case: Any) -> None:
    assert response.headers.get("x-request-id"), "the answer has no X-Request-ID"


@schemathesis.check
def every_error_has_the_envelope(ctx: Any, response: Any, case: Any) -> None:
    if response.status_code < 400 or case.method == "HEAD" or case.path.endswith("/health"):
        return
    error = _error(response)
    assert error.keys() >= _ERROR_FIELDS, f"the envelope lacks {_ERROR_FIELDS - error.keys()}"
    named = response.headers.get("x-request-id")
    assert [error["request_id"]] == named, f"the envelope's request_id is not {named}"
    if response.status_code == 422:
        assert error["message"], "a 422 without a message"


@schemathesis.check
def valid_requests_are_accepted(ctx: Any, response: Any, case: Any) -> bool | None:
    """As `positive_data_acceptance`, which does not know what no schema can say."""
    if response.status_code in (400, 422):
        error = _error(response)
        if _is_beyond_schemas(error) or _is_of_another_view(case, error):
            return None
    return positive_data_acceptance(ctx, response, case)


@schemathesis.check
def wrong_requests_are_refused(ctx: Any, response: Any, case: Any) -> bool | None:
    """As `negative_data_rejection`; but null for a body that is optional means none, and in a list
    of lines each has an outcome of its own."""
    if case.body is None and not any(body.is_required for body in case.operation.body):
        return None
    if response.status_code == TOO_LONG or _has_refused_lines(response, case):
        return None
    return negative_data_rejection(ctx, response, case)


@schemathesis.check
def what_was_deleted_is_gone(ctx: Any, response: Any, case: Any) -> bool | None:
    """As `use_after_free`; but whether a session exists can be asked of any id."""
    if case.path.endswith("/exists"):
        return None
    return use_after_free(ctx, response, case)


def _is_beyond_schemas(error: dict[str, Any]) -> bool:
    details = error.get("details", ())
    return error.get("code") in BEYOND_SCHEMAS or any(
        detail["location"] in CURSORS
        or detail == IN_QUERY_OR_BODY
        or _outside_items(detail["location"])[:2] == SELECTED
        or detail["location"][-1:] in ([name] for name in NOT_LATER)
        or detail["reason"].endswith(BEYOND_SCHEMA_REASONS)
        for detail in details
    )


def _outside_items(location: list[Any]) -> list[Any]:
    """The place in an item of a batch, as if the item were the whole body."""
    return [location[0], *location[3:]] if location[1:2] == ["items"] else location


def _is_of_another_view(case: Any, error: dict[str, Any]) -> bool:
    """Whether all that is wrong are fields that another `view` has."""
    takes_view = any(one.name == "view" for one in case.operation.query)
    details = error.get("details", ())
    return takes_view and all(one["location"][:2] == SELECTED_OF_VIEW for one in details)


def _has_refused_lines(response: Any, case: Any) -> bool:
    """Whether the answer to a bulk learn says of a line that it is wrong."""
    if case.path != "/v2/learn" or response.status_code != 200:
        return False
    return bool(response.json()["summary"]["errors"])


def _error(response: Any) -> dict[str, Any]:
    content = response.json()
    assert isinstance(content, dict), "an error that is no object"
    error = content.get("error")
    assert isinstance(error, dict), "an error without the envelope"
    return error
