"""The operator waits for its own CRD, and says so."""

import asyncio
from typing import cast

from structlog.testing import capture_logs

from kato_operator.cluster.definition import Definition
from kato_operator.cluster.kube import Kube
from kato_operator.errors import MissingError, TransientError
from kato_operator.kinds import Kind


class Server:
    """An API server that fails with each of these errors in turn, and then serves the kind."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def peek(self, _: Kind, *, namespace: str) -> None:
        assert namespace == "kato"
        if self.errors:
            raise self.errors.pop(0)


def definition(*errors: Exception) -> Definition:
    return Definition(cast(Kube, Server(*errors)), namespace="kato", look_every_s=0)


async def test_a_missing_crd_is_named_and_waited_for() -> None:
    found = definition(*[MissingError("not found", status=404)] * 3)
    waiting = asyncio.create_task(found.served())
    with capture_logs() as logs:
        await asyncio.sleep(0)
        assert found.is_missing
        await asyncio.wait_for(waiting, 5)
    assert not found.is_missing
    events = [entry["event"] for entry in logs]
    assert events == ["waiting for the CRD", "the CRD is installed"]
    assert "katoinstances.kato.dev is not installed" in logs[0]["problem"]


async def test_an_outage_is_no_missing_crd() -> None:
    found = definition(TransientError("the API server cannot be reached"))
    with capture_logs() as logs:
        await asyncio.wait_for(found.served(), 5)
    assert [entry["event"] for entry in logs] == ["the CRD could not be looked up"]


async def test_a_crd_that_is_there_is_not_mentioned() -> None:
    with capture_logs() as logs:
        await asyncio.wait_for(definition().served(), 5)
    assert logs == []
