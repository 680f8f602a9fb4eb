"""Applies KatoInstances and waits until they are ready."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chart import RELEASE, SYSTEM_NAMESPACE
from clusters import Cluster
from commands import ROOT, PlatformError, say


def apply(cluster: Cluster, manifest: Path, namespace: str = "default") -> None:
    say(f"kubectl apply -f {manifest.relative_to(ROOT)}")
    cluster.kubectl("apply", "-n", namespace, "-f", str(manifest))


def progress_of(instance: Mapping[str, Any]) -> str:
    """One line that names what is not ready and why, or else what is ready."""
    conditions = instance.get("status", {}).get("conditions", [])
    waiting = [
        f"{c['type']}: {c.get('message') or c.get('reason', '')}"
        for c in conditions
        if c["status"] != "True" and c["type"].endswith("Ready") and c["type"] != "Ready"
    ]
    ready = [c["type"] for c in conditions if c["status"] == "True"]
    return "; ".join(waiting) or ", ".join(ready) or "the operator has not seen it yet"


def is_ready(instance: Mapping[str, Any]) -> bool:
    """Whether the instance is Ready for its current generation."""
    return any(
        c["type"] == "Ready"
        and c["status"] == "True"
        and c.get("observedGeneration") == instance["metadata"]["generation"]
        for c in instance.get("status", {}).get("conditions", [])
    )


def labelled(cluster: Cluster, kind: str, selector: str) -> list[dict[str, Any]]:
    """The objects of a kind with these labels, in the namespace of the context."""
    listed = json.loads(cluster.kubectl("get", kind, "-l", selector, "-o", "json"))
    found: list[dict[str, Any]] = listed["items"]
    return found


def is_pod_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is ready and not terminating."""
    conditions = pod["status"].get("conditions", [])
    is_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return is_ready and "deletionTimestamp" not in pod["metadata"]


def wait_ready(
    cluster: Cluster, name: str, namespace: str = "default", timeout_s: float = 240
) -> float:
    """Wait until the instance is Ready, reporting progress. Returns the seconds it took.

    Raises:
        PlatformError: The instance is not Ready in time; carries its last progress.
    """
    started = time.monotonic()
    shown = ""
    while time.monotonic() - started < timeout_s:
        instance = cluster.get("katoinstance", name, namespace)
        if is_ready(instance):
            return time.monotonic() - started
        progress = progress_of(instance)
        if progress != shown:
            say(f"  {name}: {progress}")
            shown = progress
        time.sleep(0.5)
    raise PlatformError(
        f"{name} is not Ready after {timeout_s:.0f} s: {shown}\n"
        f"to see why: kubectl -n {namespace} describe katoinstance {name}; "
        f"kubectl -n {SYSTEM_NAMESPACE} logs deployment/{RELEASE}-operator"
    )


def token_for(cluster: Cluster, account: str, audience: str) -> str:
    """A token of a service account of the context's namespace."""
    return cluster.kubectl("create", "token", account, f"--audience={audience}").strip()


def name_in(manifest: Path) -> str:
    for line in manifest.read_text().splitlines():
        key, _, value = line.partition("name:")
        if value and key.strip() in {"", "metadata: {"}:
            return value.strip(" }")
    raise PlatformError(f"{manifest}: no metadata.name found")
