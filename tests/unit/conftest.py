"""Both matching engines; tests skip the compiled one only where it cannot be built."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kato_service import search
from kato_service.errors import SettingsError
from kato_service.knowledge.fold.plain_patterns import PlainPatterns
from kato_service.knowledge.model.index import PatternIndex
from kato_service.search.pattern_searcher import PatternSearcher


def _use_test_build(path: str) -> None:
    """Let `kato_service.search._engine` be the build in that file (see tests/native/build.py)."""
    name = "kato_service.search._engine"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module
    search._engine = module  # type: ignore[attr-defined]  # the attribute its import would set


sys.path.insert(0, str(Path(__file__).parent))  # for samples.py

if "KATO_TEST_ENGINE" in os.environ:
    _use_test_build(os.environ["KATO_TEST_ENGINE"])


@pytest.fixture(scope="session", params=["c", "numpy"])
def searcher(request: pytest.FixtureRequest) -> PatternSearcher:
    try:
        return PatternSearcher(request.param)
    except SettingsError:
        if shutil.which("cc") or shutil.which("gcc"):
            raise
        pytest.skip("no C compiler built the compiled engine")


@pytest.fixture(params=["c", "numpy", "plain"])
def new_index(request: pytest.FixtureRequest) -> Callable[[], PatternIndex]:
    if request.param == "plain":
        return PlainPatterns
    return PatternSearcher(request.param).new_index
