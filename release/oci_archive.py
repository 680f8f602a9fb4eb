"""An image's archive: an OCI image layout in a tar file, which `docker load` reads as well.

buildah writes the layout. Its index names the image by its tag alone; here it gets the full name,
as containerd (`ctr images import`) and `docker load` look for it, and its platform.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from archives import read_member, write_tar

NAME = "io.containerd.image.name"
TAG = "org.opencontainers.image.ref.name"


def write_archive(layout: Path, target: Path, *, name: str, epoch: int) -> None:
    """Write the only image of an OCI image layout, under its full *name*, as an archive."""
    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    (image,) = index["manifests"]
    manifest = _blob(layout, image["digest"])
    config = _blob(layout, manifest["config"]["digest"])
    image["annotations"] = {NAME: name, TAG: name.rpartition(":")[2]}
    image["platform"] = {"architecture": config["architecture"], "os": config["os"]}
    docker = {
        "Config": _path(manifest["config"]["digest"]),
        "RepoTags": [name],
        "Layers": [_path(layer["digest"]) for layer in manifest["layers"]],
    }
    _write(layout / "index.json", index)
    _write(layout / "manifest.json", [docker])
    write_tar(target, layout, epoch=epoch)
    shutil.rmtree(layout)


def image_config(archive: Path) -> dict[str, Any]:
    """The configuration of the image in an archive: labels, environment, architecture, layers."""
    (docker,) = json.loads(read_member(archive, "manifest.json"))
    config: dict[str, Any] = json.loads(read_member(archive, docker["Config"]))
    return config


def _blob(layout: Path, digest: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((layout / _path(digest)).read_text(encoding="utf-8"))
    return content


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, sort_keys=True), encoding="utf-8")
