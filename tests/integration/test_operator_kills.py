"""Killed at any write, the operator reaches the same end as one that was never disturbed.

Of the different writes of a story it is killed at every KILL_EVERY-th, twice: before the request
arrives, and before its answer does. `make operator-kills` kills it at every one of them.
"""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from apiserver import OperatorProcess
from faulty_api import Call, Fault, FaultyApi, Lost
from story import Begin

from control_plane import ControlPlane

pytestmark = [
    pytest.mark.apiserver,
    pytest.mark.long,
    pytest.mark.xdist_group("API server 1"),
]

EVERY = int(os.environ.get("KILL_EVERY", "24"))
TIMES = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{8,}")
"""What differs between two attempts at one write."""


@dataclass
class Killer:
    """Decides at which writes the operator is killed."""

    operator: OperatorProcess
    every: int
    kills: int = 0
    writes: dict[tuple[str, str, bytes], int] = field(default_factory=dict)
    """The different writes, and how often the operator may still be killed at each."""

    def __call__(self, call: Call) -> Fault:
        if not call.is_change:
            return None
        write = (call.method, call.path, constant(call))
        if write not in self.writes:
            self.writes[write] = 0 if (len(self.writes) + 1) % self.every else 2
        left = self.writes[write]
        if not left:
            return None
        self.writes[write] -= 1
        self.kills += 1
        return Lost(arrives=left == 1, meanwhile=self._kill)

    def _kill(self) -> None:
        if (process := self.operator.process) is not None:
            process.kill()


def constant(call: Call) -> bytes:
    """What two attempts at one write have in common; the values of a new Secret are random."""
    if "/secrets" not in call.path or not call.body:
        return TIMES.sub(b"", call.body)
    secret = json.loads(call.body)
    values = [sorted(secret.get(part) or ()) for part in ("data", "stringData")]
    return json.dumps([secret.get("metadata", {}).get("name"), *values]).encode()


def test_an_operator_that_is_killed_at_any_write_reaches_the_same_end(
    control_plane: ControlPlane,
    begun: Begin,
    undisturbed: dict[str, dict[str, Any]],
    tmp_path: Path,
) -> None:
    api = FaultyApi(control_plane)
    with api.serving():
        disturbed = begun(api.kubeconfig(tmp_path / "faulty.kubeconfig"))
        killer = Killer(disturbed.operator, EVERY)
        api.decide = killer
        disturbed.ends_as(undisturbed)
    print(f"{killer.kills} kills at {len(killer.writes)} different writes")  # noqa: T201
    assert killer.kills > len(killer.writes) // EVERY > 0
