"""Shutdown while the stores hang."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest

from support import patient

New = Callable[..., Any]


@pytest.mark.skipif(os.environ.get("TORTURE_POINTS", "0") == "0", reason="make torture runs it")
def test_a_service_ends_in_time_although_its_stores_are_frozen(
    new_service: New, redis_server: Any, mongo_server: Any
) -> None:
    service = new_service(
        REDIS_URL=redis_server.url,
        MONGO_BASE_URL=mongo_server.url,
        MONGO_POOL_MIN_SIZE="0",
        VECTORS="disabled",
        SHUTDOWN_GRACE_S="3",
    )
    service.start()
    service.await_ready()
    made = patient.post(f"{service.url}/v2/sessions")
    session = f"{service.url}/v2/sessions/{made.json()['session_id']}"
    observed_ab(session)
    assert patient.post(f"{session}/learn").status_code == 200
    observed_ab(session)
    mongo_server.freeze()
    with ThreadPoolExecutor(2) as clients:
        learn = clients.submit(patient.post, f"{session}/learn")
        look = clients.submit(patient.get, f"{session}/predictions")
        give_up_at = time.monotonic() + 60
        while 'kato_store_errors_total{store="mongodb"} 0.0' in metrics(service):
            assert time.monotonic() < give_up_at, "it did not ask mongodb"
            time.sleep(0.1)
        redis_server.freeze()
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 25
        for answer in (learn, look):
            with suppress(httpx.TransportError):
                assert answer.result().status_code in {503, 504}


def observed_ab(session: str) -> None:
    for symbol in ("a", "b"):
        assert patient.post(f"{session}/observe", json={"strings": [symbol]}).status_code == 200


def metrics(service: Any) -> str:
    return patient.get(f"{service.url}/metrics").text
