"""Every operation of the OpenAPI documents under generated input: no crash, no undocumented answer.

``make fuzz`` runs the long form; without ``FUZZ_CASES`` a short one runs.
"""

from pathlib import Path

import httpx
import pytest

from fuzz.generated import EVERY_PHASE, Plan, generated
from fuzz.watching import CASES, Variant, Watched, told

DOCUMENTS = ("/openapi.json", "/openapi-older.json")
SHARES = {"open": 0.6, "keys": 0.2, "redis": 0.2}
"""How many of the cases each variant gets."""
SHORT = {"open": EVERY_PHASE, "keys": "fuzzing", "redis": "stateful"}
"""Phases of the short form."""


@pytest.mark.long
def test_generated_requests_are_answered_as_documented(
    watched_service: Watched, variant: Variant, seed: int, tmp_path: Path
) -> None:
    wanted = round(CASES * SHARES[variant.name])
    cases, failures = 0, []
    with watched_service() as service:
        documents = _documents(service.url)
        operations = sum(documents.values())
        plan = Plan(
            seed=seed,
            examples=max(1, -(-wanted // operations)),
            headers=variant.headers,
            phases=EVERY_PHASE if CASES else SHORT[variant.name],
        )
        for url in documents:
            outcome = generated(url, plan, tmp_path)
            cases += outcome.cases
            failures += [] if outcome.is_clean else [outcome.text]
        told(f"{cases} generated requests for {operations} operations")
        if failures:
            pytest.fail("\n".join(failures), pytrace=False)
    assert cases >= wanted


def _documents(service_url: str) -> dict[str, int]:
    """The documents that the service has, with the number of their operations."""
    found = {}
    for path in DOCUMENTS:
        answer = httpx.get(service_url + path)
        if answer.status_code == 200:
            found[service_url + path] = sum(map(len, answer.json()["paths"].values()))
    assert sum(found.values()) > 60
    return found
