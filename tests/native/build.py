"""Builds of the matching engine for tests: `build.py {small,sanitized} DIRECTORY`.

Both have small segments and allocations that can be made to fail; the second one is compiled
with AddressSanitizer and UndefinedBehaviorSanitizer (run it with `sanitized_environment`).
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

NATIVE = Path(__file__).resolve().parents[2] / "service/kato_service/search/native"
MODULE = "_engine.abi3.so"
VARIABLE = "KATO_TEST_ENGINE"
"""Names the build that tests/unit/conftest.py puts in the place of the installed one."""
_WARNINGS = ("-Wall", "-Wextra", "-Werror")
_MACROS = ("Py_LIMITED_API=0x030B0000", "KATO_FAULT_INJECTION", "KATO_SMALL_SEGMENTS")
_COMMON = ("-std=c11", "-ffp-contract=off", "-fPIC", "-shared", "-g", *_WARNINGS)
FLAVOURS = {
    "small": ["-O1"],
    "sanitized": ["-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"],
}


def compiler() -> str | None:
    return shutil.which("gcc") or shutil.which("cc")


def built(flavour: str, directory: Path) -> Path:
    """The module's file, compiled into *directory*."""
    found = compiler()
    if found is None:
        raise SystemExit("build: no C compiler")
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / MODULE
    sources = sorted(map(str, NATIVE.glob("*.c")))
    include = sysconfig.get_paths()["include"]
    command = [found, *_COMMON, *_defines(), *FLAVOURS[flavour], f"-I{include}", *sources, "-lm"]
    subprocess.run([*command, "-o", str(target)], check=True)
    return target


def _defines() -> list[str]:
    return [f"-D{macro}" for macro in _MACROS]


def sanitized_environment(module: Path) -> dict[str, str]:
    """What a Python that loads the sanitized build needs: its run-time library goes first.

    Leaks are not looked for: the interpreter itself keeps memory until it ends.
    """
    found = compiler() or "cc"
    libraries = [
        subprocess.run(
            [found, f"-print-file-name={name}"], check=True, capture_output=True, text=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    return {
        **os.environ,
        VARIABLE: str(module),
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "PYTHONMALLOC": "malloc",
    }


if __name__ == "__main__":
    print(built(sys.argv[1], Path(sys.argv[2])))
