"""The parts of FastAPI that the OpenAPI documents build on: it analyses a function that is never
called, and whose arguments are those of a signature of our own."""

from inspect import Parameter, Signature
from typing import Annotated, Any, Literal

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, APIRouter
from pydantic import BaseModel, Field

DOCUMENT = "kato_service/api/documents/document.py"


class Body(BaseModel):
    number: int


class Answer(BaseModel):
    text: str


def argument(name: str, kind: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def operation(*arguments: Parameter) -> dict[str, Any]:
    """What the document says of an operation with these arguments."""

    async def endpoint() -> None:
        raise AssertionError

    endpoint.__signature__ = Signature(arguments)  # type: ignore[attr-defined]  # read by `inspect`
    router = APIRouter()
    router.add_api_route("/{name}", endpoint, methods=["POST"], response_model=Answer)
    (route,) = router.routes
    assert isinstance(route, APIRoute)
    made = get_openapi(title="it", version="1", routes=[route])
    found: dict[str, Any] = made["paths"]["/{name}"]["post"]
    return found


def test_what_the_path_has_is_known_by_its_name() -> None:
    (found,) = operation(argument("name", str))["parameters"]
    assert (found["name"], found["in"]) == ("name", "path"), f"{DOCUMENT} builds on it"


def test_an_argument_with_bounds_and_a_default_is_a_parameter_of_the_query() -> None:
    limit = argument("limit", Annotated[int, Field(ge=1, description="Items.")], 100)
    order = argument("order", Annotated[Literal["a", "b"], Field(description="By.")], "a")
    found = {each["name"]: each for each in operation(limit, order)["parameters"]}
    assert {each["in"] for each in found.values()} == {"query"}, f"{DOCUMENT} builds on it"
    assert not any(each["required"] for each in found.values())
    shown = found["limit"]["schema"] | {"title": ""}
    assert shown == {
        "type": "integer", "minimum": 1, "default": 100, "description": "Items.", "title": ""
    }, f"{DOCUMENT} reads it"  # fmt: skip
    assert found["order"]["schema"]["enum"] == ["a", "b"]


def test_a_model_is_the_body() -> None:
    found = operation(argument("body", Body))
    assert found["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Body"
    }, f"{DOCUMENT} builds on it"


def test_the_model_of_the_answer_is_documented() -> None:
    (success,) = operation()["responses"]["200"]["content"].values()
    assert success["schema"] == {"$ref": "#/components/schemas/Answer"}
