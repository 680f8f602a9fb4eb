"""The HTTP connections of the checks, which are kept: the same is asked all the time."""

import asyncio
from types import TracebackType
from typing import Self

import aiohttp

IDLE_S = 90.0
"""Seconds after which a connection that is not used is closed."""
RENEW_S = 300.0
"""Seconds until new questions get new connections, which meet new certificates and other pods."""
LONGEST_S = RENEW_S
"""Seconds that a question may take: as long as the connections of earlier questions are kept."""


class Sessions:
    """Two HTTP sessions with the same connections.

    *keeping* leaves a connection open for the next question. *closing* closes it: one that was
    opened before the node knew the Service may lead elsewhere, and would give the same wrong answer
    for as long as it is kept.
    """

    def __init__(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S)
        cookies = aiohttp.DummyCookieJar()
        self.keeping = aiohttp.ClientSession(connector=connector, cookie_jar=cookies)
        self.closing = aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            cookie_jar=cookies,
            headers={"Connection": "close"},
        )

    async def close(self) -> None:
        await self.closing.close()
        await self.keeping.close()


class Connections:
    """The sessions of now, which are replaced from time to time, as long as `renew` runs.

    Args:
        renew_s: Seconds that they get new questions. Afterwards they are kept for as long again,
            for the questions that are still under way.
    """

    def __init__(self, renew_s: float = RENEW_S) -> None:
        self._renew_s = renew_s

    async def __aenter__(self) -> Self:
        self.now, self._retired = Sessions(), Sessions()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.now.close()
        await self._retired.close()

    async def renew(self) -> None:
        """Replace the sessions at regular intervals until cancelled."""
        while True:
            await asyncio.sleep(self._renew_s)
            ended, self._retired, self.now = self._retired, self.now, Sessions()
            await ended.close()
