"""The engine's tests and the fuzzer on the sanitized build: `sanitize.py DIRECTORY SECONDS`."""

import subprocess
import sys
from pathlib import Path

from build import built, sanitized_environment

ROOT = Path(__file__).resolve().parents[2]
TESTS = ("test_golden.py", "test_engines.py", "test_compiled_engine.py", "test_pattern_loading.py")


def main(directory: Path, fuzz_s: str) -> None:
    environment = sanitized_environment(built("sanitized", directory / "sanitized"))
    tests = [str(ROOT / "tests/unit" / name) for name in TESTS]
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not numpy", *tests]
    for arguments in (pytest, [str(ROOT / "tests/native/fuzz.py"), fuzz_s]):
        subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT, env=environment)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).resolve(), sys.argv[2])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
