"""The command that starts the operator. Other tests fork its process instead."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from apiserver import Namespace, operator_of

from support.dying import dying_with_us

pytestmark = pytest.mark.apiserver
SCRIPT = Path(sys.executable).with_name("kato-operator")


@pytest.mark.parametrize(
    "command",
    [(sys.executable, "-m", "kato_operator"), (str(SCRIPT), "run")],
    ids=["module", "script"],
)
def test_the_command_makes_an_instance_ready_and_ends_when_asked(
    control_plane: Any, space: Namespace, tmp_path: Path, command: tuple[str, ...]
) -> None:
    operator = operator_of(space.name, control_plane.kubeconfig, tmp_path / "operator.log")
    with operator.log.open("wb") as log:
        operator.process = subprocess.Popen(
            [*dying_with_us(), *command],
            env={**os.environ, **operator.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        operator.await_readiness()
        space.create("KatoInstance", "prod")
        space.await_ready()
        operator.stop()
    finally:
        operator.kill9()
    assert "pass crashed" not in operator.log.read_text()
