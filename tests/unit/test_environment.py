"""Every wrong value of every setting is refused in one line that names the variable that was set.

The settings classes say which settings there are: a new one fails here until it is known what is
wrong for it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from kato_operator import environment
from kato_operator.settings import AgentSettings, OperatorSettings
from kato_service.access.opening import access_control
from kato_service.errors import SettingsError
from kato_service.settings.settings import Settings, read_settings
from kato_service.settings.text import misspelled, spellings

ORIGINS = (
    "nonsense",
    "ui.example",
    "https://",
    "https://a b",
    "https://ui.example/app",
    "null",
    "https://*.example",
    "https://u@ui.example",
    "https://ui.example:0",
    "//ui.example",
    "https://ui.example:99999",
    "https://a.example,nonsense",
    ",",
    " ",
    "https://[::1",
)
KEYS = ("two words", "\t", "schlüssel", " ")
URLS = (
    "nonsense",
    "host:1",
    "//host",
    "ftp://host",
    "{scheme}://",
    "{scheme}://:1",
    "{scheme}:/h",
    "{scheme}://host:0",
    "{scheme}://host:99999",
    "{scheme}://host:x",
)
HTTPS = (
    "nonsense",
    "http://host",
    "ftp://host",
    "https://",
    "https://u:p@host",
    "https://h:0",
    "https://h:99999",
    "http://localhost.example",
)
WRONG: Mapping[str, tuple[str, ...]] = {
    "CORS_ORIGINS": ORIGINS,
    "HOST": ("a b", "http://host", "host/path", "u@host"),
    "QDRANT_HOST": ("a b", "http://host", "host/path"),
    "API_KEY": KEYS,
    "QDRANT_API_KEY": KEYS,
    "REDIS_URL": (*tuple(url.format(scheme="redis") for url in URLS), "redis://host/first"),
    "MONGO_BASE_URL": tuple(url.format(scheme="mongodb") for url in URLS),
    "QDRANT_URL": (*tuple(url.format(scheme="http") for url in URLS), "http://h?a=1", "http://h#a"),
    "TRACES_URL": tuple(url.format(scheme="http") for url in URLS),
    "PROCESSOR_ID": ("a/b", "a b", "ä", "x" * 111),
    "MONGO_DATABASE": ("a/b", "a.b", "x" * 64),
    "TOKEN_ISSUER": HTTPS,
    "TOKEN_JWKS_URL": HTTPS,
    "TOKEN_AUDIENCE": (",", " "),
    "TOKEN_ADMIN_SUBJECTS": (",",),
    "TOKEN_SCOPES": ("root", "read,root", "read write", ","),
    "TOKEN_USER_CLAIM": ("a b", "ä"),
    "TOKEN_SCOPE_CLAIM": ("a b",),
    "ROOT_PATH": ("kato", "/a b", "/kato?a", "https://host/kato", "/" + "x" * 5000),
    "TRUSTED_PROXIES": ("10.0.0.1/8", "host", "10.0.0.0/33", "10.0.0.0/8,x", ","),
    "KATO_OPERATOR_DEFAULT_IMAGES": ("{", "[]", '{"redis": 1}', '"x"', '{"redsi": "x"}'),
    "KATO_OPERATOR_PULL_SECRETS": ("{", "registry", '{"name": "a"}', '["A b"]', "[1]", '[""]'),
    "KATO_OPERATOR_EXCLUDED_NAMESPACES": ("{", "team", '["A"]', '["a.b"]', '["*"]', '[""]', "[1]"),
    "KATO_OPERATOR_INSTALLATION": ("kato", "a/b/c", "A/b", "/b", "a/", "a b/c"),
    "KATO_OPERATOR_PROCESS": ("x" * 201,),
    "KATO_AGENT_POD": ("mongodb", "mongodb-", "mongodb-x"),
}
"""What is wrong for settings whose JSON schema does not say it."""
FILES = {
    "API_KEY_FILE",
    "API_KEYS_FILE",
    "TLS_CERT_FILE",
    "TLS_KEY_FILE",
    "TOKEN_CA_FILE",
    "TOKEN_JWKS_BEARER_FILE",
}
"""Settings that name a file that has to be readable."""
FOLDERS = {"DATA_DIR", "KNOWLEDGE_SNAPSHOT_DIR", "KATO_AGENT_CREDENTIALS"}
"""Settings that name a folder: any path can be one; the start tries to write where it has to."""
ANY_TEXT = {
    "KATO_OPERATOR_NAMESPACE",
    "KATO_AGENT_SET_NAME",
    "KATO_AGENT_SERVICE_FQDN",
    "KATO_AGENT_DATABASE",
    "KATO_AGENT_RECORDED_SET",
    "KATO_AGENT_MONGODB_HOST",
}
"""Settings that the operator, or its chart, sets to names of the cluster."""
AGENT = {"KATO_AGENT_POD": "mongodb-0", "KATO_AGENT_SERVICE_FQDN": "mongodb.kato.svc"}
MODELS: tuple[type[BaseSettings], ...] = (OperatorSettings, AgentSettings)


def of_schema(schema: Mapping[str, Any]) -> Iterator[str]:
    """Values that a JSON schema refuses."""
    options = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    schema = options[0] if options else schema
    kind = schema.get("type")
    if "enum" in schema:
        yield from ("nonsense", "1", " ", schema["enum"][0] + "x")
    elif kind == "boolean":
        yield from ("maybe", "2", " ", "truee", "-1", "null")
    elif kind in ("integer", "number"):
        yield from ("x", "nan", "inf", "-inf", "1 000", "1,5", "0x10", " ", "true", "1s", "9" * 400)
        yield from ("1.5",) if kind == "integer" else ()
        if "minimum" in schema:
            yield str(schema["minimum"] - 1)
        if "exclusiveMinimum" in schema:
            yield from ("0", "-1", "-0.5")
        if "maximum" in schema:
            yield str(schema["maximum"] * 2 + 1)


def wrong_values(model: type[BaseSettings], names: Mapping[str, tuple[str, ...]]) -> list[Any]:
    """A parameter for each wrong value of each spelling of each field."""
    schemas = model.model_json_schema()["properties"]
    found = []
    for field, variables in names.items():
        schema = schemas.get(variables[0]) or schemas.get(field) or {}
        known = variables[0] in FILES | FOLDERS | ANY_TEXT
        wrong = WRONG.get(variables[0]) or tuple(of_schema(schema))
        assert wrong or known, f"say in WRONG what is wrong for {variables[0]}"
        found += [(name, value) for name in variables for value in wrong]
    return [pytest.param(*one, id=f"{one[0]}={one[1][:30]!r}") for one in found]


def prefixed(model: type[BaseSettings]) -> dict[str, tuple[str, ...]]:
    prefix = model.model_config["env_prefix"]
    return {name: (f"{prefix}{name.upper()}",) for name in model.model_fields}


def assert_one_line(message: str, variable: str) -> None:
    assert message.startswith(f"{variable}: ")
    assert len(message.splitlines()) == 1
    assert len(message) < 400
    assert "; accepted: " in message
    assert not message.endswith("accepted: ")


@pytest.mark.parametrize(("variable", "value"), wrong_values(Settings, spellings(Settings)))
def test_the_service_refuses_the_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert_one_line(refused.value.message, variable)


@pytest.mark.parametrize("variable", sorted(FILES))
@pytest.mark.parametrize("path", ["missing", "folder"])
def test_the_service_refuses_a_file_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, path: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").write_text("x")
    needed = {
        "TLS_CERT_FILE": {"TLS_KEY_FILE": str(tmp_path / "other")},
        "TLS_KEY_FILE": {"TLS_CERT_FILE": str(tmp_path / "other")},
        "TOKEN_CA_FILE": {"TOKEN_ISSUER": "https://i.example", "TOKEN_AUDIENCE": "kato"},
        "TOKEN_JWKS_BEARER_FILE": {"TOKEN_ISSUER": "https://i.example", "TOKEN_AUDIENCE": "kato"},
    }.get(variable, {})
    for name, value in {**needed, variable: str(tmp_path / path)}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        access_control(read_settings())
    assert_one_line(refused.value.message, variable)


def test_a_file_without_certificates_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca").write_text("nothing")
    for name, value in (
        ("TOKEN_ISSUER", "https://i.example"),
        ("TOKEN_AUDIENCE", "kato"),
        ("TOKEN_CA_FILE", str(tmp_path / "ca")),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        access_control(read_settings())
    assert_one_line(refused.value.message, "TOKEN_CA_FILE")


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"QDRANT_HOST": "q", "VECTOR_STORE": "embedded"}, "QDRANT_HOST"),
        ({"QDRANT_URL": "http://q", "VECTOR_STORE": "disabled"}, "QDRANT_URL"),
        ({"QDRANT_URL": "http://q", "QDRANT_HOST": "q"}, "QDRANT_HOST"),
        ({"REDIS_URL": "redis://r", "SESSION_STORE": "embedded"}, "REDIS_URL"),
        ({"MONGO_BASE_URL": "mongodb://m", "KNOWLEDGE_STORE": "embedded"}, "KNOWLEDGE_STORE"),
        ({"MONGO_POOL_SIZE": "5"}, "MONGO_POOL_SIZE"),
        ({"MONGO_POOL_SIZE": "5", "MONGO_POOL_MIN_SIZE": "6"}, "MONGO_POOL_MIN_SIZE"),
        ({"REQUEST_TIMEOUT": "5", "MATCHING_BUDGET_S": "5"}, "MATCHING_BUDGET_S"),
        ({"SORT": "true", "SORT_SYMBOLS": "false"}, "SORT"),
        ({"WORKERS": "2"}, "WORKERS"),
        ({"VECTORS": "enabled", "VECTOR_STORE": "disabled"}, "VECTORS"),
        ({"API_KEY": "k", "API_KEY_FILE": "/f"}, "API_KEY_FILE"),
        ({"AUTH_MODE": "none", "API_KEY": "k"}, "AUTH_MODE"),
        ({"RATE_LIMIT_BURST": "5"}, "RATE_LIMIT_BURST"),
        ({"TLS_CERT_FILE": "/f"}, "TLS_CERT_FILE"),
    ],
)
def test_two_variables_that_contradict_each_other_are_refused_and_a_set_one_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        read_settings()
    message = refused.value.message
    assert_one_line(message, message.partition(":")[0])
    assert named in message


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        "https://ui.example",
        "https://ui.example/",
        "http://localhost:3000, app://kato",
        "http://[::1]:8080",
        "HTTPS://UI.EXAMPLE",
    ],
)
def test_origins_are_accepted(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    monkeypatch.setenv("CORS_ORIGINS", origins)
    assert len(read_settings().cors_origins) == len(origins.split(","))


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variables in spellings(Settings).values():
        for name in variables:
            monkeypatch.setenv(name, "")
    assert read_settings() == Settings()


@pytest.mark.parametrize("spelling", ["SORT", "SORT_SYMBOLS"])
def test_both_spellings_set_the_same(monkeypatch: pytest.MonkeyPatch, spelling: str) -> None:
    monkeypatch.setenv(spelling, "false")
    assert read_settings().sort_symbols is False


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("CORS_ORIGIN", "CORS_ORIGINS"),
        ("cors_origins", "CORS_ORIGINS"),
        ("port", "PORT"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("REDIS_URI", "REDIS_URL"),
        ("WORKER", "WORKERS"),
        ("RECALL_TRESHOLD", "RECALL_THRESHOLD"),
        ("APIKEY", "API_KEY"),
        ("MAX_SESSION_PER_USER", "MAX_SESSIONS_PER_USER"),
    ],
)
def test_a_misspelled_variable_is_noticed(name: str, nearest: str) -> None:
    assert list(misspelled(Settings, {name: "x", "PATH": "/bin"})) == [(name, nearest)]


def test_variables_of_others_are_not_taken_for_misspelled_ones() -> None:
    others = (
        *("PATH", "HOME", "HOSTNAME", "POST", "SHELL", "USER", "PWD", "LANG", "TERM", "TZ"),
        *("PYTHONPATH", "VIRTUAL_ENV", "LOGNAME", "SSL_CERT_FILE", "HTTP_PROXY", "NO_PROXY"),
        *("KUBERNETES_PORT", "KUBERNETES_SERVICE_HOST", "QDRANT_SERVICE_PORT", "QDRANT_PORT"),
        *("QDRANT_PORT_6333_TCP", "QDRANT_PORT_6333_TCP_ADDR", "QDRANT_SERVICE_PORT_GRPC"),
        *("KATO_PORT_8000_TCP", "REDIS_PORT", "REDIS_SERVICE_HOST", "MONGODB_PORT_27017_TCP"),
    )
    assert list(misspelled(Settings, dict.fromkeys(others, "x"))) == []
    every = {name for names in spellings(Settings).values() for name in names}
    assert list(misspelled(Settings, dict.fromkeys(every, "x"))) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [one for model in MODELS for one in wrong_values(model, prefixed(model))],
)
def test_the_operator_and_its_agent_refuse_the_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    for name, given in {**AGENT, variable: value}.items():
        monkeypatch.setenv(name, given)
    model = AgentSettings if variable.startswith("KATO_AGENT_") else OperatorSettings
    with pytest.raises(environment.WrongEnvironmentError) as refused:
        environment.read(model)
    assert_one_line(str(refused.value), variable)


def test_a_missing_variable_of_the_agent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KATO_AGENT_SERVICE_FQDN", "x")
    with pytest.raises(environment.WrongEnvironmentError) as refused:
        environment.read(AgentSettings)
    assert_one_line(str(refused.value), "KATO_AGENT_POD")


def test_an_empty_variable_of_the_operator_counts_as_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variables in prefixed(OperatorSettings).values():
        monkeypatch.setenv(variables[0], "")
    assert environment.read(OperatorSettings) == OperatorSettings()


def test_a_misspelled_variable_of_the_operator_is_noticed() -> None:
    given = {
        "KATO_OPERATOR_WORKER": "1",
        "KATO_OPERATOR_WORKERS": "1",
        "PATH": "/bin",
        "KATO_OPERATOR_PORT": "tcp://10.0.0.1:8080",
        "KATO_OPERATOR_SERVICE_HOST": "10.0.0.1",
        "KATO_OPERATOR_PORT_8080_TCP_ADDR": "10.0.0.1",
        "KATO_OPERATOR_NONSENSE": "x",
    }
    assert list(environment.unknown(OperatorSettings, given)) == [
        ("KATO_OPERATOR_NONSENSE", None),
        ("KATO_OPERATOR_WORKER", "KATO_OPERATOR_WORKERS"),
    ]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variables in spellings(Settings).values():
        for name in variables:
            monkeypatch.delenv(name, raising=False)
