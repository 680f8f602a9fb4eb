"""The parts of Starlette that the API builds on: routes that replace their application."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route, WebSocketRoute

ROUTES = "kato_service/api/intake/strict_route.py"


async def endpoint(request: Request) -> Response:
    return Response()


def scope(method: str, path: str, **more: Any) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": [], **more}


async def test_a_route_handles_requests_with_its_own_application() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    route: Any = Route("/{name}", endpoint, methods=["GET"])
    route.app = app
    await route.handle(scope("GET", "/it"), None, None)
    assert seen == ["/it"], f"{ROUTES} and the guards build on it"


def test_a_route_tells_what_its_path_holds() -> None:
    route = Route("/{name}/{rest:path}", endpoint)
    assert list(route.param_convertors) == ["name", "rest"], f"{ROUTES} builds on it"
    assert route.path_format == "/{name}/{rest}"
    assert route.path_regex.match("/a/b/c")
    match, found = route.matches(scope("GET", "/a/b/c"))
    assert (match, found["path_params"]) == (Match.FULL, {"name": "a", "rest": "b/c"})


def test_a_route_of_another_method_matches_in_part() -> None:
    route = Route("/it", endpoint, methods=["POST"])
    route.methods = {"POST"}
    assert route.matches(scope("GET", "/it"))[0] is Match.PARTIAL, f"{ROUTES} builds on it"


async def test_what_no_route_takes_is_refused_with_the_route_that_nearly_did() -> None:
    app = Starlette()
    app.router.routes[:] = [Route("/it", endpoint, methods=["POST"]), WebSocketRoute("/ws", _never)]
    asked = scope("GET", "/it", app=app)
    with pytest.raises(HTTPException) as refused:
        await app.router.app(asked, _never, _never)
    assert (refused.value.status_code, asked["route"].path) == (405, "/it"), f"{ROUTES} reads it"
    with pytest.raises(HTTPException) as missing:
        await app.router.app(scope("GET", "/ws", app=app), _never, _never)
    assert missing.value.status_code == 404


async def _never(*_: Any) -> Any:
    raise AssertionError
