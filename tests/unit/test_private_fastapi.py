"""The parts of FastAPI that the API builds on: routes that answer and read bodies themselves."""

from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, Query, Request, params
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

ROUTES = "kato_service/api/intake/strict_route.py"
ERRORS = "kato_service/api/errors.py"
QUERIES = "kato_service/api/intake/queries.py"
INTAKE = "kato_service/api/intake/session_middleware.py"


class Body(BaseModel):
    number: int


async def endpoint(body: Body) -> int:
    return body.number


def app(kind: type[APIRoute]) -> FastAPI:
    made = FastAPI()
    made.router.add_api_route("/{name}", endpoint, methods=["POST"], route_class_override=kind)
    return made


async def posted(made: ASGIApp, content: bytes) -> httpx.Response:
    transport = httpx.ASGITransport(made)
    async with httpx.AsyncClient(transport=transport, base_url="http://kato") as client:
        headers = {"content-type": "application/json"}
        return await client.post("/it", content=content, headers=headers)


class ReplacedRoute(APIRoute):
    """Answers without FastAPI, with its own path and endpoint."""

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.app = self.answer

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        known = (scope["route"].path, scope["route"].endpoint is endpoint)
        await PlainTextResponse(f"{known} {list(self.param_convertors)}")(scope, receive, send)


async def test_a_route_handles_requests_with_its_own_app() -> None:
    answer = await posted(app(ReplacedRoute), b"{}")
    expected = "('/{name}', True) ['name']"
    assert answer.text == expected, f"routes changed: {ROUTES} and {INTAKE} build on it"


async def test_a_route_that_is_in_no_application_answers_requests() -> None:
    analysed: Any = app(APIRoute).router.routes[-1]
    route = Route("/{name}", endpoint, methods=["POST"])
    route.app = AsyncExitStackMiddleware(analysed.app)
    answer = await posted(Router([route]), b'{"number": 1}')
    assert answer.text == "1", f"routes changed: {ROUTES} builds on it"


async def test_a_refusal_rises_from_a_route_that_is_in_no_application() -> None:
    analysed: Any = app(APIRoute).router.routes[-1]
    route = Route("/{name}", endpoint, methods=["POST"])
    route.app = AsyncExitStackMiddleware(analysed.app)
    with pytest.raises(RequestValidationError):
        await posted(Router([route]), b'{"number": "x"}')


class RefusingRequest(Request):
    async def json(self) -> Any:
        raise HTTPException(418)


class RefusingRoute(APIRoute):
    """Reads bodies itself, and refuses them."""

    def get_route_handler(self) -> Any:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(RefusingRequest(request.scope, request.receive))

        return handle


async def test_a_body_is_read_by_the_request_that_the_route_creates() -> None:
    answer = await posted(app(RefusingRoute), b'{"number": 1}')
    assert answer.status_code == 418, f"reading changed: {ROUTES} and {ERRORS} build on it"


class ValidatingRequest(Request):
    async def json(self) -> Any:
        return Body(number=7)


class ValidatingRoute(APIRoute):
    """Reads and validates bodies itself."""

    def get_route_handler(self) -> Any:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(ValidatingRequest(request.scope, request.receive))

        return handle


async def test_a_body_that_is_validated_already_is_taken_as_it_is() -> None:
    answer = await posted(app(ValidatingRoute), b"no JSON")
    assert answer.text == "7", f"bodies are validated again: {ROUTES} builds on it"


async def test_a_missing_body_is_reported_with_its_place() -> None:
    made, seen = app(APIRoute), []

    @made.exception_handler(RequestValidationError)
    async def note(_request: Request, error: RequestValidationError) -> Response:
        seen.extend(error.errors())
        return Response(status_code=400)

    await posted(made, b"")
    assert (seen[0]["type"], seen[0]["loc"]) == ("missing", ("body",)), f"{ERRORS} reads it"


async def test_the_query_parameters_of_a_route_are_known() -> None:
    async def listed(limit: int = 1, other: int = Depends(_dependency)) -> int:
        return limit

    made = FastAPI()
    made.router.add_api_route("/", listed)
    dependant: Any = made.router.routes[-1].dependant  # type: ignore[attr-defined]  # a route of FastAPI
    assert [each.alias for each in dependant.query_params] == ["limit"], f"{QUERIES} reads it"
    (inner,) = dependant.dependencies
    assert [each.alias for each in inner.query_params] == ["inner"], f"{QUERIES} reads it"


def _dependency(inner: int = 2) -> int:
    return inner


def test_a_parameter_of_the_query_is_known_by_its_class() -> None:
    assert isinstance(Query(), params.Query)
    assert not isinstance(Header(), params.Query)
