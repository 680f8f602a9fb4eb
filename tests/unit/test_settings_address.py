"""The settings of addresses: where a proxy publishes an instance, where servers listen."""

import pytest

from kato_service.errors import SettingsError
from kato_service.settings.settings import read_settings


@pytest.mark.parametrize(
    ("given", "root_path"),
    [
        ("/kato", "/kato"),
        ("/kato/", "/kato"),
        ("/tools/k.a_t~o-1", "/tools/k.a_t~o-1"),
        ("/", ""),
        ("", None),
    ],
)
def test_a_root_path_has_no_slash_at_its_end(
    monkeypatch: pytest.MonkeyPatch, given: str, root_path: str | None
) -> None:
    monkeypatch.setenv("ROOT_PATH", given)
    assert read_settings().root_path == root_path


@pytest.mark.parametrize(
    "given",
    [
        *("kato", "https://a.example/kato", "//kato", "/a//b", "/..", "/a/../b", "/a/."),
        *("/a b", "/ü", "/a?b", "/a#b", '/a"', "/" + "a" * 300),
    ],
)
def test_what_cannot_be_a_path_stops_the_start(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("ROOT_PATH", given)
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert str(refused.value).startswith("ROOT_PATH: ")
    assert str(refused.value).endswith(
        "; accepted: a path such as /kato, of A-Z a-z 0-9 . _ ~ - and slashes"
    )


@pytest.mark.parametrize("given", ["::1", "[::1]"])
def test_an_ipv6_address_of_qdrant_is_in_brackets_in_its_url(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("QDRANT_HOST", given)
    assert read_settings().qdrant_address == "http://[::1]:6333"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("fd00::1", "http://[fd00::1]:8000"),
    ],
)
def test_the_url_for_people_is_one_that_a_browser_takes(
    monkeypatch: pytest.MonkeyPatch, host: str, url: str
) -> None:
    monkeypatch.setenv("HOST", host)
    assert read_settings().url == url
