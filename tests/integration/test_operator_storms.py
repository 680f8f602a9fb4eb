"""An API server that refuses, breaks off, or is away, disturbs nothing for longer than it lasts.

STORM_SHARE is the share of requests that fail, OUTAGE_S the seconds without an API server; `make
operator-storms` takes a third of the requests, and 300 seconds.
"""

import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from faulty_api import Call, Fault, FaultyApi, Lost, Refused
from story import Begin, essence

from control_plane import ControlPlane
from support.waiting import until

pytestmark = [
    pytest.mark.apiserver,
    pytest.mark.long,
    pytest.mark.xdist_group("API server 1"),
]

SHARE = float(os.environ.get("STORM_SHARE", "0.25"))
OUTAGE_S = float(os.environ.get("OUTAGE_S", "8"))
SEED = int(os.environ.get("SEED", "20261129"))


@dataclass
class Storm:
    """Lets a share of all requests fail, in every way, as *random* decides."""

    random: Random
    share: float
    failed: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    FAULTS: ClassVar = {
        "change": (Refused(409), Refused(429), Refused(500), Lost(False), Lost(True)),
        "watch": (Refused(410), Refused(429), Refused(500), Lost(False)),
        "read": (Refused(429), Refused(500), Lost(False), Lost(True)),
    }

    def __call__(self, call: Call) -> Fault:
        with self._lock:
            if "/leases" in call.path or self.random.random() > self.share:
                return None
            kind = "change" if call.is_change else "watch" if call.is_watch else "read"
            fault: Fault = self.random.choice(self.FAULTS[kind])
            self.failed[f"{kind}, {fault}"] += 1
            return fault


def test_storms_of_errors_change_nothing_but_the_time(
    control_plane: ControlPlane,
    begun: Begin,
    undisturbed: dict[str, dict[str, Any]],
    tmp_path: Path,
) -> None:
    api = FaultyApi(control_plane)
    storm = Storm(Random(SEED), SHARE)
    with api.serving():
        disturbed = begun(api.kubeconfig(tmp_path / "faulty.kubeconfig"))
        api.decide = storm
        disturbed.ends_as(undisturbed)
    print(f"{storm.failed.total()} requests failed: {dict(storm.failed)}")  # noqa: T201
    assert storm.failed.total() > 20


def test_an_instance_is_claimed_after_a_conflict_that_no_change_explains(
    control_plane: ControlPlane, begun: Begin, tmp_path: Path
) -> None:
    api = FaultyApi(control_plane)
    claims: list[Call] = []

    def refuse_the_first_claim(call: Call) -> Fault:
        if not call.is_change or not call.path.endswith("/katoinstances/prod/status"):
            return None
        claims.append(call)
        return Refused(409) if len(claims) == 1 else None

    with api.serving():
        story = begun(api.kubeconfig(tmp_path / "faulty.kubeconfig"))
        api.decide = refuse_the_first_claim
        next(story.told())
    assert len(claims) > 1


def test_after_an_outage_the_operator_goes_on_by_itself(
    control_plane: ControlPlane, begun: Begin, tmp_path: Path
) -> None:
    api = FaultyApi(control_plane)
    with api.serving():
        story = begun(api.kubeconfig(tmp_path / "faulty.kubeconfig"))
        _, before = next(story.told())
        space, process = story.space, story.operator.process
        api.go_down()
        space.patch("KatoInstance", "prod", {"spec": {"service": {"replicas": 5}}})
        space.delete("Service", "prod-redis")
        versions = space.versions()
        time.sleep(OUTAGE_S)
        assert space.versions() == versions
        api.come_back()
        space.await_ready()
        until(lambda: space.get("Service", "prod-redis"), "the Service that was deleted")
        after = essence(space)
        assert after["Deployment prod"]["spec"].pop("replicas") == 5
        assert before["Deployment prod"]["spec"].pop("replicas") == 3
        assert after == before
        assert story.operator.process is process
        assert story.operator.is_ready()
