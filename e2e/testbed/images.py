"""Builds the test node's images with buildah, from packages only: `images.py [--out …] [--dist …]`.

The product's images come from its Dockerfile, on a debootstrapped base; the pause image and the
stand-ins for stores are for the test node only. Images whose inputs are unchanged are kept. With
--dist the product's images come from a release and are not built here.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from binaries import ROOT, ferretdb_binary
from buildah import (
    BASE,
    BASE_PACKAGES,
    build,
    buildah,
    is_known,
    native_architecture,
    require_base,
)
from packages import NODE_PACKAGES, ensure_packages
from processes import STARTED, TestbedError, say

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
STANDINS = ROOT / "e2e" / "standins"
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
        return _archive_of(self.name)

    @property
    def key(self) -> str:
        """A digest of everything that the image is made of."""
        digest = hashlib.sha256(f"{self.base} {self.target} {BASE_PACKAGES}".encode())
        for given in self.inputs:
            files = sorted(given.rglob("*")) if given.is_dir() else [given]
            for file in files:
                made_here = "__pycache__" in file.parts or file.suffix == ".so"
                if file.is_file() and not made_here:
                    content = hashlib.sha256(file.read_bytes()).digest()
                    digest.update(f"{file.name} ".encode() + content)
        return digest.hexdigest()


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


def build_all(out: Path, dist: Path | None = None) -> None:
    out.mkdir(parents=True, exist_ok=True)
    context = out / "context"
    context.mkdir(exist_ok=True)
    shutil.copy2(ferretdb_binary(), context / "ferretdb")
    for path in STANDINS.iterdir():
        if path.is_file():
            shutil.copy2(path, context / path.name)
    for image in images(context):
        if not (dist and image.target):
            build_archive(image, out, dist)
    wanted = {image.archive for image in images(context)}
    for stale in set(out.glob("*.tar")) - {out / name for name in wanted}:
        stale.unlink()


def build_archive(image: Image, out: Path, dist: Path | None) -> None:
    """Build the image into its archive below *out*, unless the one there has the same key."""
    archive, stamp = out / image.archive, out / f"{image.archive}.key"
    key = image.key
    if archive.exists() and stamp.exists() and stamp.read_text() == key:
        say(f"{image.name} is up to date")
        return
    _require(image.base, out, dist)
    started = time.monotonic()
    stamp.unlink(missing_ok=True)
    archive.unlink(missing_ok=True)
    build(image.dockerfile, image.context, image.name, base=image.base, target=image.target)
    buildah("push", "-q", image.name, f"docker-archive:{archive}:{image.name}")
    stamp.write_text(key)
    say(f"{image.name} built in {time.monotonic() - started:.0f} s")


def _require(base: str, out: Path, dist: Path | None) -> None:
    """Ensure that buildah's storage has the base image: load its archive, or make it."""
    architecture = native_architecture()
    if base == BASE:
        require_base(architecture, out)
    elif not is_known(base):
        released = f"kato-service-{VERSION}-linux-{architecture}.tar"
        archive = dist / released if dist else out / _archive_of(base)
        buildah("pull", "-q", f"docker-archive:{archive}")


def _archive_of(name: str) -> str:
    return name.removeprefix("localhost/").replace(":", "-") + ".tar"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / ".cache" / "images")
    parser.add_argument("--dist", type=Path, help="folder of a release with the product's images")
    options = parser.parse_args()
    try:
        ensure_packages(NODE_PACKAGES)
        build_all(options.out.resolve(), options.dist)
    except (TestbedError, subprocess.TimeoutExpired, OSError) as error:
        sys.exit(f"images: {error}")
    say(f"all images are ready after {time.monotonic() - STARTED:.0f} s (to undo: make clean)")


if __name__ == "__main__":
    main()
