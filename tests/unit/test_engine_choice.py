"""KATO_ENGINE: which matching engine runs, and what happens if it is missing."""

import sys

import pytest

from kato_service.errors import SettingsError
from kato_service.search.pattern_searcher import PatternSearcher


@pytest.fixture
def without_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the installation found no compiler."""
    monkeypatch.delitem(sys.modules, "kato_service.search.compiled_index", raising=False)
    monkeypatch.setitem(sys.modules, "kato_service.search._engine", None)
    monkeypatch.delattr("kato_service.search._engine", raising=False)


@pytest.mark.usefixtures("without_extension")
def test_without_the_extension_the_slower_engine_runs_and_the_reason_is_known() -> None:
    searcher = PatternSearcher("auto")
    assert searcher.engine_name == "numpy"
    assert "_engine" in searcher.slower_because


@pytest.mark.usefixtures("without_extension")
def test_a_missing_engine_is_refused_in_one_line() -> None:
    with pytest.raises(SettingsError, match=r"^KATO_ENGINE: 'c' is not part .*$"):
        PatternSearcher("c")


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(SettingsError, match="accepted: auto, c, numpy"):
        PatternSearcher("fortran")


def test_the_engine_that_was_asked_for_runs(searcher: PatternSearcher) -> None:
    assert PatternSearcher(searcher.engine_name).engine_name == searcher.engine_name
    assert searcher.slower_because == ""
