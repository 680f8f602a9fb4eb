"""Programs that run in a pod of the cluster, as its applications do."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clusters import Cluster
from commands import ROOT, PlatformError


def program_pod(name: str, image: str, arguments: list[str]) -> dict[str, Any]:
    """The manifest of a pod that runs a program, under the restricted Pod Security Standard."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [{"name": "program", "configMap": {"name": name}}],
            "containers": [
                {
                    "name": "program",
                    "image": image,
                    "command": ["python3", *arguments],
                    "volumeMounts": [{"name": "program", "mountPath": "/program"}],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "resources": {
                        "requests": {"cpu": "50m", "memory": "64Mi"},
                        "limits": {"memory": "256Mi"},
                    },
                }
            ],
        },
    }


@contextmanager
def program_in_cluster(
    cluster: Cluster, name: str, files: list[Path], arguments: list[str], namespace: str = "default"
) -> Iterator[None]:
    """Run ``python3 arguments`` in a pod with *files* under /program; remove the pod afterwards."""
    from_files = [f"--from-file={file}" for file in files]
    cluster.kubectl("delete", "pod,configmap", name, "-n", namespace, "--ignore-not-found")
    cluster.kubectl("create", "configmap", name, "-n", namespace, *from_files)
    pod = program_pod(name, cluster.images["service"], arguments)
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(pod))
    try:
        yield
    finally:
        cluster.kubectl(
            *("delete", "pod,configmap", name, "-n", namespace, "--ignore-not-found"),
            "--grace-period=0",
            "--force",
        )


def output_of_program(
    cluster: Cluster, name: str, namespace: str = "default", timeout_s: float = 180
) -> str:
    """Wait for the pod to succeed and return its output.

    Raises:
        PlatformError: The program failed (carries its output) or did not end in time.
    """
    give_up_at = time.monotonic() + timeout_s
    phase = ""
    while time.monotonic() < give_up_at and phase not in {"Succeeded", "Failed"}:
        time.sleep(0.3)
        phase = cluster.get("pod", name, namespace)["status"].get("phase", "")
    if phase not in {"Succeeded", "Failed"}:
        raise PlatformError(f"pod {name} is still {phase or 'unknown'} after {timeout_s:.0f} s")
    output = cluster.kubectl("logs", name, "-n", namespace)
    if phase == "Failed":
        raise PlatformError(f"the program in pod {name} failed:\n{output}")
    return output


def learn_license(cluster: Cluster, url: str) -> str:
    """Run the example on the project's LICENSE in a pod and return its output."""
    files = [ROOT / "examples" / "learn_text.py", ROOT / "LICENSE"]
    arguments = ["/program/learn_text.py", url, "/program/LICENSE"]
    with program_in_cluster(cluster, "learn-text", files, arguments):
        return output_of_program(cluster, "learn-text")
