"""Builds the test node's images with buildah, from packages only: `images.py [--out DIR]`.

The product's images come from its Dockerfile, on a debootstrapped base; the pause image and the
stand-ins for stores are for the test node only. Images whose inputs are unchanged are kept.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from testbed import (
    NODE_PACKAGES,
    ROOT,
    STARTED,
    TestbedError,
    ensure_packages,
    ferretdb_binary,
    say,
)

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
STANDINS = ROOT / "e2e" / "standins"
BASE = "localhost/kato-base:1"
BASE_PACKAGES = "python3,python3-venv,ca-certificates,redis-server"
PRODUCT = ("Dockerfile", "pyproject.toml", "setup.py", "constraints.txt", "README.md", "LICENSE")


@dataclass(frozen=True)
class Image:
    name: str
    dockerfile: Path
    context: Path
    inputs: tuple[Path, ...]
    """Files and folders that determine the content of the image."""
    target: str = ""
    base: str = BASE

    @property
    def archive(self) -> str:
        return self.name.removeprefix("localhost/").replace(":", "-") + ".tar"


def images(context: Path) -> list[Image]:
    """All images, in build order; *context* holds the files of the stand-ins."""
    product = tuple(ROOT / name for name in PRODUCT)
    service = f"localhost/kato-service:{VERSION}"
    dockerfile = ROOT / "Dockerfile"

    def standin(name: str, *inputs: Path, base: str = BASE) -> Image:
        path = STANDINS / f"{name}.Dockerfile"
        return Image(f"localhost/kato-{name}:1", path, context, (path, *inputs), base=base)

    return [
        standin("pause"),
        standin("standin-redis"),
        standin("standin-mongodb", context / "ferretdb", STANDINS / "mongod"),
        Image(service, dockerfile, ROOT, (*product, ROOT / "service"), "service"),
        Image(
            f"localhost/kato-operator:{VERSION}",
            dockerfile,
            ROOT,
            (*product, ROOT / "operator"),
            "operator",
        ),
        standin(
            "standin-qdrant",
            *(STANDINS / "qdrant_server.py", STANDINS / "qdrant-entrypoint.sh"),
            ROOT / "constraints.txt",
            base=service,
        ),
    ]


def build_all(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    context = out / "context"
    context.mkdir(exist_ok=True)
    shutil.copy2(ferretdb_binary(), context / "ferretdb")
    for path in STANDINS.iterdir():
        if path.is_file():
            shutil.copy2(path, context / path.name)
    for image in images(context):
        build(image, out)
    wanted = {image.archive for image in images(context)}
    for stale in set(out.glob("*.tar")) - {out / name for name in wanted}:
        stale.unlink()


def build(image: Image, out: Path) -> None:
    archive, stamp = out / image.archive, out / f"{image.archive}.key"
    key = _key(image)
    if archive.exists() and stamp.exists() and stamp.read_text() == key:
        say(f"{image.name} is up to date")
        return
    _require_base(image.base, out)
    started = time.monotonic()
    stamp.unlink(missing_ok=True)
    archive.unlink(missing_ok=True)
    target = ["--target", image.target] if image.target else []
    _buildah(
        *(
            "bud",
            "-q",
            "--layers=false",
            "--build-arg",
            f"BASE={image.base}",
            *target,
            *_pip_mounts(),
        ),
        *("-f", str(image.dockerfile), "-t", image.name, str(image.context)),
    )
    _buildah("push", "-q", image.name, f"docker-archive:{archive}:{image.name}")
    stamp.write_text(key)
    say(f"{image.name} built in {time.monotonic() - started:.0f} s")


def _require_base(base: str, out: Path) -> None:
    """Ensure that buildah's storage has the base image: load its archive, or make it."""
    if (
        subprocess.run(
            ["buildah", "inspect", "--type", "image", base],
            env=_env(),
            capture_output=True,
            check=False,
        ).returncode
        == 0
    ):
        return
    archive = out / (base.removeprefix("localhost/").replace(":", "-") + ".tar")
    if archive.exists():
        _buildah("pull", "-q", f"docker-archive:{archive}")
        return
    _make_base(out)


def _make_base(out: Path) -> None:
    started = time.monotonic()
    say("building the base image with debootstrap (less than a minute)")
    tree = out / "base"
    shutil.rmtree(tree, ignore_errors=True)
    _run(
        ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", str(tree)],
        timeout_s=900,
    )
    for unneeded in (
        "var/cache/apt",
        "var/lib/apt/lists",
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
    ):
        shutil.rmtree(tree / unneeded, ignore_errors=True)
    container = _buildah("from", "scratch").strip()
    _buildah("copy", "-q", container, str(tree), "/")
    _buildah("commit", "-q", container, BASE)
    _buildah("rm", container)
    shutil.rmtree(tree, ignore_errors=True)
    say(f"base image built in {time.monotonic() - started:.0f} s")


def _key(image: Image) -> str:
    digest = hashlib.sha256(f"{image.base} {image.target} {BASE_PACKAGES}".encode())
    for given in image.inputs:
        files = sorted(given.rglob("*")) if given.is_dir() else [given]
        for file in files:
            made_here = "__pycache__" in file.parts or file.suffix == ".so"
            if file.is_file() and not made_here:
                digest.update(f"{file.name} ".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _pip_mounts() -> list[str]:
    """Options that give pip inside a build the host's pip configuration and certificates."""
    given = [
        "/etc/pip.conf",
        os.environ.get("PIP_CERT", ""),
        str(Path.home() / ".config/pip/pip.conf"),
    ]
    found = [path for path in given if path and Path(path).is_file()]
    mounts = [
        part
        for path in found
        for part in ("-v", f"{path}:{'/etc/pip.conf' if path.endswith('pip.conf') else path}:ro")
    ]
    variables = [
        name
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT")
        if os.environ.get(name)
    ]
    return mounts + [part for name in variables for part in ("--env", f"{name}={os.environ[name]}")]


def _env() -> dict[str, str]:
    return {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}


def _buildah(*arguments: str) -> str:
    return _run(["buildah", *arguments], timeout_s=1800, env=_env())


def _run(command: Sequence[str], *, timeout_s: float, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, env=env, check=False
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise TestbedError(f"{' '.join(command[:3])} … failed:\n{said}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / ".cache" / "images")
    try:
        ensure_packages(NODE_PACKAGES)
        build_all(parser.parse_args().out.resolve())
    except (TestbedError, subprocess.TimeoutExpired, OSError) as error:
        sys.exit(f"images: {error}")
    say(f"all images are ready after {time.monotonic() - STARTED:.0f} s")


if __name__ == "__main__":
    main()
