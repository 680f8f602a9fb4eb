"""Both matching engines; the compiled one is only missed where it cannot be built."""

import shutil

import pytest

from kato_service.errors import SettingsError
from kato_service.search.pattern_searcher import PatternSearcher


@pytest.fixture(scope="session", params=["c", "numpy"])
def searcher(request: pytest.FixtureRequest) -> PatternSearcher:
    try:
        return PatternSearcher(request.param)
    except SettingsError:
        if shutil.which("cc") or shutil.which("gcc"):
            raise
        pytest.skip("no C compiler built the compiled engine")
