"""Bytes that no client library sends: the HTTP port answers or closes, and always stays usable.

A single case is repeated with ``FUZZ_ONLY=<number>``, which a failure shows.
"""

import asyncio
from collections import Counter
from urllib.parse import urlsplit

import pytest

from fuzz.raw_answers import WrongAnswerError, checked
from fuzz.raw_requests import case_of
from fuzz.watching import AT_ONCE, CASES, Watched, numbers, told

SHORT_CASES = 1500


@pytest.mark.parametrize("variant", ["open"], indirect=True)
async def test_whatever_arrives_is_answered_by_the_rules_of_http(
    watched_service: Watched, seed: int
) -> None:
    failures: list[str] = []
    statuses: Counter[int] = Counter()
    places = asyncio.Semaphore(AT_ONCE)
    with watched_service() as service:
        address = urlsplit(service.url)

        async def send(number: int) -> None:
            case = case_of(seed, number)
            async with places:
                try:
                    answers = await checked(case, str(address.hostname), int(address.port or 0))
                except WrongAnswerError as wrong:
                    what = b"".join(case.pieces)[:1000]
                    failures.append(f"FUZZ_ONLY={number} {case.kind}: {wrong}\n    sent {what!r}")
                    return
            statuses.update(answer.status for answer in answers)

        await asyncio.gather(*map(send, numbers(CASES or SHORT_CASES)))
        if failures:
            pytest.fail("\n".join(failures[:50]) + f"\n{len(failures)} failures", pytrace=False)
    told(f"{statuses.total()} answers, by status: {dict(sorted(statuses.items()))}")
