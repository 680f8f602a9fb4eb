"""The routes of the application, for tests that walk over all of them."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace, UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from kato_service.access.opening import access_control
from kato_service.app import Application, make_app
from kato_service.monitoring.metrics import Metrics
from kato_service.settings.settings import Settings

PATTERN = "0" * 40


@dataclass(frozen=True)
class Route:
    method: str
    """WS: a WebSocket."""
    path: str
    any_query: bool
    parameters: tuple[str, ...] = ()
    """Of its query."""
    naming: frozenset[str] = frozenset()
    """Those of them that name a user, a session or a knowledge base."""
    model: type[BaseModel] | None = None
    """What its body is; None: it takes none."""
    required: bool = False
    """Whether it needs the body."""

    def at(self, session_id: str) -> str:
        """Its path for a session, or for a user who has none."""
        names = {"name": PATTERN, "symbol": "VCTR|x", "metric": "x", "test_id": "x"}
        return self.path.format(session_id=session_id, user_id="nobody", **names)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def application() -> Application:
    """The application, for its routes."""
    settings = Settings(_env_file=None)  # type: ignore[call-arg]  # a setting of pydantic
    service: Any = SimpleNamespace(
        settings=settings, access=access_control(settings), metrics=Metrics(), rate_limits=None
    )
    return make_app(service)


@cache
def routes() -> tuple[Route, ...]:
    """Every route, once for each of its methods."""
    return tuple(_routes())


def _routes() -> Iterator[Route]:
    for found in application().routes:
        route: Any = found
        if "{path:path}" in route.path:
            continue
        parameter = inspect.signature(route.endpoint).parameters.get("body")
        query = getattr(route, "query", None)
        read = () if query is None else tuple(each.name for each in query.all)
        for method in sorted(getattr(route, "methods", None) or {"WS"}):
            yield Route(
                method=method,
                path=getattr(route, "path_format", route.path),
                any_query=route.need.any_query,
                parameters=tuple(dict.fromkeys((*read, *route.need.naming))),
                naming=route.need.naming,
                model=None if parameter is None else _model(parameter.annotation),
                required=parameter is not None and parameter.default is parameter.empty,
            )


def _model(annotation: Any) -> type[BaseModel]:
    if get_origin(annotation) is UnionType:
        annotation = get_args(annotation)[0]
    assert issubclass(annotation, BaseModel)
    return annotation
