"""Every operation of openapi.json under generated input: no crash, no undocumented answer."""

import time
from typing import Any

import hypothesis
import psutil
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support import patient

BUDGET_S = 60.0
"""Processor time of the service and of the generator of requests together."""
EXAMPLES_PER_OPERATION = 15
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def _operations(service_url: str) -> list[Any]:
    schema = schemathesis.openapi.from_url(f"{service_url}/openapi.json")
    return [result.ok() for result in schema.get_all_operations()]


def test_generated_requests_are_answered_as_documented(
    shared_service: Any, session_id: str
) -> None:
    found = _operations(shared_service.url)
    operations = [operation for operation in found if _ours(operation.path)]
    assert len(operations) > 60
    end_s = _computed_s(shared_service) + BUDGET_S
    for operation in operations:
        assert _computed_s(shared_service) < end_s, "generated requests take too long"
        _fuzz(operation, session_id)


def _computed_s(service: Any) -> float:
    times = psutil.Process(service.process.pid).cpu_times()
    return float(times.user + times.system) + time.process_time()


def _ours(path: str) -> bool:
    return not path.endswith(("/health", "/metrics", "/status"))


def _fuzz(operation: Any, session_id: str) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES_PER_OPERATION,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(), known=hypothesis.strategies.booleans())
    def run(case: Any, known: bool) -> None:
        if known and "session_id" in (case.path_parameters or {}):
            case.path_parameters["session_id"] = session_id
        case.call_and_validate(checks=CHECKS, timeout=60)

    run()


def test_every_operation_is_documented(service_url: str) -> None:
    document = patient.get(f"{service_url}/openapi.json").json()
    operations = [
        operation
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if path.startswith(("/v2/sessions", "/sessions", "/v1"))
    ]
    assert all(operation["summary"] for operation in operations)
    assert all(
        {"422", "503", "504", "500"} <= set(operation["responses"]) for operation in operations
    )
    assert len({operation["operationId"] for operation in operations}) == len(operations)


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_the_document_and_its_pages_are_served(service_url: str, path: str) -> None:
    assert patient.get(service_url + path).status_code == 200
