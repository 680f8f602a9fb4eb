"""Why a container does not run, from the status of its pod: pure functions."""

from collections.abc import Iterator

from kato_operator import names
from kato_operator.manifests import Manifest
from kato_operator.status.verdict import Verdict

PULL_REASONS = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"),
        *("ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"),
    }
)
CONFIG_REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
BACK_OFF = "CrashLoopBackOff"
OOM_KILLED = "OOMKilled"
LINE_CHARACTERS = 300


def cause(pod: Manifest) -> Verdict | None:
    """What keeps the first of the pod's containers that has trouble from running."""
    where = f"pod {pod['metadata']['name']}"
    found = (
        _pulling(where, item) or _creating(where, item) or _ended(where, item, pod)
        for item in _statuses(pod)
    )
    return next((verdict for verdict in found if verdict is not None), None)


def notes(pod: Manifest) -> Iterator[str]:
    """A sentence for each container that runs now, but was killed for memory before."""
    for item in _statuses(pod):
        if item.get("ready") and _is_killed_for_memory(item):
            yield _killed(f"pod {pod['metadata']['name']}", item, pod)


def is_created(pod: Manifest) -> bool:
    """Whether the node has created a container of the pod, or tried to."""
    reasons = [_waiting(item).get("reason", "") for item in _statuses(pod)]
    return any(reason not in ("ContainerCreating", "PodInitializing") for reason in reasons)


def _statuses(pod: Manifest) -> tuple[Manifest, ...]:
    status = pod.get("status", {})
    return (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))


def _waiting(container: Manifest) -> Manifest:
    found: Manifest = container.get("state", {}).get("waiting") or {}
    return found


def _pulling(where: str, container: Manifest) -> Verdict | None:
    waiting = _waiting(container)
    if waiting.get("reason") not in PULL_REASONS:
        return None
    detail = waiting.get("message") or waiting["reason"]
    what = f"{where}: image {container.get('image', '')} cannot be pulled: {detail}"
    fix = "correct its name, push it, or add pull secrets"
    return Verdict.blocked_by(names.REASON_IMAGE_UNAVAILABLE, f"{what}; {fix}")


def _creating(where: str, container: Manifest) -> Verdict | None:
    waiting = _waiting(container)
    if waiting.get("reason") not in CONFIG_REASONS:
        return None
    detail = waiting.get("message") or waiting["reason"]
    what = f"{where}: container {container['name']} cannot start: {detail}"
    fix = "check the Secrets and ConfigMaps that it uses"
    return Verdict.blocked_by(names.REASON_CONFIG_ERROR, f"{what}; {fix}")


def _ended(where: str, container: Manifest, pod: Manifest) -> Verdict | None:
    """The verdict on a container that ended and is not ready again.

    The kubelet waits longer and longer before each restart. In between the container runs for a
    moment: then only a kill for memory is still certain to be the cause.
    """
    backs_off = _waiting(container).get("reason") == BACK_OFF
    if _is_killed_for_memory(container) and not container.get("ready"):
        message = _killed(where, container, pod)
        return Verdict(False, names.REASON_OOM_KILLED, message, blocked=backs_off)
    if backs_off or (container.get("restartCount") and _terminated(container).get("exitCode")):
        return Verdict.blocked_by(names.REASON_CRASH_LOOP, f"{where}: {_crash(container)}")
    return None


def _terminated(container: Manifest) -> Manifest:
    found: Manifest = container.get("state", {}).get("terminated") or {}
    return found


def _last(container: Manifest) -> Manifest:
    """The newest end of the container: the present one, or the one before its restart."""
    found: Manifest = container.get("lastState", {}).get("terminated") or {}
    return _terminated(container) or found


def _is_killed_for_memory(container: Manifest) -> bool:
    return bool(_last(container).get("reason") == OOM_KILLED)


def _killed(where: str, container: Manifest, pod: Manifest) -> str:
    name, count = container["name"], container.get("restartCount", 0)
    spec = pod.get("spec", {})
    limits = {
        item["name"]: item.get("resources", {}).get("limits", {}).get("memory", "")
        for item in (*spec.get("initContainers", ()), *spec.get("containers", ()))
    }
    limit = f" of {limits[name]}" if limits.get(name) else ""
    what = f"{where}: container {name} was killed because it exceeded its memory limit{limit}"
    return f"{what} (OOMKilled, restart count {count}); raise resources.limits.memory"


def _crash(container: Manifest) -> str:
    last = _last(container)
    why = last.get("reason", "unknown reason")
    code = f", exit code {last['exitCode']}" if "exitCode" in last else ""
    count = f", restart count {container['restartCount']}" if container.get("restartCount") else ""
    said = f": {line}" if (line := _last_line(last.get("message", ""))) else ""
    return f"container {container['name']} keeps crashing ({why}{code}{count}), see its log{said}"


def _last_line(text: str) -> str:
    """The last line with text: the kubelet hands over the end of the log of a crashed container."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:LINE_CHARACTERS] if lines else ""
