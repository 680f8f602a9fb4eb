"""Which settings about access agree with each other; a wrong one names its variable."""

from pathlib import Path

import pytest

from kato_service.errors import SettingsError
from kato_service.settings.settings import Settings, read_settings

TOKENS = {"TOKEN_ISSUER": "https://login.example", "TOKEN_AUDIENCE": "kato"}


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_settings()


@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        ({}, "none"),
        ({"AUTH_MODE": "none"}, "none"),
        ({"API_KEY": "k"}, "api_key"),
        ({"API_KEYS_FILE": "/keys"}, "api_key"),
        ({"AUTH_MODE": "api_key", "API_KEY": "k"}, "api_key"),
        (TOKENS, "token"),
        (TOKENS | {"AUTH_MODE": "token", "API_KEY": "k"}, "token"),
        (
            {
                "AUTH_MODE": "token",
                "TOKEN_AUDIENCE": "kato",
                "TOKEN_JWKS_URL": "https://cluster.example/keys",
                "TOKEN_JWKS_BEARER_FILE": "/token",
            },
            "token",
        ),
    ],
)
def test_the_mode_follows_from_what_is_set(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], mode: str
) -> None:
    assert settings(monkeypatch, **variables).auth == mode


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(
        monkeypatch,
        **TOKENS | {"TOKEN_AUDIENCE": "kato, https://kato.example"},
        TOKEN_SCOPES="read,metrics",
        TOKEN_ADMIN_SUBJECTS="root,system:serviceaccount:ops:admin",
        TRUSTED_PROXIES="10.0.0.0/8, 192.0.2.7",
    )
    assert found.token_audience == ("kato", "https://kato.example")
    assert found.token_scopes == ("read", "metrics")
    assert found.token_admin_subjects == ("root", "system:serviceaccount:ops:admin")
    assert found.trusted_proxies == ("10.0.0.0/8", "192.0.2.7")


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        (
            {"AUTH_MODE": "none", "API_KEY": "k"},
            "AUTH_MODE: 'none' contradicts API_KEY, which is set; accepted: api_key, token, or no"
            " key",
        ),
        (
            {"AUTH_MODE": "api_key"},
            "AUTH_MODE: 'api_key' needs a key; accepted: with API_KEYS_FILE, API_KEY_FILE or"
            " API_KEY",
        ),
        (
            {"AUTH_MODE": "token", "TOKEN_AUDIENCE": "kato"},
            "TOKEN_ISSUER: missing, and AUTH_MODE=token needs it; accepted: the address of the"
            " tokens' issuer",
        ),
        (
            {"TOKEN_ISSUER": "https://login.example"},
            "TOKEN_AUDIENCE: missing, and AUTH_MODE=token needs it; accepted: audiences separated"
            " by commas",
        ),
        (
            {"TOKEN_AUDIENCE": "kato"},
            "TOKEN_AUDIENCE: set, but this instance takes no tokens; accepted: unset, or with"
            " AUTH_MODE=token",
        ),
        (
            {"API_KEY": "k", "AUTH_MODE": "api_key", **TOKENS},
            "TOKEN_ISSUER: set, but this instance takes no tokens; accepted: unset, or with"
            " AUTH_MODE=token",
        ),
        (
            {"AUTH_MODE": "Basic"},
            "AUTH_MODE: 'Basic' is not accepted; accepted: none, api_key, token",
        ),
        (
            TOKENS | {"TOKEN_ISSUER": "http://login.example"},
            "TOKEN_ISSUER: is not an https URL; accepted: https://host, or http on this machine",
        ),
        (
            TOKENS | {"TOKEN_JWKS_URL": "login.example/keys"},
            "TOKEN_JWKS_URL: is not an https URL; accepted: https://host/path, or http on this"
            " machine",
        ),
        (
            TOKENS | {"TOKEN_SCOPES": "read,root"},
            "TOKEN_SCOPES: 'root' is not accepted; accepted: read, write, metrics, admin,"
            " separated by commas",
        ),
        (
            {"RATE_LIMIT_BURST": "3"},
            "RATE_LIMIT_BURST: set without RATE_LIMIT_PER_S, so nothing is limited; accepted: with"
            " it, or unset",
        ),
        (
            {"RATE_LIMIT_PER_S": "0"},
            "RATE_LIMIT_PER_S: '0' is not accepted; accepted: a number from 0.001 to 1000000.0",
        ),
        (
            {"TRUSTED_PROXIES": "10.0.0.1/8"},
            "TRUSTED_PROXIES: '10.0.0.1/8' is not a network; accepted: networks separated by"
            " commas, for example 10.0.0.0/8",
        ),
    ],
)
def test_a_contradiction_stops_the_start_and_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], line: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(monkeypatch, **variables)
    assert refused.value.message == line


def test_a_key_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret key")
    with pytest.raises(SettingsError) as refused:
        settings(monkeypatch, API_KEY_FILE=str(tmp_path / "key"))
    assert "secret" not in refused.value.message
