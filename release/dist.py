"""Builds a release into one folder: `dist.py [--out dist] [--arch ARCH …] [--images PREFIX]`.

Wheels, sdists, the npm package, chart, install.yaml, images of both programs with their SBOMs, and
checksums; all from the tracked files of this checkout. docs/releasing.md says what each is for and
how to verify it.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e" / "testbed"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "client"))
from buildah import native_architecture, require_root
from chart_and_manifest import install_manifest, package_chart
from checksums import NAME as CHECKSUMS
from checksums import write_checksums
from npm_package import build_npm_package
from packages import ensure_packages
from processes import STARTED, TestbedError, say
from python_packages import build_client, build_sdist, build_wheel
from release_images import (
    ARCHITECTURES,
    build_image,
    buildable,
    image_names,
    release_images,
    stored,
)
from sources import ROOT, Sources, sources

CACHE = ROOT / ".cache" / "dist"
PACKAGES = ("buildah", "debootstrap")


def build(source: Sources, options: argparse.Namespace) -> None:
    """Build everything, unless the folder holds what the same files and options give."""
    out: Path = options.out.resolve()
    _refuse_foreign(out)
    CACHE.mkdir(parents=True, exist_ok=True)
    architectures = tuple(buildable(options.arch))
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        work, made = Path(folder), Path(folder) / "made"
        made.mkdir()
        key = _key(source, source.export(work / "exported"), options, architectures)
        if _was_built(out, key):
            say(f"{out.name}/ is up to date")
            return
        say(f"building KATO {source.version} from commit {source.revision} into {out.name}/")
        if architectures:
            require_root()
            ensure_packages(PACKAGES)
        unpacked = build_packages(source, work, made, prefix=options.images)
        of_npm = build_npm_package(source, work, made)
        say(f"{of_npm.name}: the TypeScript client")
        for architecture in architectures:
            build_images(source, unpacked, made, architecture, options)
        write_checksums(made)
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(made, out)
    _stamp(out).write_text(key + _checksums_of(out), encoding="utf-8")


def build_packages(source: Sources, work: Path, out: Path, *, prefix: str) -> Path:
    """Build sdists, wheels, chart and install.yaml; the folder of the unpacked sdist of KATO.

    Args:
        work: A folder for intermediate files; its `exported` holds the exported sources.
    """
    sdist, unpacked = build_sdist(source, work, out)
    say(f"{sdist.name}: the sources; the rest is built from it")
    wheel = build_wheel(source, unpacked, work / "wheel", out)
    say(f"{wheel.name}: both programs, with the engine compiled")
    of_client = build_client(source, work, out)
    say(f"{' and '.join(one.name for one in of_client)}: the Python client")
    chart = package_chart(source, unpacked / "charts" / "kato", work / "chart", out)
    say(f"{chart.name}: the Helm chart")
    text = install_manifest(chart, source.version, image_names(source.version, prefix))
    (out / "install.yaml").write_text(text, encoding="utf-8")
    say("install.yaml: what the chart renders, for kubectl")
    return unpacked


def build_images(
    source: Sources, unpacked: Path, out: Path, architecture: str, options: argparse.Namespace
) -> None:
    """Both images for one architecture, with their SBOMs."""
    emulated = architecture != native_architecture()
    duration = "half an hour: emulated" if emulated else "2 minutes"
    say(f"building images for {architecture} ({duration})")
    for image in release_images(source.version, options.images, architecture):
        build_image(source, unpacked, image, out, base=options.base)


def _refuse_foreign(out: Path) -> None:
    """Raises TestbedError if the folder holds files and is not a release: it would be replaced."""
    if out.exists() and any(out.iterdir()) and not (out / CHECKSUMS).exists():
        raise TestbedError(f"{out} holds other files; choose an empty folder with --out")


def _key(
    source: Sources, exported: Path, options: argparse.Namespace, architectures: tuple[str, ...]
) -> str:
    """A digest of all that determines a release."""
    digest = hashlib.sha256(repr((source.revision, architectures)).encode())
    digest.update(repr((options.images, options.base)).encode())
    for file in sorted(path for path in exported.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(exported)).encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _was_built(out: Path, key: str) -> bool:
    stamp = _stamp(out)
    return stamp.exists() and stamp.read_text(encoding="utf-8") == key + _checksums_of(out)


def _stamp(out: Path) -> Path:
    return CACHE / f"{hashlib.sha256(str(out).encode()).hexdigest()[:16]}.key"


def _checksums_of(out: Path) -> str:
    file = out / CHECKSUMS
    return file.read_text(encoding="utf-8") if file.exists() else ""


def print_hints(source: Sources, out: Path) -> None:
    """Print the files, and how to verify, try and undo the release."""
    for path in sorted(out.iterdir()):
        print(f"  {path.stat().st_size / 2**20:7.1f} MiB  {path.name}")
    lines = [
        f"Verify: (cd {out.name} && sha256sum --check {CHECKSUMS}); more in docs/releasing.md",
        f"Try it: make up DIST={out.name}    (to undo: make down)",
        f"To undo: rm -r {out.name} .cache/dist",
        f"         STORAGE_DRIVER=vfs buildah rmi {stored(source.version)}",
        f"         (the Debian packages {' and '.join(PACKAGES)} stay)",
    ]
    print("\n".join(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=ROOT / "dist", help="the folder (default: dist)"
    )
    parser.add_argument(
        "--arch",
        nargs="*",
        choices=ARCHITECTURES,
        default=ARCHITECTURES,
        help="architectures of the images (default: all whose programs this machine can run)",
    )
    parser.add_argument(
        "--images", default="localhost", help="registry and path in the names of the images"
    )
    parser.add_argument(
        "--base", default="", help="image to build on (default: a debootstrapped Debian)"
    )
    return parser.parse_args()


def main() -> None:
    options = _options()
    try:
        source = sources()
        build(source, options)
    except (TestbedError, subprocess.TimeoutExpired, OSError) as error:
        sys.exit(f"dist: {error}")
    print_hints(source, options.out.resolve())
    say(f"done in {time.monotonic() - STARTED:.0f} s")


if __name__ == "__main__":
    main()
