"""Routes that parse bodies strictly and call operations (decisions 0017 and 0099).

An operation is a function. Its arguments are the call, the request if it needs more of it, what the
path has, the body, and parameters of the query.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kato_service.api.intake import exact_json, json_bodies
from kato_service.api.intake.calls import call_of, label
from kato_service.api.intake.identity import Claims, claims_taken
from kato_service.api.intake.prefix import SLASH, segmented
from kato_service.api.intake.queries import QueryParameters, arguments_of
from kato_service.api.shapes.body import unknown_fields_ignored
from kato_service.api.shapes.requests import ConfigBody, GeneOverrides, GenesBody, NoBody
from kato_service.api.wording import invalid_input
from kato_service.errors import InvalidInputError
from kato_service.findings import REQUIRED

Endpoint = Callable[..., Awaitable[Response]]
_ARGUMENTS = ("call", "request", "body")
"""Arguments of operations that are neither in the path nor in the query."""


class DocumentedRoute(Route):
    """A route for one method, which the OpenAPI documents may describe."""

    others: frozenset[str] = frozenset()
    """Paths that belong to other routes, although a parameter of this one could stand for them."""

    def __init__(self, path: str, endpoint: Endpoint, method: str, **documented: Any) -> None:
        """*documented*: arguments of FastAPI's `APIRouter.add_api_route`."""
        super().__init__(path, endpoint, methods=[method])
        self.methods = {method}  # without HEAD, which the base class adds to GET
        self.documented = documented

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        names_user = "user_id" in self.param_convertors
        seen = segmented(scope) if names_user else scope
        match, found = super().matches(seen)
        if match is not Match.NONE:
            if self.others and self.path_format.format(**found["path_params"]) in self.others:
                return Match.NONE, {}
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
                scope.update(found, route=route)
                await route.handle(scope, receive, send)
                return
        await self._in_order(scope, receive, send)


class StrictRoute(DocumentedRoute):
    """The route of one operation, for one method."""

    def __init__(self, path: str, endpoint: Endpoint, method: str, **documented: Any) -> None:
        """Raises:
        TypeError: A parameter of the query has no default, or one of the path is no string.
        """
        super().__init__(path, endpoint, method, **documented)
        taken = arguments_of(endpoint)
        for name in self.param_convertors:
            if taken[name].annotation is not str:
                raise TypeError(f"{endpoint.__name__}: {name} comes from the path, but is no str")
        self.query = QueryParameters(endpoint, {*_ARGUMENTS, *self.param_convertors})
        self._takes_request = "request" in taken
        self.app = self._call

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the operation and send its answer; its errors rise to `AnsweredErrors`."""
        request = Request(scope, receive)
        begin(request, self.path)
        given = dict(request.path_params)
        reader = _body_reader(self.endpoint)
        if reader is not None:
            # `SessionMiddleware` hands the whole body on in one piece.
            message = await receive()
            given["body"] = await reader.read(scope, message.get("body", b""))
        else:
            await _read_unused(request)
        if self._takes_request:
            given["request"] = request
        call = call_of(request)  # refuses what the request names before what it asks for
        given |= self.query.arguments(request.query_params if scope["query_string"] else {})
        response = await self.endpoint(call, **given)
        await response(scope, receive, send)


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


@cache
def _body_reader(endpoint: Endpoint) -> _BodyReader | None:
    body = arguments_of(endpoint).get("body")
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
