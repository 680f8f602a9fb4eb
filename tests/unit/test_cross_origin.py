"""When a page of another origin could use rights that it does not have itself."""

from pathlib import Path

import pytest

from kato_service.api.intake.cross_origin import CrossOrigin
from kato_service.errors import CrossOriginError, HostNotAllowedError
from kato_service.settings.settings import read_settings
from support.access import key_line

ISSUER = {"TOKEN_ISSUER": "https://login.example", "TOKEN_AUDIENCE": "kato"}


def request(host: str, **more: str) -> dict[str, object]:
    headers = {"host": host, **{name.replace("_", "-"): value for name, value in more.items()}}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "http_version": "1.1", "headers": raw}


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CrossOrigin:
    """The rules of an instance on loopback, without authentication."""
    monkeypatch.setenv("HOST", "127.0.0.1")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return CrossOrigin(read_settings())


def test_without_authentication_pages_of_other_origins_are_refused(pages: CrossOrigin) -> None:
    with pytest.raises(CrossOriginError):
        pages.check(request("localhost", origin="https://evil.example"))
    with pytest.raises(CrossOriginError):
        pages.check(request("localhost", sec_fetch_site="cross-site"))
    with pytest.raises(HostNotAllowedError):
        pages.check(request("evil.example"))


@pytest.mark.parametrize("variable", ["API_KEY", "API_KEY_FILE", "API_KEYS_FILE", "TOKEN_ISSUER"])
def test_every_kind_of_authentication_leaves_requests_to_it(
    pages: CrossOrigin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    """No page has credentials that its author does not know."""
    files = {"API_KEY_FILE": "one-key", "API_KEYS_FILE": key_line("named", "read")}
    given = {"API_KEY": "one-key"} if variable == "API_KEY" else ISSUER
    if variable in files:
        path = tmp_path / "keys"
        path.write_text(files[variable])
        given = {variable: str(path)}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    keyed = CrossOrigin(read_settings())
    keyed.check(request("kato.example", origin="https://evil.example", sec_fetch_site="cross-site"))
    upgrade = request("kato.example", origin="https://evil.example") | {"type": "websocket"}
    with pytest.raises(CrossOriginError):
        keyed.check(upgrade)
