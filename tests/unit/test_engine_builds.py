"""The tests of the compiled engine, on builds that reveal its mistakes (tests/native)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "native"))
import build as builds  # noqa: E402  # a script
from build import VARIABLE, built, compiler, sanitized_environment  # noqa: E402

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(compiler() is None, reason="no C compiler"),
    pytest.mark.skipif(VARIABLE in os.environ, reason="this already is a test build"),
]
LONG_TESTS = "tests/unit/test_engines.py"
ENGINE_TESTS = tuple(
    f"tests/unit/test_{name}.py"
    for name in (
        "engines_later",
        "engines_fuzzy",
        "affinity",
        "repeats",
        "compiled_engine",
        "first_learns",
        "pattern_loading",
        "pattern_selection",
        "stored_views",
        "snapshot_file",
        "shared_strings",
    )
)


def _assert_passes(arguments: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def _pytest(*arguments: str, selected: str = "not numpy") -> list[str]:
    return ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", selected, *arguments]


def test_small_segments_change_nothing() -> None:
    """The tests that take too long with the sanitizers, whose build has small segments as well."""
    module = built("small")
    _assert_passes(_pytest(LONG_TESTS), {**os.environ, VARIABLE: str(module)})


def test_no_test_makes_a_sanitizer_report() -> None:
    """`make engine-sanitize` is the long form."""
    environment = sanitized_environment("sanitized", built("sanitized"))
    selected = "not numpy and not every_small_word"
    _assert_passes(_pytest(*ENGINE_TESTS, selected=selected), environment)
    _assert_passes(["tests/native/fuzz.py", "5", "1"], environment)


def test_threads_at_the_same_time_never_race() -> None:
    environment = sanitized_environment("threads", built("threads"))
    environment["KATO_STRESS_ROUNDS"] = "60"
    selected = ["-k", "threads or frozen", "tests/unit/test_compiled_engine.py"]
    _assert_passes(["-m", "pytest", "-q", "-p", "no:cacheprovider", *selected], environment)


def test_a_build_is_kept_until_what_it_is_made_of_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, cache = tmp_path / "native/part", tmp_path / "cache"
    parts.mkdir(parents=True)
    (parts / "one.c").write_text('#include "part/one.h"\nint one(void) { return ONE; }\n')
    (parts / "one.h").write_text("#define ONE 1\n")
    monkeypatch.setattr(builds, "NATIVE", parts.parent)
    first = built("small", cache)
    written = first.stat()
    assert built("small", cache) == first
    assert first.stat() == written
    (parts / "one.h").write_text("#define ONE 2\n")
    second = built("small", cache)
    assert second != first
    assert second.exists()
    assert not first.exists()
    monkeypatch.setitem(builds.FLAVOURS, "small", ["-O0"])
    assert built("small", cache) != second
