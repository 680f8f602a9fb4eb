"""The parts of `make dist` that need neither buildah nor Helm."""

import hashlib
import json
import os
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

import buildah
import dist
from archives import read_member, unpack, write_tar
from checksums import write_checksums
from oci_archive import image_config, write_archive
from processes import TestbedError
from release_images import ReleaseImage, buildable, image_names
from sbom import write_sbom
from sources import Sources, sources

EPOCH = 1_700_000_000
NAME = "registry.example/team/kato-service:0.1.0"
ENTRY = "enabled\ninterpreter /usr/libexec/qemu-binfmt/x\nflags: {}\noffset 0\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files, one of them executable."""
    made = tmp_path / "content"
    (made / "bin").mkdir(parents=True)
    (made / "readme").write_text("words")
    (made / "bin" / "run").write_text("#!/bin/sh\n")
    (made / "bin" / "run").chmod(0o755)
    return made


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_the_same_files_give_the_same_archive(
    tmp_path: Path, folder: Path, compressed: bool
) -> None:
    def written(name: str) -> bytes:
        target = tmp_path / name
        write_tar(target, folder, epoch=EPOCH, prefix="kato/", compressed=compressed)
        return target.read_bytes()

    before = written("one")
    os.utime(folder / "readme", (1, 1))
    (folder / "readme").chmod(0o600)
    assert written("two") == before


def test_an_archive_keeps_contents_and_executable_bits(tmp_path: Path, folder: Path) -> None:
    write_tar(tmp_path / "it.tar", folder, epoch=EPOCH, prefix="kato/")
    top = unpack(tmp_path / "it.tar", tmp_path / "unpacked")
    assert (top.name, (top / "readme").read_text()) == ("kato", "words")
    assert os.access(top / "bin" / "run", os.X_OK)
    assert not os.access(top / "readme", os.X_OK)


def blob(layout: Path, content: Any) -> str:
    data = json.dumps(content).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    (layout / "blobs" / "sha256" / digest).write_bytes(data)
    return f"sha256:{digest}"


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """An image as buildah writes it, named only by its tag."""
    made = tmp_path / "layout"
    labels = {"org.opencontainers.image.version": "0.1.0"}
    config = blob(made, {"architecture": "arm64", "os": "linux", "config": {"Labels": labels}})
    layer = blob(made, "files")
    manifest = blob(made, {"config": {"digest": config}, "layers": [{"digest": layer}]})
    named = {"org.opencontainers.image.ref.name": "0.1.0"}
    index = {"schemaVersion": 2, "manifests": [{"digest": manifest, "annotations": named}]}
    (made / "index.json").write_text(json.dumps(index))
    (made / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return made


@pytest.fixture
def archive(tmp_path: Path, layout: Path) -> Path:
    write_archive(layout, tmp_path / "image.tar", name=NAME, epoch=EPOCH)
    return tmp_path / "image.tar"


def test_containerd_finds_the_full_name_and_the_platform_of_an_image(archive: Path) -> None:
    (image,) = json.loads(read_member(archive, "index.json"))["manifests"]
    assert image["annotations"]["io.containerd.image.name"] == NAME
    assert image["platform"] == {"architecture": "arm64", "os": "linux"}


def test_docker_finds_the_name_configuration_and_layers_of_an_image(archive: Path) -> None:
    (image,) = json.loads(read_member(archive, "manifest.json"))
    assert image["RepoTags"] == [NAME]
    assert json.loads(read_member(archive, image["Config"]))["architecture"] == "arm64"
    assert [json.loads(read_member(archive, layer)) for layer in image["Layers"]] == ["files"]


def test_labels_are_read_from_an_archive(archive: Path) -> None:
    assert image_config(archive)["config"]["Labels"] == {
        "org.opencontainers.image.version": "0.1.0"
    }


def test_images_are_named_after_their_registry() -> None:
    assert image_names("0.1.0", "registry.example/team")["service"] == NAME


def test_each_architecture_has_its_own_file_and_stored_image() -> None:
    one, other = (ReleaseImage("service", name, "1", "localhost") for name in ("amd64", "arm64"))
    assert one.stem == "kato-service-1-linux-amd64"
    assert one.name == other.name
    assert one.stored_as != other.stored_as


def test_every_machine_runs_its_own_programs(tmp_path: Path) -> None:
    assert buildah.can_run(buildah.native_architecture(), tmp_path)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(ENTRY.format("OCF"), True, id="opened by the kernel"),
        pytest.param(ENTRY.format("OC"), False, id="looked for in the container"),
        pytest.param(ENTRY.format("F").replace("enabled", "disabled"), False, id="switched off"),
        pytest.param("", False, id="not registered"),
    ],
)
def test_foreign_programs_run_where_an_emulator_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, expected: bool
) -> None:
    monkeypatch.setattr(buildah.platform, "machine", lambda: "x86_64")
    if entry:
        (tmp_path / "qemu-aarch64").write_text(entry)
    assert buildah.can_run("arm64", tmp_path) is expected


def test_an_architecture_that_cannot_be_built_is_reported_with_advice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    native = buildah.native_architecture()
    assert list(buildable((native, "riscv64"))) == [native]
    shown = capsys.readouterr().out
    assert "no images for riscv64" in shown
    assert "apt-get install qemu-user-static binfmt-support" in shown


def test_the_sbom_lists_every_distribution_with_its_version(tmp_path: Path) -> None:
    site_packages = tmp_path / "site-packages"
    expected = {name: distribution(name).version for name in ("redis", "uvicorn", "structlog")}
    for name, version in expected.items():
        metadata = site_packages / f"{name}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(distribution(name).read_text("METADATA") or "")
    write_sbom(sources(), site_packages, tmp_path / "work", tmp_path / "it.cdx.json")
    document = json.loads((tmp_path / "it.cdx.json").read_text())
    assert {one["name"]: one["version"] for one in document["components"]} == expected


def test_the_sbom_describes_kato_with_version_and_licence(tmp_path: Path) -> None:
    source = sources()
    write_sbom(source, tmp_path / "none", tmp_path / "work", tmp_path / "it.cdx.json")
    document = json.loads((tmp_path / "it.cdx.json").read_text())
    about = document["metadata"]["component"]
    assert document["bomFormat"] == "CycloneDX"
    assert (about["name"], about["version"]) == ("kato", source.version)
    assert about["licenses"][0]["license"]["id"] == "Apache-2.0"


def test_sha256sum_accepts_the_checksums(folder: Path) -> None:
    write_checksums(folder)
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "readme: OK\n")


def test_a_file_that_was_changed_fails_the_check(folder: Path) -> None:
    write_checksums(folder)
    (folder / "readme").write_text("other words")
    command = ["sha256sum", "--check", "SHA256SUMS"]
    assert subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 1


def commit(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", root, *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "kato"\nversion = "1.2.3"\n')
    commit(root, "init", "-q")
    commit(root, "add", "-A")
    commit(root, "commit", "-q", "-m", "one")
    return root


def test_a_release_names_its_commit(checkout: Path) -> None:
    found = sources(checkout)
    head = subprocess.run(
        ["git", "-C", checkout, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    assert (found.version, found.revision) == ("1.2.3", head.stdout.strip())


def test_a_release_of_changed_files_is_marked_dirty(checkout: Path) -> None:
    with (checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert sources(checkout).revision.endswith("-dirty")


def test_only_tracked_files_are_released(checkout: Path, tmp_path: Path) -> None:
    (checkout / "secret").write_text("of this machine")
    exported = sources(checkout).export(tmp_path / "exported")
    assert [path.name for path in exported.iterdir()] == ["pyproject.toml"]


def test_a_folder_without_a_commit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1"\n')
    with pytest.raises(TestbedError, match="git checkout"):
        sources(tmp_path)


def test_a_folder_with_other_files_is_not_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["dist.py", "--out", str(folder), "--arch"])
    with pytest.raises(SystemExit, match="holds other files"):
        dist.main()
    assert (folder / "readme").read_text() == "words"


def test_labels_carry_the_date_of_the_commit() -> None:
    source = Sources(Path(), "1", "c" * 40, EPOCH)
    assert source.created == "2023-11-14T22:13:20Z"
