"""kopf, and the signals that it takes over."""

import asyncio
import signal
from typing import Any

import kopf
import pytest

from kato_operator.cluster.instances import Instances
from kato_operator.handlers import watch_instances


async def test_a_signal_still_stops_the_process_after_kopf_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, failed = asyncio.get_running_loop(), asyncio.Event()

    async def operator(**_: Any) -> None:
        loop.add_signal_handler(signal.SIGTERM, lambda: None)  # as kopf does, and leaves it
        raise RuntimeError("the CRD was removed")

    async def running() -> None:
        instances, watching = Instances(changed=lambda _: None), asyncio.Event()
        with pytest.raises(RuntimeError, match="the CRD was removed"):
            await watch_instances(instances, namespace="", watching=watching)
        failed.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(kopf, "operator", operator)
    task = asyncio.create_task(running())
    try:
        await asyncio.wait_for(failed.wait(), 60)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait([task], timeout=60)
        assert task.cancelled()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)
