"""Images of both programs, for every architecture whose programs this machine runs."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from buildah import base_for, build, buildah, can_run, native_architecture, require_base
from oci_archive import write_archive
from processes import say
from sbom import write_sbom
from sources import Sources

TARGETS = ("service", "operator")
ARCHITECTURES = ("amd64", "arm64")
SITE_PACKAGES = "opt/kato/lib/python3*/site-packages"


@dataclass(frozen=True, slots=True)
class ReleaseImage:
    target: str
    architecture: str
    version: str
    prefix: str
    """Registry and path before the name; `localhost` for images that are loaded from archives."""

    @property
    def name(self) -> str:
        return f"{self.prefix}/kato-{self.target}:{self.version}"

    @property
    def stem(self) -> str:
        """Its files' names, without what tells archive from SBOM."""
        return f"kato-{self.target}-{self.version}-linux-{self.architecture}"

    @property
    def stored_as(self) -> str:
        """In buildah's storage, where architectures need names of their own."""
        plain = f"localhost/kato-{self.target}:{self.version}"
        is_native = self.architecture == native_architecture()
        return plain if is_native else f"{plain}-{self.architecture}"


def image_names(version: str, prefix: str) -> dict[str, str]:
    """What the images are named for those who run them: service, operator."""
    images = release_images(version, prefix, native_architecture())
    return {image.target: image.name for image in images}


def release_images(version: str, prefix: str, architecture: str) -> list[ReleaseImage]:
    return [ReleaseImage(target, architecture, version, prefix) for target in TARGETS]


def buildable(wanted: Iterable[str]) -> Iterator[str]:
    """The *wanted* architectures that can be built here; prints what the others need."""
    for architecture in wanted:
        if can_run(architecture):
            yield architecture
            continue
        say(
            f"no images for {architecture}: this machine cannot run {architecture} programs."
            f" Build them on an {architecture} machine, or install an emulator here, as root:"
            " apt-get install qemu-user-static binfmt-support"
            " (to undo: apt-get purge qemu-user-static binfmt-support)"
        )


def build_image(
    source: Sources, context: Path, image: ReleaseImage, out: Path, *, base: str = ""
) -> None:
    """Write the image's archive and its SBOM to *out*.

    Args:
        context: The unpacked sdist.
        base: The image to build on, as buildah finds it; by default, a debootstrapped Debian.
    """
    started = time.monotonic()
    work = context.parent
    if not base:
        require_base(image.architecture, work)
    identity = _build(source, context, image, base or base_for(image.architecture))
    layout = work / image.stem
    buildah("push", "-q", "--format", "oci", identity, f"oci:{layout}:{image.version}")
    write_archive(layout, out / f"{image.stem}.tar", name=image.name, epoch=source.epoch)
    with _mounted(identity) as files:
        (site_packages,) = files.glob(SITE_PACKAGES)
        write_sbom(source, site_packages, work / "sbom", out / f"{image.stem}.cdx.json")
    say(f"{image.stem}.tar and .cdx.json after {time.monotonic() - started:.0f} s")


def _build(source: Sources, context: Path, image: ReleaseImage, base: str) -> str:
    labels = {"version": source.version, "revision": source.revision, "created": source.created}
    named = (f"org.opencontainers.image.{name}={value}" for name, value in labels.items())
    return build(
        context / "Dockerfile",
        context,
        image.stored_as,
        base=base,
        target=image.target,
        options=[
            *("--arch", image.architecture, "--timestamp", str(source.epoch)),
            *(part for label in named for part in ("--label", label)),
        ],
    )


@contextmanager
def _mounted(identity: str) -> Iterator[Path]:
    """The files of an image, whose programs need not run here."""
    container = buildah("from", "--pull=never", identity).strip()
    try:
        yield Path(buildah("mount", container).strip())
    finally:
        buildah("umount", container)
        buildah("rm", container)


def stored(version: str) -> str:
    """The names of this release's images in buildah's storage."""
    built = [one for one in ARCHITECTURES if can_run(one)]
    images = (image for one in built for image in release_images(version, "localhost", one))
    return " ".join(image.stored_as for image in images)
