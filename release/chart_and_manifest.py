"""The chart's archive, and `install.yaml`: what Helm renders from it, in one file for kubectl."""

import shutil
from pathlib import Path

from archives import unpack, write_tar
from binaries import node_binary
from processes import run_tool
from sources import Sources

RELEASE = "kato"
NAMESPACE = "kato-system"
_HEAD = """\
# KATO {version}: the KatoInstance resource, the operator's rights, and the operator.
#   kubectl apply --server-side -f install.yaml
# Rendered by Helm from kato-{version}.tgz, with the names of this release's images.
# Undo, with every KatoInstance of the cluster: kubectl delete -f install.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: {namespace}
"""


def package_chart(source: Sources, chart: Path, work: Path, out: Path) -> Path:
    """The chart's archive below *out*."""
    work.mkdir(parents=True, exist_ok=True)
    helm("package", str(chart), "--destination", str(work))
    (made,) = work.glob("*.tgz")
    folder = unpack(made, work / "unpacked")
    # Helm writes the time of packaging into it.
    archive = out / made.name
    write_tar(archive, folder, epoch=source.epoch, prefix=f"{folder.name}/", compressed=True)
    return archive


def install_manifest(chart: Path, version: str, images: dict[str, str]) -> str:
    """The text of `install.yaml`: a namespace, and the chart as Helm renders it.

    Args:
        chart: Archive or folder of the chart.
        images: The names of this release's images: service, operator.
    """
    return _HEAD.format(version=version, namespace=NAMESPACE) + rendered(chart, images)


def rendered(chart: Path, images: dict[str, str]) -> str:
    """What Helm makes of the chart, without its test."""
    repository, _, tag = images["operator"].rpartition(":")
    values = {
        "image.repository": repository,
        "image.tag": tag,
        "defaultImages.service": images["service"],
        "defaultImages.agent": images["operator"],
    }
    place = ("--namespace", NAMESPACE, "--skip-tests")
    chosen = [f"--set-string={name}={value}" for name, value in values.items()]
    return helm("template", RELEASE, str(chart), *place, *chosen)


def helm(*arguments: str) -> str:
    """Run Helm: the one on PATH, else the test bed's."""
    program = ["helm"] if shutil.which("helm") else [str(node_binary()), "helm"]
    return run_tool([*program, *arguments])
