"""Both clients of `kato_client` under one suite: the synchronous one runs in threads."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from kato_client import AsyncKato, Kato, Session, User

NewKato = Callable[..., Any]


class Threaded:
    """The synchronous client or session with the methods of the asynchronous one."""

    def __init__(self, inner: Kato | Session | User) -> None:
        self._inner = inner

    async def __aenter__(self) -> Any:
        await asyncio.to_thread(self._inner.__enter__)
        return self

    async def __aexit__(self, *exception: Any) -> None:
        await asyncio.to_thread(self._inner.__exit__, *exception)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, {"aclose": "close"}.get(name, name))
        if not callable(found):
            return found
        if name in {"session", "user"}:
            return lambda *given, **named: Threaded(found(*given, **named))
        if name in {"patterns", "sessions", "subscribe", "users"}:
            return lambda **given: _in_threads(found(**given))
        return partial(asyncio.to_thread, found)


async def _in_threads(items: Iterator[Any]) -> AsyncIterator[Any]:
    end = object()
    while (item := await asyncio.to_thread(next, items, end)) is not end:
        yield item


@pytest.fixture(params=["synchronous", "asynchronous"])
def new_kato(request: pytest.FixtureRequest) -> NewKato:
    """``new_kato(url, …)``: a client with asynchronous methods."""
    if request.param == "asynchronous":
        return AsyncKato
    return lambda url, **given: Threaded(Kato(url, **given))
