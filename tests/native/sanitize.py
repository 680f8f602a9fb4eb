"""The engine's tests and the fuzzer on the sanitized builds: `sanitize.py SECONDS`.

First AddressSanitizer and UBSan with all tests, then the fuzzer for so long, then ThreadSanitizer
with threads that query, learn and delete side by side.
"""

import subprocess
import sys
from pathlib import Path

from build import built, sanitized_environment

ROOT = Path(__file__).resolve().parents[2]
TESTS = [
    f"test_{name}.py"
    for name in (
        "golden",
        "golden_later",
        "engines",
        "engines_later",
        "engines_fuzzy",
        "engines_next",
        "affinity",
        "repeats",
        "compiled_engine",
        "pattern_loading",
        "pattern_selection",
        "stored_views",
        "snapshot_file",
        "shared_strings",
    )
]
STRESS_ROUNDS = "3000"
PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]


def main(fuzz_s: str) -> None:
    tests = [str(ROOT / "tests/unit" / name) for name in TESTS]
    memory = sanitized_environment("sanitized", built("sanitized"))
    _run([*PYTEST, "-k", "not numpy", *tests], memory)
    _run([str(ROOT / "tests/native/fuzz.py"), fuzz_s], memory)
    threads = sanitized_environment("threads", built("threads"))
    threads["KATO_STRESS_ROUNDS"] = STRESS_ROUNDS
    _run([*PYTEST, str(ROOT / "tests/unit/test_compiled_engine.py")], threads)


def _run(arguments: list[str], environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT, env=environment)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
