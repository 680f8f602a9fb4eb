"""The OpenAPI document and its pages; tests/fuzz compares answers with it."""

import pytest

from support import patient


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
