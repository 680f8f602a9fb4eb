"""An OpenAPI document: what FastAPI derives from the operations, and what it does not know.

Nothing else needs FastAPI, so a process imports this module with its first document.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, APIRouter
from pydantic import BaseModel
from starlette.applications import Starlette

from kato_service import __version__
from kato_service.access.scopes import Scope
from kato_service.api.documents import limits, schemas, texts
from kato_service.api.documents.answer_examples import example
from kato_service.api.documents.refusals import (
    HEADERS,
    RATES,
    header_references,
    refusals,
    share_refusals,
)
from kato_service.api.intake.bodies import LINES_TYPE
from kato_service.api.intake.guards import need_of
from kato_service.api.intake.operations import Described, described
from kato_service.api.intake.queries import arguments_of
from kato_service.api.intake.strict_route import DocumentedRoute, StrictRoute
from kato_service.api.shapes.examples import EXAMPLES
from kato_service.api.shapes.requests import ConfigBody, GeneOverrides, GenesBody, StrictGenes
from kato_service.api.shapes.responses import Refusal
from kato_service.domain.identity import MAX_USER_ID_CHARS
from kato_service.settings.settings import Settings

Document = dict[str, Any]
_GENES_IN: Mapping[Any, tuple[str, type[BaseModel]]] = {
    GenesBody: ("genes", StrictGenes),
    ConfigBody: ("config", GeneOverrides),
}
"""By body, the field of the genes, and what it holds; they may come alone on the older paths."""
_REFERENCE = "#/components/schemas/{model}"
_SCHEMES: Mapping[str, Any] = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key of this instance.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key of this instance, or a token of its issuer.",
    },
}
_REQUEST_ID: Mapping[str, Any] = {
    "name": "X-Request-ID",
    "in": "header",
    "required": False,
    "description": texts.REQUEST_ID,
    "schema": {"type": "string"},
}


def document(app: Starlette, settings: Settings, *, older: bool) -> Document:
    """The document of the current paths, or that of the older ones, as `/openapi.json` has it."""
    tags = texts.OLDER_TAGS if older else texts.TAGS
    routes = _routes(app, tuple(tags), older=older)
    made = get_openapi(
        title="KATO, older paths" if older else "KATO",
        version=__version__,
        description=_unwrapped(texts.OLDER if older else texts.CURRENT),
        routes=[_analysed(route) for route in routes],
        tags=[{"name": name, "description": text} for name, text in tags.items()],
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
    )
    schemas = made["components"]["schemas"]
    for route in routes:
        assert route.methods is not None
        (method,) = route.methods
        operation = made["paths"][route.path_format][method.lower()]
        found = described(route)
        assert found is not None
        _complete(operation, route, found, settings)
        if (line := found.takes) is not None:
            schemas[line.__name__] = line.model_json_schema(ref_template=_REFERENCE)
    shared = share_refusals(made["paths"])
    made["components"] = _components(schemas, settings, older=older)
    made["components"]["securitySchemes"] = _schemes(settings)
    _show_examples(made)
    made["components"]["responses"] = shared
    return made


def _routes(app: Starlette, tags: Sequence[str], *, older: bool) -> list[DocumentedRoute]:
    """The routes of the document, by group in reading order."""
    found = [
        route
        for route in app.routes
        if isinstance(route, DocumentedRoute)
        and (known := described(route)) is not None
        and known.older is older
    ]
    return sorted(found, key=lambda route: tags.index(route.documented["tags"][0]))


def _analysed(route: DocumentedRoute) -> APIRoute:
    """*route* as FastAPI analyses it."""
    router = APIRouter()
    router.add_api_route(route.path, _endpoint(route), methods=route.methods, **route.documented)
    (analysed,) = router.routes
    assert isinstance(analysed, APIRoute)
    return analysed


def _endpoint(route: DocumentedRoute) -> Callable[..., Any]:
    """The endpoint, with every parameter of the query as an argument, and without its call."""
    if not isinstance(route, StrictRoute):
        return route.endpoint
    arguments = arguments_of(route.endpoint)
    taken = [each for name, each in arguments.items() if name in route.param_convertors]
    taken += [each for name, each in arguments.items() if name == "body"]
    shown = [each.replace(kind=each.KEYWORD_ONLY) for each in (*taken, *route.query.all)]

    async def endpoint() -> None:
        pass  # never called: FastAPI looks at its arguments

    endpoint.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # read by inspect
    return endpoint


def _components(found: dict[str, Any], settings: Settings, *, older: bool) -> dict[str, Any]:
    envelope = Refusal.model_json_schema(ref_template=_REFERENCE)
    inner = envelope.pop("$defs")
    made = schemas.made_true({**found, **inner, "Refusal": envelope}, older=older)
    limits.bound(made, settings)
    return {
        "schemas": made,
        "headers": dict(HEADERS),
        "parameters": {"RequestID": dict(_REQUEST_ID)},
    }


def _complete(
    operation: dict[str, Any], route: DocumentedRoute, described: Described, settings: Settings
) -> None:
    need = need_of(route)
    assert need is not None
    operation["description"] = _description(route.endpoint, need.scope)
    operation["security"] = _security(need.scope, settings)
    operation["parameters"] = _parameters(operation.get("parameters", ()), route, described)
    operation["responses"] = _answers(operation["responses"], route, described)
    if "requestBody" in operation:
        operation["requestBody"] = _body(route.endpoint, settings, older=described.older)
    if described.takes is not None:
        operation["requestBody"] = _lines(described.takes, settings)


def _unwrapped(text: str) -> str:
    """*text* with a line for each paragraph: viewers show line breaks as they are."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _description(endpoint: Callable[..., Any], scope: Scope) -> str:
    needs = "no credentials" if scope is Scope.OPEN else f"the scope `{scope}`"
    return f"{texts.OPERATIONS[endpoint]}\n\nNeeds {needs}."


def _security(scope: Scope, settings: Settings) -> list[dict[str, list[str]]]:
    """Credentials that the operation takes, each with the scope that it needs."""
    if scope is Scope.OPEN:
        return []
    each = [{name: [str(scope)]} for name in _schemes(settings)]
    # Credentials are accepted, and ignored, by an instance that asks for none: what is generated
    # from its document works with every other instance as well.
    return [{}, *each] if settings.auth == "none" else each


def _schemes(settings: Settings) -> dict[str, Any]:
    """The ways to send credentials; an instance may take tokens only."""
    keys = settings.api_key is not None or settings.api_keys_file is not None
    only_tokens = settings.auth == "token" and not keys
    return {name: found for name, found in _SCHEMES.items() if name != "apiKey" or not only_tokens}


def _parameters(
    found: Sequence[dict[str, Any]], route: DocumentedRoute, described: Described
) -> list[dict[str, Any]]:
    parameters = []
    for parameter in found:
        name = parameter["name"]
        if parameter["in"] == "path":
            text = texts.GENE_NAME if "/gene/" in route.path else texts.PARAMETERS[name]
            parameter["description"] = text
        parameter |= _form(_without_null(parameter.pop("schema")))
        parameters.append(parameter)
    unknown = described.naming - {parameter["name"] for parameter in parameters}
    naming = [_text("query", name, texts.NAMING[name]) for name in sorted(unknown)]
    headers = [
        _text("header", name, text)
        for name, text in (texts.SELECTING.items() if described.naming else ())
        if name != "X-Session-ID" or "session_id" in described.naming
    ]
    return [*parameters, *naming, *headers, {"$ref": "#/components/parameters/RequestID"}]


def _text(place: str, name: str, about: str) -> dict[str, Any]:
    found = {"name": name, "in": place, "required": False, "description": about}
    bounds = {"minLength": 1, "maxLength": MAX_USER_ID_CHARS} if place == "query" else {}
    return {**found, "schema": {"type": "string", **bounds}}


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    """What a parameter holds: text, or JSON as text."""
    if "contentSchema" not in schema:
        return {"schema": schema}
    return {"content": {schema["contentMediaType"]: {"schema": schema["contentSchema"]}}}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter of the query, which cannot hold null, without its title."""
    rest = {key: value for key, value in schema.items() if key not in ("title", "description")}
    options = [one for one in rest.pop("anyOf", ()) if one.get("type") != "null"]
    return rest | (options[0] if options else {})


def _answers(
    found: Mapping[str, Any], route: DocumentedRoute, described: Described
) -> dict[str, Any]:
    success = dict(found["200"])
    on_session = ("X-Session-ID",) if _is_on_session(route, described) else ()
    caching = ("Cache-Control",) if described.uncompressed or described.lines else ()
    headers = header_references("X-Request-ID", *on_session, *caching, *RATES)
    success |= {"headers": headers}
    if described.also_text:
        success["content"] = {"text/plain": {"schema": {"type": "string"}}, **success["content"]}
    if described.lines:
        success["content"] = {LINES_TYPE: success["content"]["application/json"]}
    answers = {"200": success | {"description": "Done"}, **refusals(described.errors)}
    for status in described.also:
        answers[str(status)] = success | {"description": "The same, not ready or unhealthy"}
    return dict(sorted(answers.items()))


def _show_examples(made: Document) -> None:
    """Give every success, and every body of lines, an example.

    An answer of all its fields would look like a repeat.
    """
    schemas = made["components"]["schemas"]
    for operation in (one for path in made["paths"].values() for one in path.values()):
        for kind, content in operation["responses"]["200"]["content"].items():
            if kind.endswith("json"):
                content["example"] = example(content["schema"], schemas)
        bodies = operation.get("requestBody", {}).get("content", {})
        if (lines := bodies.get(LINES_TYPE)) is not None:
            lines["examples"] = {"One line": {"value": example(lines["schema"], schemas)}}


def _is_on_session(route: DocumentedRoute, described: Described) -> bool:
    return "session_id" in described.naming or "{session_id}" in route.path


def _lines(line: type[BaseModel], settings: Settings) -> dict[str, Any]:
    """A body that is a stream of lines."""
    schema = {"$ref": _REFERENCE.format(model=line.__name__)}
    return {
        "description": (
            "Lines of JSON: an export, or lines of patterns and vectors alone. At most"
            f" {settings.max_body_bytes} bytes a line."
        ),
        "required": True,
        "content": {LINES_TYPE: {"schema": schema}},
    }


def _body(endpoint: Callable[..., Any], settings: Settings, *, older: bool) -> dict[str, Any]:
    """The body of an operation, with examples to paste."""
    parameter = arguments_of(endpoint)["body"]
    given = [one for one in get_args(parameter.annotation) if one is not type(None)]
    model: type[BaseModel] = given[0] if given else parameter.annotation
    reference: dict[str, Any] = {"$ref": _REFERENCE.format(model=model.__name__)}
    if older and model in _GENES_IN:
        field, genes = _GENES_IN[model]
        alone = {"$ref": _REFERENCE.format(model=genes.__name__)}
        no_field = {"not": {"required": [field]}}
        reference = {"anyOf": [reference, {"allOf": [alone, no_field]}]}
    examples = {
        summary: {"value": value}
        for summary, value in EXAMPLES[model].items()
        if "vectors" not in value or limits.takes_vectors(settings)
    }
    return {
        "description": f"At most {settings.max_body_bytes} bytes of JSON.",
        "required": parameter.default is parameter.empty,
        "content": {"application/json": {"schema": reference, "examples": examples}},
    }
