"""Predictions that the Python client receives by themselves."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from kato_client import AsyncKato, ConnectionFailedError, NotFoundError, UnavailableError
from kato_client.asynchronous.subscription import ENDED, predictions_in
from support import certificates
from support.proxy import FaultyProxy

NewKato = Callable[..., Any]
PATIENCE_S = 60


async def following(items: AsyncIterator[Any]) -> Any:
    return await asyncio.wait_for(anext(items), PATIENCE_S)


async def test_predictions_arrive_after_each_change_until_the_session_ends(
    new_kato: NewKato, service_url: str
) -> None:
    user = uuid4().hex
    async with AsyncKato(service_url) as other, new_kato(service_url) as kato:
        session = other.session(user=user)
        created = await session.create()
        await session.observe_sequence(["a", "b", "c"], learn_at_end=True)
        found = kato.session(id=created.session_id).subscribe(limit=1)
        assert len(await following(found)) == 0
        await session.observe_sequence(["a", "b"])
        assert (await following(found))[0].future == [["c"]]
        await session.clear_stm()
        assert len(await following(found)) == 0
        await session.delete()
        with pytest.raises(StopAsyncIteration):
            await following(found)
        with pytest.raises(NotFoundError):
            await following(kato.session(id=created.session_id).subscribe())


async def test_a_broken_connection_is_opened_again(
    new_kato: NewKato,
    service_url: str,
    faulty_proxy: Callable[[int], Awaitable[FaultyProxy]],
) -> None:
    proxy = await faulty_proxy(int(service_url.rpartition(":")[2]))
    async with AsyncKato(service_url).session(user=uuid4().hex) as session:
        await session.observe_sequence(["a", "b", "c"], learn_at_end=True)
        kato = new_kato(f"http://127.0.0.1:{proxy.port}")
        found = kato.session(id=session.id).subscribe()
        await following(found)
        proxy.disconnect()
        await session.observe_sequence(["a", "b"])
        assert (await following(found))[0].future == [["c"]]
        proxy.disconnect()
        await session.observe("c")
        assert (await following(found))[0].future == []
        await session.delete()
        with pytest.raises(StopAsyncIteration):
            await following(found)


async def test_certificates_are_checked_as_the_client_says(
    new_kato: NewKato, new_service: Callable[..., Any], tmp_path: Path
) -> None:
    certificate, key = certificates.pair(tmp_path, "localhost")
    service = new_service(TLS_CERT_FILE=str(certificate), TLS_KEY_FILE=str(key), VECTORS="disabled")
    service.start()
    service.await_ready()
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    async with new_kato(service.url, verify=context).session(user="u") as session:
        assert len(await following(session.subscribe())) == 0
    with pytest.raises(ConnectionFailedError, match="certificate"):
        await new_kato(service.url).session_count()


def test_an_error_that_passes_is_none_and_one_that_lasts_is_raised() -> None:
    passing = {"code": "STORE_UNAVAILABLE", "message": "m", "retryable": True}
    frame = {"type": "error", "error": passing, "subscription": 1, "retry_after_s": 2}
    assert predictions_in(frame) is None
    del frame["subscription"]
    with pytest.raises(UnavailableError) as refused:
        predictions_in(frame)
    assert (refused.value.retryable, refused.value.retry_after_s) == (True, 2)
    gone = {"code": "SESSION_NOT_FOUND", "message": "m", "retryable": False}
    with pytest.raises(NotFoundError):
        predictions_in({"type": "error", "error": gone, "subscription": 1})
    assert predictions_in({"type": "session_ended", "payload": {}}) is ENDED
