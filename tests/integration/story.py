"""A story of an instance, from its creation to its end, and what its children are in each chapter.

The same story with an operator that is disturbed and with one that is not has to end the same way.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from apiserver import Manifest, Namespace, OperatorProcess, operator_of

from control_plane import ControlPlane
from support.waiting import until

CHAPTER_S = 900.0
"""Seconds that a chapter may take; killed at every write, the operator starts 60 times in one."""
REST_S = 1.0
PAUSE_S = 0.2
"""Seconds between two looks at everything, which take processor time from the operator."""
FINALIZER = "example.com/wait"
CHANGES: dict[str, Manifest] = {
    "an upgrade": {
        "service": {"image": {"repository": "example.com/kato", "tag": "2"}},
        "redis": {"managed": {"image": {"repository": "example.com/redis", "tag": "2"}}},
    },
    "autoscaling": {"service": {"autoscaling": {"minReplicas": 2, "maxReplicas": 4}}},
    "a scale-down": {
        "service": {"autoscaling": None, "replicas": 1},
        "security": {"networkPolicy": "Disabled"},
    },
    "hibernation": {"hibernate": True},
    "waking": {"hibernate": False},
}
_RANDOM = re.compile(r"\b[0-9a-f]{8,64}\b")
"""Hashes of passwords and of what contains them."""
_ASSIGNED = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
"""What the API server chooses for a Service."""


@dataclass
class Story:
    """What a user does with an instance from its creation to its end."""

    space: Namespace
    operator: OperatorProcess
    contents: dict[str, Any] = field(default_factory=dict)
    """The first content of every Secret."""
    uids: dict[tuple[str, str], str] = field(default_factory=dict)
    """The first object of every name."""

    def ends_as(self, expected: Mapping[str, dict[str, Any]]) -> None:
        """Tell it, and compare the children at the end of every chapter."""
        for chapter, found in self.told():
            assert found == expected[chapter], chapter

    def told(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The name of each chapter, and what the children are at its end."""
        self.space.create("KatoInstance", "prod", spec={"service": {"replicas": 3}})
        yield "a first convergence", self._settled()
        for chapter, spec in CHANGES.items():
            self.space.patch("KatoInstance", "prod", {"spec": spec})
            yield chapter, self._settled()
        uid = (self.space.get("KatoInstance", "prod") or {})["metadata"]["uid"]
        self.space.patch("KatoInstance", "prod", {"metadata": {"finalizers": [FINALIZER]}})
        self.space.delete("KatoInstance", "prod")
        self._until(lambda: self.space.status().get("phase") == "Deleting", "phase Deleting")
        self.space.patch("KatoInstance", "prod", {"metadata": {"finalizers": []}})
        self._until(lambda: self.space.collect_garbage(uid), "no children")
        yield "a deletion", self._at_rest()

    def _settled(self) -> dict[str, Any]:
        self._until(self._is_settled, "the operator being done")
        return self._at_rest()

    def _is_settled(self) -> bool:
        self.space.bring_up()
        instance = self.space.get("KatoInstance", "prod") or {}
        ready = self.space.condition("Ready")
        if ready.get("observedGeneration") != instance["metadata"]["generation"]:
            return False
        return ready["status"] == "True" or ready["reason"] == "Hibernated"

    def _at_rest(self) -> dict[str, Any]:
        """The children once the operator has written nothing for a while."""
        versions, since = self.space.versions(), time.monotonic()

        def is_quiet() -> bool:
            nonlocal versions, since
            now = self.space.versions()
            if now != versions:
                versions, since = now, time.monotonic()
            return time.monotonic() - since > REST_S and self.operator.is_ready()

        self._until(is_quiet, "rest")
        return essence(self.space)

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait, and start the operator again whenever it was killed."""

        def look() -> bool:
            process = self.operator.process
            if process is None or process.poll() is not None:
                assert process is None or process.returncode == -9, self.operator.log.read_text()
                self.operator.launch()
            self._watch_what_must_not_change()
            return holds()

        until(look, what, patience_s=CHAPTER_S, pause_s=PAUSE_S)

    def _watch_what_must_not_change(self) -> None:
        """No Secret gets another content, and no child is deleted to be made again."""
        for name, content in secrets(self.space).items():
            assert self.contents.setdefault(name, content) == content, name
        for name, child in self.space.children().items():
            uid = child["metadata"]["uid"]
            assert self.uids.setdefault(name, uid) == uid, name


Begin = Callable[[Path], Story]


@pytest.fixture
def begun(kubernetes: httpx.Client, tmp_path: Path) -> Iterator[Begin]:
    """Begins a story in a namespace of its own, with an operator that is not started yet."""
    yield from _stories(kubernetes, tmp_path)


@pytest.fixture(scope="session")
def undisturbed(
    kubernetes: httpx.Client, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """The chapters of the story of an operator that nothing disturbs."""
    with contextmanager(_stories)(kubernetes, tmp_path_factory.mktemp("story")) as begin:
        return dict(begin(control_plane.kubeconfig).told())


def _stories(kubernetes: httpx.Client, logs: Path) -> Iterator[Begin]:
    operators: list[OperatorProcess] = []

    def begin(kubeconfig: Path) -> Story:
        name = f"test-{uuid4().hex[:8]}"
        answer = kubernetes.post("/api/v1/namespaces", json={"metadata": {"name": name}})
        assert answer.status_code == 201, answer.text
        operators.append(operator_of(name, kubeconfig, logs / f"{name}.log"))
        return Story(Namespace(kubernetes, name), operators[-1])

    yield begin
    for operator in operators:
        operator.kill9()
        log = operator.log.read_text()
        assert "pass crashed" not in log, log[-4000:]


def essence(space: Namespace) -> dict[str, Any]:
    """What the children in a namespace are, without what no two namespaces share."""
    return {f"{kind} {name}": _of(child, space) for (kind, name), child in space.children().items()}


def _of(child: Manifest, space: Namespace) -> Any:
    meta = child["metadata"]
    known = {name: meta.get(name) for name in ("name", "labels", "annotations")}
    rest = {name: value for name, value in child.items() if name not in ("metadata", "status")}
    if child["kind"] == "Secret":
        rest["data"] = sorted(rest.get("data", {}))
    if child["kind"] == "Service":
        rest["spec"] = {n: value for n, value in rest["spec"].items() if n not in _ASSIGNED}
    text = json.dumps({"metadata": known, **rest}, sort_keys=True)
    return json.loads(_RANDOM.sub("…", text.replace(space.name, "namespace")))


def secrets(space: Namespace) -> dict[str, Any]:
    """The content of the Secrets in a namespace."""
    return {item["metadata"]["name"]: item.get("data") for item in space.list("Secret")}
