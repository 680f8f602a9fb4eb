"""Every operation of the OpenAPI documents under generated input: no crash, no undocumented answer.

``make fuzz`` runs the long form; without ``FUZZ_CASES`` a short one runs.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import httpx
import pytest

from fuzz.generated import EVERY_PHASE, Plan, generated
from fuzz.watching import CASES, PATIENCE_S, Variant, Watched, told

SHARES = {"open": 0.6, "keys": 0.2, "redis": 0.2}
"""How many of the cases each variant gets."""
SHORT = {"open": EVERY_PHASE, "keys": "fuzzing", "redis": "stateful"}
"""Phases of the short form."""
SLOW = "put_configuration"
"""An operation that takes a second for each change; in the short form, without `coverage`."""
SAMPLES = {"/openapi.json": 12, "/openapi-older.json": 8}
"""How many operations of each document, drawn by the seed, get the phase `coverage` in the short
form: it takes most of the time, above all where a parameter has many places."""


@pytest.mark.long
def test_generated_requests_are_answered_as_documented(
    watched_service: Watched, variant: Variant, seed: int, tmp_path: Path
) -> None:
    wanted = round(CASES * SHARES[variant.name])
    cases, failures = 0, []
    with watched_service() as service:
        documents = _documents(service.url)
        operations = sum(map(len, documents.values()))
        plan = Plan(
            seed=seed,
            examples=max(1, -(-wanted // operations)),
            headers=variant.headers,
            phases=EVERY_PHASE if CASES else SHORT[variant.name],
        )
        for url, ids in documents.items():
            sample = SAMPLES[url.removeprefix(service.url)]
            for part in (plan,) if CASES else _parts(plan, ids, sample):
                outcome = generated(url, part, tmp_path)
                cases += outcome.cases
                failures += [] if outcome.is_clean else [outcome.text]
        told(f"{cases} generated requests for {operations} operations")
        if failures:
            pytest.fail("\n".join(failures), pytrace=False)
    assert cases >= wanted


def _parts(plan: Plan, ids: list[str], sample: int) -> Iterator[Plan]:
    """The plan, with the phase `coverage` for a sample of the operations alone."""
    if "coverage" not in plan.phases:
        yield plan
        return
    rest = ",".join(one for one in plan.phases.split(",") if one != "coverage")
    yield replace(plan, phases=rest)
    covered = Random(plan.seed).sample(sorted(set(ids) - {SLOW}), sample)
    yield replace(plan, phases="coverage", operations=tuple(covered))


def _documents(service_url: str) -> dict[str, list[str]]:
    """The documents that the service has, with the ids of their operations."""
    found = {}
    for path in SAMPLES:
        answer = httpx.get(service_url + path, timeout=PATIENCE_S)
        if answer.status_code == 200:
            paths = answer.json()["paths"].values()
            found[service_url + path] = [
                operation["operationId"] for methods in paths for operation in methods.values()
            ]
    assert sum(map(len, found.values())) > 60
    return found
