"""What is true of an instance, from its spec and the objects of the API alone.

It is written without the operator's code: an observer compares both.
"""

import base64
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx
from apiserver import INSTANCE, Manifest, Namespace, until

KINDS = (
    *("KatoInstance", "Deployment", "StatefulSet", "Pod", "HorizontalPodAutoscaler"),
    *("PersistentVolumeClaim", "NetworkPolicy", "Secret"),
)
STORES = {"RedisReady": "redis", "MongoDBReady": "mongodb"}
LAG_S = 2.0
"""Seconds that a report of the API server may take to reach the operator and us."""
Objects = Mapping[tuple[str, str], Manifest]


@dataclass(frozen=True)
class Change:
    """One event of a watch, and when it arrived."""

    version: int
    at: float
    kind: str
    type: str
    object: Manifest

    @property
    def name(self) -> tuple[str, str]:
        return self.kind, self.object["metadata"]["name"]


@dataclass
class Observer:
    """Records every change in a namespace, in the order of the API server."""

    space: Namespace
    changes: list[Change] = field(default_factory=list)
    judged: int = 0
    """Status writes that the last call of `lies` has judged."""

    def start(self) -> None:
        for kind in KINDS:
            since = until(lambda: self._version(kind), f"a list of {kind}")  # noqa: B023
            threading.Thread(target=self._watch, args=(kind, since), daemon=True).start()

    def _version(self, kind: str) -> str:
        """The version of a list; empty while the API server does not serve a new kind yet."""
        found: str = (
            self.space.client.get(self.space.path(kind))
            .json()["metadata"]
            .get("resourceVersion", "")
        )
        return found

    def _watch(self, kind: str, since: str) -> None:
        query = {"watch": "1", "resourceVersion": since}
        path = self.space.path(kind)
        try:
            with self.space.client.stream("GET", path, params=query, timeout=None) as answer:
                for line in answer.iter_lines():
                    self._record(kind, json.loads(line))
        except httpx.HTTPError:
            return  # the test has ended

    def _record(self, kind: str, event: Manifest) -> None:
        version = int(event["object"]["metadata"]["resourceVersion"])
        self.changes.append(Change(version, time.monotonic(), kind, event["type"], event["object"]))

    def lies(self) -> Iterator[str]:
        """Every written status that was true at no time within the lag before it was written."""
        self.judged = 0
        objects: dict[tuple[str, str], Manifest] = {}
        specs: dict[int, Manifest] = {}
        past: list[tuple[float, Objects]] = []
        for change in sorted(self.changes, key=lambda item: item.version):
            past = [*_within(past, change.at - LAG_S), (change.at, dict(objects))]
            before = objects.pop(change.name, {})
            if change.type != "DELETED":
                objects[change.name] = change.object
            past.append((change.at, dict(objects)))
            if change.kind != "KatoInstance":
                continue
            specs[change.object["metadata"]["generation"]] = change.object["spec"]
            if change.object.get("status") != before.get("status"):
                self.judged += 1
                states = [state for _, state in past]
                yield from (
                    f"at {change.version}: {lie}" for lie in _lies(change.object, specs, states)
                )


def _within(past: list[tuple[float, Objects]], since: float) -> list[tuple[float, Objects]]:
    """The states since a time, and the one that held at that time."""
    older = [item for item in past if item[0] < since]
    return [*older[-1:], *(item for item in past if item[0] >= since)]


def _lies(raw: Manifest, specs: Mapping[int, Manifest], states: list[Objects]) -> Iterator[str]:
    status = raw["status"]
    for condition in status.get("conditions", ()):
        spec = specs.get(condition.get("observedGeneration", -1))
        if spec is None:
            continue
        found = [set(_falsified(condition, spec, state)) for state in states]
        if all(found):
            said = f"{condition['type']}={condition['status']} {condition['reason']}"
            yield f"{said} ({condition['message']}), but {min(found, key=len)}"
    yield from _of_phase(status)
    yield from _of_stalled(status)


def _of_stalled(status: Manifest) -> Iterator[str]:
    if not status.get("conditions"):
        return  # only claimed so far
    stalled, progressing = condition_of(status, "Stalled"), condition_of(status, "Progressing")
    generations = {item.get("observedGeneration") for item in (stalled, progressing)}
    if generations != {status["observedGeneration"]}:
        yield f"Stalled and Progressing are of the generations {generations}"
    if stalled["status"] != "True":
        return
    for other in (condition_of(status, "Ready"), progressing):
        if other["status"] != "False":
            yield f"Stalled={stalled['reason']}, but {other['type']}={other['status']}"
    if status["phase"] in ("Ready", "Progressing", "Pending", "Paused", "Hibernated"):
        yield f"Stalled={stalled['reason']} in the phase {status['phase']}"


def kstatus(raw: Manifest) -> str:
    """What tools that follow kstatus make of an object: Current, InProgress or Failed."""
    status = raw.get("status") or {}
    generation = raw["metadata"]["generation"]
    if status.get("observedGeneration", generation) != generation:
        return "InProgress"
    if condition_of(status, "Stalled").get("status") == "True":
        return "Failed"
    ready = condition_of(status, "Ready").get("status", "True")
    return "Current" if ready == "True" else "InProgress"


def blockers(spec: Manifest, state: Objects) -> Iterator[str]:
    """What only a person can change: a Secret that is missing, or one that cannot be used."""
    if "tls" in spec["service"]:
        yield "MissingSecret"
    secret = state.get(("Secret", "prod-credentials"))
    password = (secret or {}).get("data", {}).get("redis-password", "")
    if b" " in base64.b64decode(password):
        yield "CredentialsInvalid"


OF_HISTORY = ("Contested",)
"""Reasons of a standstill that follow from what happened before, which a state does not show."""


def _of_phase(status: Manifest) -> Iterator[str]:
    ready = condition_of(status, "Ready")
    for phase, value in (("Ready", "True"), ("Hibernated", "Hibernated")):
        if status.get("phase") == phase and value not in (ready["status"], ready["reason"]):
            yield f"phase {phase}, but Ready={ready['status']} {ready['reason']}"


def _falsified(condition: Manifest, spec: Manifest, state: Objects) -> Iterator[str]:
    """What of a state contradicts a condition."""
    kind, is_true = condition["type"], condition["status"] == "True"
    if kind in STORES and is_true:
        yield from problems_of_store(spec, state, STORES[kind])
    if kind == "ServiceReady" and is_true:
        yield from problems_of_service(spec, state)
    if kind == "Ready" and is_true:
        yield from problems(spec, state)
    if kind == "Ready" and condition["reason"] == "Hibernated":
        yield from awake(state)
    causes = (*blockers(spec, state), *OF_HISTORY)
    if kind == "Stalled" and is_true and condition["reason"] not in causes:
        yield "nothing of that kind is in the way"
    if kind == "Stalled" and is_true and (spec["paused"] or spec["hibernate"]):
        yield "the spec asks for a standstill"
    counted = re.fullmatch(r"Hibernating, (\d+) pods? left", condition["message"])
    if kind == "Ready" and counted and not list(awake(state)):
        yield "nothing is left"


def problems(spec: Manifest, state: Objects) -> Iterator[str]:
    """Why an instance is not ready; nothing if it is."""
    yield from problems_of_service(spec, state)
    for store in STORES.values():
        yield from problems_of_store(spec, state, store)
    policies = any(kind == "NetworkPolicy" for kind, _ in state)
    if policies != (spec["security"]["networkPolicy"] == "Enabled"):
        yield "network policies"


def problems_of_service(spec: Manifest, state: Objects) -> Iterator[str]:
    wanted = spec["service"]
    deployment = state.get(("Deployment", "prod"))
    scaler = state.get(("HorizontalPodAutoscaler", "prod"))
    if deployment is None:
        yield "no Deployment"
        return
    pods, scaling = deployment["spec"]["replicas"], wanted.get("autoscaling")
    if scaling is None and pods != wanted["replicas"]:
        yield f"{pods} replicas, not {wanted['replicas']}"
    if scaling is not None and not scaling["minReplicas"] <= pods <= scaling["maxReplicas"]:
        yield f"{pods} replicas, which the autoscaler does not allow"
    if (scaling is None) != (scaler is None):
        yield "the autoscaler"
    template = deployment["spec"]["template"]["spec"]
    env = {item["name"]: item.get("value") for item in template["containers"][0]["env"]}
    if any(env.get(item["name"]) != item["value"] for item in wanted["env"]):
        yield "the environment"
    if ("tls" in wanted) != any(volume["name"] == "tls" for volume in template["volumes"]):
        yield "the certificate"
    yield from _unfinished(spec, deployment)


def problems_of_store(spec: Manifest, state: Objects, store: str) -> Iterator[str]:
    found = state.get(("StatefulSet", f"prod-{store}"))
    if found is None:
        yield "no StatefulSet"
        return
    wanted = spec[store]["managed"]
    if found["spec"]["replicas"] != 1:
        yield f"{found['spec']['replicas']} replicas, not 1"
    container = found["spec"]["template"]["spec"]["containers"][0]
    if container["resources"]["requests"]["cpu"] != wanted["resources"]["requests"]["cpu"]:
        yield "the resources"
    claim = state.get(("PersistentVolumeClaim", f"data-prod-{store}-0"))
    size = wanted["storage"]["size"]
    if claim is not None and claim["spec"]["resources"]["requests"]["storage"] != size:
        yield "the size of the volume"
    yield from _unfinished(spec, found)


def _unfinished(spec: Manifest, workload: Manifest) -> Iterator[str]:
    status, pods = workload.get("status", {}), workload["spec"]["replicas"]
    if spec["hibernate"]:
        yield "it hibernates"
    if "deletionTimestamp" in workload["metadata"]:
        yield "it is being deleted"
    if status.get("observedGeneration") != workload["metadata"]["generation"]:
        yield "its controller has not seen it"
    for name in ("replicas", "updatedReplicas", "readyReplicas"):
        if status.get(name, 0) != pods:
            yield f"{name} is {status.get(name, 0)}, not {pods}"


def awake(state: Objects) -> Iterator[str]:
    """What still runs, or will."""
    for (kind, name), item in state.items():
        if kind == "Pod" and INSTANCE in item["metadata"].get("labels", {}):
            yield f"pod {name}"
        if kind in ("Deployment", "StatefulSet"):
            pods = (item["spec"]["replicas"], item.get("status", {}).get("replicas", 0))
            if pods != (0, 0):
                yield f"{kind} {name}"
            elif item["status"].get("observedGeneration") != item["metadata"]["generation"]:
                yield f"{kind} {name} unseen"


def condition_of(status: Manifest, kind: str) -> Manifest:
    """One condition of a status."""
    return next((item for item in status.get("conditions", ()) if item["type"] == kind), {})
