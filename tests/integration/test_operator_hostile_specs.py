"""What the API server accepts as a spec, it also accepts as children; or the operator refuses it.

``make operator-hostile`` tries every value in every field; the short form a sample.
"""

import os
import random
from typing import Any

import httpx
import pytest
from hostile_specs import EMBEDDED, FULL, VARIED, Mutation, mutations

from kato_operator import children, kinds
from kato_operator.children import Facts
from kato_operator.children.secrets import CREDENTIALS
from kato_operator.crd.instance import parse
from kato_operator.errors import InvalidInstanceError
from kato_operator.kinds import INSTANCE

pytestmark = pytest.mark.apiserver

Spec = dict[str, Any]
CASES = int(os.environ.get("HOSTILE_CASES", "60"))
SEED = int(os.environ.get("SEED", "20261129"))
APPLY = {"Content-Type": "application/apply-patch+yaml"}
DRY = {"dryRun": "All", "fieldManager": "test", "force": "true", "fieldValidation": "Strict"}
VALUES = dict.fromkeys((*CREDENTIALS, "keyfile"), "secret-value")
EXTERNAL = dict.fromkeys(("tls-certificate", "tls-key", "token-ca", "service-api-keys"), "x")


class Server:
    """The API server, asked for nothing but dry runs."""

    def __init__(self, client: httpx.Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._applied: list[Spec] = []

    def refusal(self, spec: Spec) -> str:
        """Why the server refuses an instance with this spec; empty if it does not."""
        body = {"apiVersion": INSTANCE.api_version, "kind": INSTANCE.name}
        answer = self._client.post(
            INSTANCE.path(self._namespace),
            params={"dryRun": "All", "fieldValidation": "Strict"},
            json={**body, "metadata": {"name": "prod"}, "spec": spec},
        )
        if answer.status_code == 201:
            return ""
        assert answer.status_code in (400, 422), answer.text
        return str(answer.json()["message"])

    def refused_child(self, spec: Spec) -> str:
        """The first child of such an instance that the server refuses, and why; empty if none.

        A child that has been accepted already is not sent again.
        """
        meta = {"name": "prod", "namespace": self._namespace, "uid": "the-uid"}
        instance = parse({"metadata": meta, "spec": spec})
        for child in children.desired(instance, Facts({}, VALUES, EXTERNAL, "1.2.3")):
            if child in self._applied or kinds.CHILDREN[child["kind"]].is_optional:
                continue
            path = kinds.CHILDREN[child["kind"]].path(self._namespace, child["metadata"]["name"])
            answer = self._client.patch(path, params=DRY, json=child, headers=APPLY)
            if answer.status_code not in (200, 201):
                return str(answer.json()["message"])
            self._applied.append(child)
        return ""


@pytest.fixture
def server(kubernetes: httpx.Client, namespace: str) -> Server:
    return Server(kubernetes, namespace)


@pytest.mark.parametrize("spec", [FULL, EMBEDDED], ids=["managed", "embedded"])
def test_a_spec_with_every_field_becomes_children_that_the_server_accepts(
    server: Server, spec: Spec
) -> None:
    assert server.refusal(spec) == ""
    assert server.refused_child(spec) == ""


def test_whatever_is_accepted_as_a_spec_is_accepted_as_children(server: Server) -> None:
    cases = [case for spec in (VARIED, EMBEDDED) for case in mutations(spec)]
    random.Random(SEED).shuffle(cases)
    holes = [hole for case in cases[:CASES] if (hole := _hole(server, case))]
    assert holes == []


def _hole(server: Server, case: Mutation) -> str:
    """Where a value is accepted in an instance and refused in a child; empty if it is not."""
    spec = case.made()
    if server.refusal(spec):
        return ""
    try:
        why = server.refused_child(spec)
    except InvalidInstanceError:
        return ""  # a condition names the field, and nothing is applied
    return f"{case}: {why}" if why else ""
