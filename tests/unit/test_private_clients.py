"""The parts of qdrant-client, PyMongo, the Kubernetes client and kopf that KATO builds on."""

import ast
import inspect
from typing import get_type_hints

import httpx
import kopf
import pytest
from kubernetes.aio import client as kubernetes
from private_parts import parameters
from pymongo.errors import AutoReconnect
from pymongo.logger import _log_client_error
from qdrant_client import AsyncQdrantClient
from qdrant_client.http.exceptions import ResponseHandlingException

from kato_operator import handlers

LOCAL = "kato_service/knowledge/stores/qdrant_store.py"
VECTORS = "kato_service/connections/qdrant_failures.py"
LOGS = "kato_service/logs.py"
KUBE = "kato_operator/cluster/kube.py"
HANDLERS = "kato_operator/handlers.py"


async def test_a_qdrant_client_uses_the_given_transport() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.PoolTimeout("busy", request=request)

    transport = httpx.MockTransport(refuse)
    client = AsyncQdrantClient(url="http://qdrant", check_compatibility=False, transport=transport)
    with pytest.raises(ResponseHandlingException) as caught:
        await client.get_collections()
    assert isinstance(caught.value.source, httpx.PoolTimeout), f"{VECTORS} builds on it"
    await client.close()


def test_pymongo_logs_background_errors_in_the_form_that_we_recognise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = AutoReconnect("gone")
    try:
        raise error
    except AutoReconnect:
        _log_client_error()
    (record,) = caplog.records
    assert record.name == "pymongo.client", f"another logger: {LOGS} builds on it"
    assert record.exc_info is not None, f"no traceback: {LOGS} builds on it"
    assert record.exc_info[1] is error, f"another error: {LOGS} builds on it"


def test_requests_to_kubernetes_accept_our_arguments() -> None:
    serialize = getattr(kubernetes.ApiClient, "param_serialize", None)
    assert serialize is not None, f"ApiClient.param_serialize is gone: {KUBE} calls it"
    taken = parameters(serialize)
    used = {"query_params", "header_params", "body", "auth_settings"}
    assert taken[:2] == ["method", "resource_path"], f"param_serialize changed: {KUBE} calls it"
    assert used <= set(taken), f"param_serialize changed: {KUBE} calls it"
    assert "_request_timeout" in parameters(kubernetes.ApiClient.call_api), f"{KUBE} gives it"


def test_a_kubernetes_response_holds_the_open_connection() -> None:
    source = inspect.getsource(kubernetes.rest.RESTResponse.__init__)
    assert "self.response = resp" in source, f"RESTResponse.response is gone: {KUBE} reads it"


def test_an_identity_of_kopf_is_a_string() -> None:
    hint = get_type_hints(kopf.operator)["identity"]
    (kind,) = (part for part in hint.__args__ if part is not type(None))
    assert kind.__supertype__ is str, f"an identity is more than a name: {HANDLERS} gives a str"


def test_kopfs_operator_accepts_our_arguments() -> None:
    calls = (node for node in ast.walk(ast.parse(inspect.getsource(handlers))))
    (call,) = (
        node
        for node in calls
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "kopf.operator"
    )
    given = {keyword.arg for keyword in call.keywords}
    assert given <= set(parameters(kopf.operator)), f"{HANDLERS} builds on it"
