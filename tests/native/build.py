"""Builds of the matching engine for tests: `build.py {small,sanitized,threads}`.

All have small segments and allocations that can be made to fail; the second one is compiled with
AddressSanitizer and UndefinedBehaviorSanitizer, the third one with ThreadSanitizer (run them with
`sanitized_environment`). A build is kept under .cache/ until its sources, its options or the
compiler change.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "service/kato_service/search/native"
CACHE = ROOT / ".cache/engine"
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


def built(flavour: str, cache: Path = CACHE) -> Path:
    """The module's file, compiled unless *cache* has one of the same inputs."""
    command = _command(flavour)
    directory = cache / f"{flavour}-{_fingerprint(command)}"
    target = directory / MODULE
    if not target.exists():
        directory.mkdir(parents=True, exist_ok=True)
        _compile(command, target)
        _drop_others(directory, flavour)
    return target


def _command(flavour: str) -> list[str]:
    found = compiler()
    if found is None:
        raise SystemExit("build: no C compiler")
    sources = sorted(map(str, NATIVE.glob("*/*.c")))
    include = sysconfig.get_paths()["include"]
    options = [*_COMMON, *_defines(), *FLAVOURS[flavour], f"-I{include}", f"-I{NATIVE}"]
    return [found, *options, *sources, "-lm", "-lpthread"]


def _fingerprint(command: list[str]) -> str:
    """A hash of everything that a build depends on: what it reads, how, and what reads it."""
    found = hashlib.sha256()
    for part in _inputs(command):
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()[:20]


def _inputs(command: list[str]) -> Iterator[bytes]:
    yield "\0".join(command).encode()
    yield subprocess.run([command[0], "-v"], check=True, capture_output=True).stderr
    yield str(os.confstr("CS_GNU_LIBC_VERSION")).encode()
    yield sys.version.encode()
    for path in sorted(NATIVE.glob("*/*.[ch]")):
        yield str(path.relative_to(NATIVE)).encode()
        yield path.read_bytes()


def _compile(command: list[str], target: Path) -> None:
    """Compile into a file next to the target first: others may build or load it meanwhile."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fresh = Path(scratch) / MODULE
        subprocess.run([*command, "-o", str(fresh)], check=True)
        fresh.replace(target)


def _drop_others(kept: Path, flavour: str) -> None:
    for other in kept.parent.glob(f"{flavour}-*"):
        if other != kept:
            shutil.rmtree(other, ignore_errors=True)


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
    print(built(sys.argv[1]))
