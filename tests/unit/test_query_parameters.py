"""Parameters of a query become the arguments that an operation declares."""

from dataclasses import fields
from typing import Annotated, Any

import pytest
from pydantic import Field

from kato_service.api.intake.queries import AsDigits, Gathered, QueryParameters
from kato_service.api.intake.strict_route import StrictRoute
from kato_service.api.shapes.bulk.bodies import LearnQuery
from kato_service.api.users.importing import ImportQuery
from kato_service.errors import InvalidInputError
from support.routes import application

Limit = Annotated[int, Field(ge=1, le=10), AsDigits]


def _between(low: Limit = 2, high: Limit = 9) -> tuple[int, int]:
    return low, high


Between = Annotated[tuple[int, int], Gathered(_between)]


async def operation(
    call: Any,
    user_id: str,
    between: Between,
    limit: Limit = 5,
    order: Annotated[str | None, Field(max_length=3)] = None,
) -> None:
    """Never called."""


PARAMETERS = QueryParameters(operation, ("call", "user_id"))


def arguments(**query: str) -> dict[str, Any]:
    return PARAMETERS.arguments(query)


def test_what_a_query_has_becomes_arguments_of_their_types() -> None:
    assert arguments(limit="7", order="up") == {"limit": 7, "order": "up", "between": (2, 9)}


def test_what_a_query_does_not_have_is_left_to_the_operation() -> None:
    assert arguments() == {"between": (2, 9)}


def test_an_argument_is_made_of_its_own_parameters() -> None:
    assert arguments(high="4") == {"between": (2, 4)}


def test_others_are_left_to_whoever_reads_them() -> None:
    assert arguments(user_id="x", session_id="y") == {"between": (2, 9)}


def test_all_parameters_are_known_and_those_of_the_operation_come_first() -> None:
    assert [each.name for each in PARAMETERS.all] == ["limit", "order", "low", "high"]
    assert PARAMETERS.names == {"limit", "order", "low", "high"}


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidInputError) as caught:
        arguments(high="no", limit="11", order="long")
    names = ["limit", "order", "high"]
    places = [each["location"] for each in caught.value.details]
    assert places == [["query", name] for name in names]


def test_a_parameter_without_a_default_is_refused_when_the_route_is_made() -> None:
    async def listed(limit: Limit) -> None:
        """Never called."""

    with pytest.raises(TypeError, match="listed: limit has no default"):
        QueryParameters(listed, ())


def test_a_parameter_of_a_path_is_a_string() -> None:
    async def shown(call: Any, number: int) -> Any:
        """Never called."""

    with pytest.raises(TypeError, match="shown: number comes from the path, but is no str"):
        StrictRoute("/{number}", shown, "GET")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v2/learn", LearnQuery),
        ("/v2/users/{user_id}/knowledge:import", ImportQuery),
        ("/v2/anonymous/knowledge:import", ImportQuery),
    ],
)
def test_the_query_of_a_stream_is_that_of_its_operation(path: str, query: Any) -> None:
    route = next(
        one
        for one in application().routes
        if isinstance(one, StrictRoute) and one.path == path and one.methods == {"POST"}
    )
    declared = {each.name: each.default for each in route.query.all}
    assert declared == {field.name: field.default for field in fields(query)}
