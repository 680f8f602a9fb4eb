"""Builds of the matching engine for tests: `build.py {small,sanitized,threads} DIRECTORY`.

All have small segments and allocations that can be made to fail; the second one is compiled with
AddressSanitizer and UndefinedBehaviorSanitizer, the third one with ThreadSanitizer (run them with
`sanitized_environment`).
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
    "threads": ["-O1", "-fno-omit-frame-pointer", "-fsanitize=thread"],
}
LIBRARIES = {"sanitized": ("libasan.so", "libubsan.so"), "threads": ("libtsan.so",)}


def compiler() -> str | None:
    return shutil.which("gcc") or shutil.which("cc")


def built(flavour: str, directory: Path) -> Path:
    """The module's file, compiled into *directory*."""
    found = compiler()
    if found is None:
        raise SystemExit("build: no C compiler")
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / MODULE
    sources = sorted(map(str, NATIVE.glob("*/*.c")))
    include = sysconfig.get_paths()["include"]
    options = [*_COMMON, *_defines(), *FLAVOURS[flavour], f"-I{include}", f"-I{NATIVE}"]
    command = [found, *options, *sources, "-lm", "-lpthread"]
    subprocess.run([*command, "-o", str(target)], check=True)
    return target


def _defines() -> list[str]:
    return [f"-D{macro}" for macro in _MACROS]


def sanitized_environment(flavour: str, module: Path) -> dict[str, str]:
    """What a Python that loads a sanitized build needs: its run-time libraries go first.

    Leaks are not looked for: the interpreter itself keeps memory until it ends. Its lock is made of
    mutexes that ThreadSanitizer sees, so threads that take turns by it are no race.
    """
    return {
        **os.environ,
        VARIABLE: str(module),
        "LD_PRELOAD": " ".join(_library(name) for name in LIBRARIES[flavour]),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "TSAN_OPTIONS": "halt_on_error=1:allocator_may_return_null=1",
        "PYTHONMALLOC": "malloc",
    }


def _library(name: str) -> str:
    command = [compiler() or "cc", f"-print-file-name={name}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    print(built(sys.argv[1], Path(sys.argv[2])))
