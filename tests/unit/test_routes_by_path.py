"""Routes without parameters are found by their path: the same ones as by trying all in order."""

from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, Route

from kato_service.api.errors import AnsweredErrors
from kato_service.api.intake.strict_route import DocumentedRoute, RoutesByPath
from support.routes import application


def first_match(app: Starlette, scope: dict[str, Any]) -> BaseRoute | None:
    return next((one for one in app.routes if one.matches(dict(scope))[0] is Match.FULL), None)


def test_no_other_route_comes_before_the_one_that_a_path_names() -> None:
    app = application()
    named = [
        (method, one)
        for one in app.routes
        if isinstance(one, DocumentedRoute) and not one.param_convertors
        for method in one.methods or ()
    ]
    assert len(named) > 60
    for method, route in named:
        scope = {"type": "http", "method": method, "path": route.path, "headers": []}
        assert first_match(app, scope) is route


async def test_what_has_no_route_of_its_own_is_matched_in_order() -> None:
    async def named(request: Any) -> Response:
        return PlainTextResponse(f"named {request.path_params} {request.scope['route'].path}")

    async def other(request: Any) -> Response:
        return PlainTextResponse(f"other {request.path_params}")

    made = Starlette()
    made.router.routes[:] = [
        Route("/{any}", other, methods=["GET"]),
        DocumentedRoute("/named", named, "POST"),
        DocumentedRoute("/{any}", named, "PUT"),
    ]
    transport = httpx.ASGITransport(AnsweredErrors(RoutesByPath(made.routes, made.router.app)))
    async with httpx.AsyncClient(transport=transport, base_url="http://kato") as client:
        answers = [
            (await client.request(method, path)).text
            for method, path in (("POST", "/named"), ("GET", "/named"), ("PUT", "/x"))
        ]
        assert answers == ["named {} /named", "other {'any': 'named'}", "named {'any': 'x'} /{any}"]
        assert (await client.delete("/named")).status_code == 405
        assert (await client.get("/a/b")).status_code == 404
