"""WebSocket frames that no client library sends: they are answered or refused by RFC 6455.

A single case is repeated with ``FUZZ_ONLY=<number>``, which a failure shows.
"""

import asyncio
from collections import Counter
from urllib.parse import urlsplit

import httpx
import pytest

from fuzz.raw_answers import WrongAnswerError
from fuzz.raw_frames import socket_case_of
from fuzz.socket_answers import checked
from fuzz.watching import AT_ONCE, CASES, Watched, numbers, told

SHORT_CASES = 600


@pytest.mark.parametrize("variant", ["open"], indirect=True)
async def test_whatever_arrives_on_a_socket_is_answered_by_its_rules(
    watched_service: Watched, seed: int
) -> None:
    failures: list[str] = []
    closes: Counter[int | None] = Counter()
    places = asyncio.Semaphore(AT_ONCE)
    with watched_service() as service:
        address = urlsplit(service.url)
        created = httpx.post(f"{service.url}/v2/sessions", json={"user_id": "sockets"}).json()
        path = f"/v2/sessions/{created['session_id']}/ws"

        async def send(number: int) -> None:
            case = socket_case_of(seed, number)
            async with places:
                try:
                    host, port = str(address.hostname), int(address.port or 0)
                    received = await checked(case, host, port, path)
                except WrongAnswerError as wrong:
                    sent = case.data[:120]
                    failures.append(f"FUZZ_ONLY={number} {case.kind}: {wrong}\n    sent {sent!r}")
                    return
            closes[received.close] += 1

        await asyncio.gather(*map(send, numbers(CASES // 4 or SHORT_CASES)))
        if failures:
            pytest.fail("\n".join(failures[:50]) + f"\n{len(failures)} failures", pytrace=False)
    told(f"{closes.total()} sockets; close codes: {dict(closes)}")
