"""The setting that says where a proxy publishes an instance."""

import pytest

from kato_service.errors import SettingsError
from kato_service.settings import read_settings


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
