"""Routes that parse bodies strictly and call operations (decisions 0017 and 0065).

FastAPI documents every operation, and reads the parameters of requests with a query. The others
have only a path and a body; operations are called with them directly, because FastAPI's general way
to resolve parameters takes longer than an observation. FastAPI analyses an operation when it is
first needed for it: all of them would take a tenth of the start.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, get_args

from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.params import Query
from fastapi.routing import APIRoute, APIRouter
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kato_service.api import errors
from kato_service.api.intake import exact_json, json_bodies
from kato_service.api.intake.calls import call_of, label
from kato_service.api.intake.identity import Claims, claims_taken
from kato_service.api.intake.prefix import SLASH, segmented
from kato_service.api.shapes.body import unknown_fields_ignored
from kato_service.api.shapes.requests import ConfigBody, GeneOverrides, GenesBody, NoBody
from kato_service.api.wording import invalid_input
from kato_service.errors import InvalidInputError
from kato_service.findings import REQUIRED

Endpoint = Callable[..., Awaitable[Response]]


class DocumentedRoute(Route):
    """A route for one method, which FastAPI can document."""

    kind: type[APIRoute] = APIRoute
    """FastAPI's form of the route."""
    others: frozenset[str] = frozenset()
    """Paths that belong to other routes, although a parameter of this one could stand for them."""

    def __init__(self, path: str, endpoint: Endpoint, method: str, **documented: Any) -> None:
        """*documented*: arguments of `APIRouter.add_api_route`."""
        super().__init__(path, endpoint, methods=[method])
        self.methods = {method}  # without HEAD, which the base class adds to GET
        self._documented = documented

    @cached_property
    def documented(self) -> APIRoute:
        """The route as FastAPI analyses it, for a millisecond."""
        router = APIRouter()
        router.add_api_route(
            self.path,
            self.endpoint,
            methods=self.methods,
            route_class_override=self.kind,
            **self._documented,
        )
        (route,) = router.routes
        assert isinstance(route, APIRoute)
        return route

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        names_user = "user_id" in self.param_convertors
        seen = segmented(scope) if names_user else scope
        match, found = super().matches(seen)
        if match is not Match.NONE:
            if self.others and self.path_format.format(**found["path_params"]) in self.others:
                return Match.NONE, {}
            found["route"] = self
            if seen is not scope:
                given = found["path_params"]
                found["path_params"] = given | {"user_id": given["user_id"].replace(SLASH, "/")}
        return match, found


def keep_apart(routes: Iterable[BaseRoute]) -> None:
    """Let no parameter stand for a path that is a route by name: `count` is no session's id."""
    found = [one for one in routes if isinstance(one, DocumentedRoute)]
    names = {one.path for one in found if not one.param_convertors}
    for route in found:
        if route.param_convertors:
            route.others = frozenset(filter(route.path_regex.match, names))


class RoutesByPath:
    """Finds routes without parameters by method and path; others are matched in their order.

    `keep_apart` lets no parameter stand for such a path, so the first match would be the same one.
    """

    def __init__(self, routes: Iterable[BaseRoute], in_order: ASGIApp) -> None:
        """*in_order*: takes every request for which no route is found here."""
        self._in_order = in_order
        self._ordered = tuple(routes)
        self._routes: dict[tuple[str, str], tuple[DocumentedRoute]] = {}
        for route in self._ordered:
            if isinstance(route, DocumentedRoute) and not route.param_convertors:
                for method in route.methods or ():
                    self._routes.setdefault((method, route.path), (route,))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = (scope.get("method", ""), scope["path"])
        for route in self._routes.get(named, self._ordered):
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                await route.handle(scope, receive, send)
                return
        await self._in_order(scope, receive, send)


class _AnalysedRoute(APIRoute):
    """A strict route as FastAPI analyses it; reads requests with a query."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            begin(request, self.path)
            if _body_reader(self.endpoint) is None:
                await _read_unused(request)
            return await handler(_StrictRequest(request.scope, request.receive))

        return handle


class StrictRoute(DocumentedRoute):
    """The route of one operation, for one method."""

    kind = _AnalysedRoute

    def __init__(self, path: str, endpoint: Endpoint, method: str, **documented: Any) -> None:
        super().__init__(path, endpoint, method, **documented)
        direct = _can_be_called_directly(endpoint, self.param_convertors)
        with_fastapi = AsyncExitStackMiddleware(self._analysed)
        self.app = _directly(path, endpoint, with_fastapi) if direct else with_fastapi

    async def _analysed(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.documented.app(scope, receive, send)
        except (RequestValidationError, HTTPException) as error:
            raise errors.refusal_of(error) from error


@dataclass(frozen=True, slots=True)
class _BodyReader:
    """Parses and validates the body that an operation takes."""

    adapter: TypeAdapter[Any]
    model: Any
    """The type of the body."""
    required: bool

    async def read(self, scope: Scope, raw: bytes) -> Any:
        """The validated body; None if there is none.

        On the older paths, whom it names is added to the claims of the request.

        Raises:
            InvalidInputError: The body is refused.
        """
        claims, body = await json_bodies.read(raw, self._told) if raw else ((), self.value(None))
        if claims:
            state = scope["state"]
            state["claims"] = (*state.get("claims", ()), *claims)
        return body

    def _told(self, found: Any) -> tuple[Claims, Any]:
        """Whom *found* names, and the rest as a body."""
        named = unknown_fields_ignored.get() and isinstance(found, dict)
        return claims_taken(found) if named else (), self.value(found)

    def value(self, found: Any) -> Any:
        """*found*, which was parsed, as a body."""
        if found is None:
            if self.required:
                raise exact_json.refused(REQUIRED)
            return None
        try:
            return self.adapter.validate_python(found)
        except ValidationError as exc:
            raise refused_body(exc, self.model, found) from exc


class _StrictRequest(Request):
    """The request that FastAPI reads a body from, parsed and validated by us instead.

    FastAPI accepts an instance of the model as it is.
    """

    async def json(self) -> Any:
        reader = _body_reader(self.scope["route"].endpoint)
        assert reader is not None
        try:
            return await reader.read(self.scope, await self.body())
        except InvalidInputError as exc:
            raise errors.RefusedBodyError(exc) from exc


def _directly(path: str, endpoint: Endpoint, with_query: ASGIApp) -> ASGIApp:
    """The operation as an ASGI application; its errors rise to `AnsweredErrors`."""
    reader = _body_reader(endpoint)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["query_string"]:
            await with_query(scope, receive, send)
            return
        request = Request(scope, receive)
        begin(request, path)
        values = dict(request.path_params)
        if reader is not None:
            # `SessionMiddleware` hands the whole body on in one piece.
            message = await receive()
            values["body"] = await reader.read(scope, message.get("body", b""))
        else:
            await _read_unused(request)
        response = await endpoint(call_of(request), **values)
        await response(scope, receive, send)

    return app


async def _read_unused(request: Request) -> None:
    """Read a body that the operation takes nothing from, if one was sent.

    Raises:
        InvalidInputError: It is no JSON object, or it has fields that the path would not ignore.
    """
    if request.scope["state"].get("has_body", False):
        await _UNUSED.read(request.scope, await request.body())


def begin(connection: HTTPConnection, path: str) -> None:
    """Name the route in log lines, and set whether its bodies may have unknown fields.

    Every request, and every WebSocket, on a route begins with this.
    """
    label(connection, path)
    unknown_fields_ignored.set(not path.startswith("/v2/"))


_UNUSED = _BodyReader(TypeAdapter(NoBody | None), NoBody, required=False)


def _can_be_called_directly(endpoint: Endpoint, in_path: Mapping[str, Any]) -> bool:
    """Whether an operation takes only its call, strings from the path, a body, and what has a
    default if there is no query."""
    taken = inspect.signature(endpoint).parameters
    rest = taken.keys() - {"call", "body"}
    return "call" in taken and all(
        taken[one].annotation is str
        if one in in_path
        else _is_in_query(taken[one]) and taken[one].default is not inspect.Parameter.empty
        for one in rest
    )


def _is_in_query(parameter: inspect.Parameter) -> bool:
    """Whether the query has it, and not something that FastAPI would have to resolve."""
    return any(isinstance(one, Query) for one in get_args(parameter.annotation))


@cache
def _body_reader(endpoint: Endpoint) -> _BodyReader | None:
    body = inspect.signature(endpoint).parameters.get("body")
    if body is None:
        return None
    model = body.annotation
    return _BodyReader(TypeAdapter(model), model, required=body.default is body.empty)


def refused_body(exc: ValidationError, model: Any, given: Any) -> InvalidInputError:
    """The refusal of *given*, which is no *model*."""
    found = exc.errors(include_url=False, include_input=False)
    if isinstance(given, dict) and _is_map_of_genes(model, given):
        # The body has put it into the field.
        return invalid_input([{**each, "loc": each["loc"][1:]} for each in found], GeneOverrides)
    return invalid_input(found, model)


def _is_map_of_genes(model: Any, given: Mapping[str, Any]) -> bool:
    """Whether *given* is the map that the field of *model* would hold, as older paths accept."""
    if model is ConfigBody:
        return unknown_fields_ignored.get() and "config" not in given
    return model is GenesBody and "genes" not in given
