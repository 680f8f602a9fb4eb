"""The OpenAPI documents as they are built, and the files of the page that shows them."""

import hashlib
import keyword
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from kato_service.api.documents import texts
from kato_service.api.documents.document import document
from kato_service.api.documents.page import ASSETS, SECURITY_HEADERS
from kato_service.api.intake.guards import need_of
from kato_service.api.intake.strict_route import DocumentedRoute
from kato_service.settings.settings import Settings
from support.documents import Document, application, operations, resolved

ROOT = Path(__file__).parents[2]
ASSETS_FOLDER = ROOT / "service" / "kato_service" / "api" / "documents" / "assets"
DECISION = ROOT / "docs" / "decisions" / "0041-the-page-of-the-api-is-in-the-package.md"
OBSERVATIONS = ("ObservationBody", "SequenceItem")


@cache
def built(*, older: bool, **variables: str) -> Document:
    """A document, which takes a second: nobody may change it."""
    app = application(**variables)
    return document(app, app.state.service.settings, older=older)


@pytest.fixture(scope="module", params=[False, True], ids=["current", "older"])
def either(request: pytest.FixtureRequest) -> Document:
    return built(older=request.param)


@pytest.fixture(scope="module")
def current() -> Document:
    return built(older=False)


@pytest.fixture(scope="module")
def older() -> Document:
    return built(older=True)


def properties(of: Document, schema: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = of["components"]["schemas"][schema]["properties"]
    return found


def test_a_document_is_valid_openapi_31(either: Document) -> None:
    assert either["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(either).iter_errors()) == []


def test_the_documents_together_describe_every_operation_once() -> None:
    app = application()
    served = [
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, DocumentedRoute)
        for method in route.methods or ()
        if method != "HEAD"
    ]
    described = [
        (operation.method, operation.path)
        for older in (False, True)
        for operation in operations(built(older=older))
    ]
    assert sorted(described) == sorted(served)


def test_names_of_operations_are_unique_and_fit_for_code(either: Document) -> None:
    names = [operation.id for operation in operations(either)]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in names)


def test_every_operation_says_what_it_does(either: Document) -> None:
    for operation in operations(either):
        assert operation.content["summary"]
        assert len(operation.content["description"]) > 40


def test_the_groups_are_in_reading_order(current: Document) -> None:
    assert [tag["name"] for tag in current["tags"]] == list(texts.TAGS)
    used = [operation.content["tags"][0] for operation in operations(current)]
    assert list(dict.fromkeys(used)) == list(texts.TAGS)
    assert [operation.id for operation in operations(current)][:2] == [
        "create_session",
        "list_sessions",
    ]


def test_every_parameter_is_described(either: Document) -> None:
    for operation in operations(either):
        for parameter in operation.content["parameters"]:
            found = resolved(either, parameter)
            assert found["description"], (operation.id, found["name"])
            schema = found.get("schema") or found["content"]["application/json"]["schema"]
            assert "anyOf" not in schema


def test_the_first_example_has_neither_unique_id_nor_vectors(either: Document) -> None:
    for operation in operations(either):
        first = next(operation.examples(), None)
        assert not {"unique_id", "vectors"} & set(first or ())


def test_examples_fit_their_schemas(either: Document) -> None:
    components = {"components": either["components"]}
    refusals = [
        one["content"]["application/json"] for one in either["components"]["responses"].values()
    ]
    bodies = [
        content
        for operation in operations(either)
        for content in operation.content.get("requestBody", {"content": {}})["content"].values()
    ]
    for content in refusals + bodies:
        for example in content["examples"].values():
            Draft202012Validator(components | content["schema"]).validate(example["value"])


def test_every_answer_has_an_example_of_a_first_request(either: Document) -> None:
    components = {"components": either["components"]}
    for operation in operations(either):
        for kind, content in operation.answer(200)["content"].items():
            if kind == "application/json":
                Draft202012Validator(components | content["schema"]).validate(content["example"])
                assert "repeated" not in content["example"]
                assert "…" not in str(content["example"])


def test_examples_have_them_only_where_they_are_the_subject(either: Document) -> None:
    for operation in operations(either):
        body = operation.content.get("requestBody", {"content": {}})
        content = body["content"].get("application/json", {})
        for summary, example in content.get("examples", {}).items():
            assert ("unique_id" in str(example["value"])) == (summary == "Safe to send again")
            assert ("vectors" in str(example["value"])) == (summary == "With a vector")


@pytest.mark.parametrize("older", [False, True], ids=["current", "older"])
@pytest.mark.parametrize(
    ("variables", "optional"), [({}, [{}]), ({"API_KEY": "a-key"}, [])], ids=["keyless", "keyed"]
)
def test_security_is_the_scope_that_the_route_needs(
    older: bool, variables: dict[str, str], optional: list[dict[str, Any]]
) -> None:
    app = application(**variables)
    needs = {
        (method, route.path_format): need.scope
        for route in app.routes
        if isinstance(route, DocumentedRoute) and (need := need_of(route)) is not None
        for method in route.methods or ()
    }
    for operation in operations(built(older=older, **variables)):
        scope = needs[operation.method, operation.path]
        each = [{"apiKey": [scope.value]}, {"bearer": [scope.value]}]
        expected = [] if scope == "open" else [*optional, *each]
        assert operation.content["security"] == expected


@pytest.mark.parametrize(
    ("keys", "schemes"), [({}, {"bearer"}), ({"API_KEY": "a-key"}, {"apiKey", "bearer"})]
)
def test_an_instance_of_tokens_takes_keys_only_if_it_has_any(
    keys: dict[str, str], schemes: set[str]
) -> None:
    settings = Settings(  # type: ignore[call-arg]  # by alias
        _env_file=None, TOKEN_ISSUER="https://a.example", TOKEN_AUDIENCE="kato", **keys
    )
    made = document(application(), settings, older=False)
    assert set(made["components"]["securitySchemes"]) == schemes
    create = operations(made)[0]
    assert {name for each in create.content["security"] for name in each} == schemes


def test_without_v2_features_the_current_document_holds_health_only() -> None:
    made = built(older=False, ENABLE_V2_FEATURES="false")
    assert {operation.content["tags"][0] for operation in operations(made)} == {"health"}
    assert list(OpenAPIV31SpecValidator(made).iter_errors()) == []


def test_unknown_fields_are_refused_under_v2_and_ignored_elsewhere(
    current: Document, older: Document
) -> None:
    everywhere = {"StrictGenes", "GenesBody"}
    for of, expected in ((current, False), (older, True)):
        bodies = {
            name: schema["additionalProperties"]
            for name, schema in of["components"]["schemas"].items()
            if name.endswith(("Body", "Item", "Overrides")) or name == "StrictGenes"
        }
        assert {bodies.pop(name) for name in everywhere & set(bodies)} <= {False}
        assert set(bodies.values()) == {expected}


def test_all_spellings_of_a_field_are_described(either: Document) -> None:
    session, genes = properties(either, "SessionBody"), properties(either, "GeneOverrides")
    assert session["node_id"]["anyOf"] == session["user_id"]["anyOf"]
    assert genes["sort"]["anyOf"] == genes["sort_symbols"]["anyOf"]
    assert session["node_id"]["deprecated"]
    schemas = either["components"]["schemas"]
    assert schemas["SessionBody"]["not"] == {"required": ["user_id", "node_id"]}
    assert schemas["GeneOverrides"]["not"] == {"required": ["sort_symbols", "sort"]}


@pytest.mark.parametrize(
    ("gene", "low", "high"),
    [
        ("recall_threshold", 0, 1),
        ("max_predictions", 1, 10_000),
        ("persistence", 1, 100),
        ("max_pattern_length", 0, 2**31 - 1),
        ("vector_neighbors", 0, 100),
        ("vector_min_score", -1, 1),
        ("vector_absorb_similarity", 0, 1),
    ],
)
def test_genes_have_their_bounds(either: Document, gene: str, low: float, high: float) -> None:
    bounds = properties(either, "GeneOverrides")[gene]["anyOf"][0]
    assert (bounds["minimum"], bounds["maximum"]) == (low, high)


def test_other_numbers_have_their_bounds(current: Document) -> None:
    ttl = {"type": "integer", "minimum": 1, "maximum": 86_400}
    assert properties(current, "SessionBody")["ttl_seconds"]["anyOf"][0] == ttl
    assert properties(current, "ExtendBody")["ttl_seconds"]["anyOf"][0] == ttl
    frequency = properties(current, "PatternBody")["frequency"]["anyOf"][0]
    assert frequency == {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
    queries = {
        (operation.id, parameter["name"]): parameter["schema"]
        for operation in operations(current)
        for parameter in operation.content["parameters"]
        if parameter.get("in") == "query" and "schema" in parameter
    }
    assert queries["extend_session", "ttl_seconds"] == ttl
    assert queries["get_predictions", "limit"]["maximum"] == 10_000
    assert queries["get_predictions", "recall_threshold"]["maximum"] == 1
    for lists in ("list_sessions", "list_patterns"):
        assert queries[lists, "limit"]["maximum"] == 1000
        assert queries[lists, "cursor"]["maxLength"] == 1024
    assert queries["list_sessions", "user_id"]["maxLength"] == 256


LIMITS = {
    "MAX_STRINGS_PER_EVENT": ("7", lambda it: it["strings"]["maxItems"]),
    "MAX_SYMBOL_CHARS": ("70", lambda it: it["strings"]["items"]["maxLength"]),
    "MAX_VECTORS_PER_OBSERVATION": ("3", lambda it: it["vectors"]["maxItems"]),
    "MAX_VECTOR_DIMENSIONS": ("33", lambda it: it["vectors"]["items"]["maxItems"]),
}
"""By variable: a value, and where a schema has it."""


@pytest.mark.parametrize("variable", LIMITS)
@pytest.mark.parametrize("is_older", [False, True], ids=["current", "older"])
def test_limits_of_the_settings_are_in_the_schemas(variable: str, is_older: bool) -> None:
    value, found = LIMITS[variable]
    made = built(older=is_older, **{variable: value})
    for name in OBSERVATIONS:
        assert found(properties(made, name)) == int(value)


def test_limits_that_nothing_changes_are_in_the_schemas(current: Document) -> None:
    for name in OBSERVATIONS:
        emotives = properties(current, name)["emotives"]
        assert (emotives["maxProperties"], emotives["propertyNames"]) == (64, {"maxLength": 256})
    assert properties(current, "SequenceBody")["observations"]["maxItems"] == 1000
    unique_id = properties(current, "ObservationBody")["unique_id"]["anyOf"][0]
    assert (unique_id["minLength"], unique_id["maxLength"]) == (1, 256)
    user_id = properties(current, "SessionBody")["user_id"]["anyOf"][0]
    assert (user_id["minLength"], user_id["maxLength"]) == (1, 256)


def test_limits_that_no_schema_can_express_are_in_words() -> None:
    made = built(older=False, MAX_BODY_BYTES="4321", MAX_METADATA_BYTES="99")
    assert "99 bytes" in properties(made, "SessionBody")["metadata"]["description"]
    bodies = [it.content["requestBody"] for it in operations(made) if "requestBody" in it.content]
    assert all("4321 bytes" in body["description"] for body in bodies)


def test_an_instance_without_vectors_shows_none() -> None:
    made = built(older=False, VECTORS="disabled")
    assert properties(made, "ObservationBody")["vectors"]["maxItems"] == 0
    assert "With a vector" not in str(made)


def test_every_refusal_has_the_envelope_and_its_headers(either: Document) -> None:
    refusals = either["components"]["responses"].values()
    for refusal in refusals:
        schema = refusal["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Refusal"}
        assert "X-Request-ID" in refusal["headers"]
    for operation in operations(either):
        for status in {"429", "503"} & set(operation.content["responses"]):
            if operation.content["tags"] != ["health"]:
                assert "Retry-After" in operation.answer(int(status))["headers"]
        if operation.content["security"]:
            assert "WWW-Authenticate" in operation.answer(401)["headers"]


@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.path)
def test_the_files_of_the_page_are_in_the_package(asset: Any) -> None:
    assert files("kato_service.api.documents").joinpath("assets", asset.file).is_file()


def test_the_files_of_others_are_those_that_the_decision_names() -> None:
    named = dict(re.findall(r"^\| `([\w.-]+)` \| `([0-9a-f]{64})` \|$", DECISION.read_text(), re.M))
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (ASSETS_FOLDER / "swagger-ui").iterdir()
    }
    assert found == named


def test_the_page_has_relative_addresses_and_nothing_inline() -> None:
    page = (ASSETS_FOLDER / "page.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(addresses) == 7
    assert all(re.fullmatch(r"docs/[\w.-]+|openapi\.json", one) for one in addresses)
    assert re.findall(r"<script>|<style|style=|\son\w+=", page) == []
    assert "unsafe" not in SECURITY_HEADERS["Content-Security-Policy"]
    assert "://" not in (ASSETS_FOLDER / "page.js").read_text()
