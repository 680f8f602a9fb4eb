"""What service accounts have asked of the API server, from its audit log.

Only their requests are logged: those of the tests themselves are an administrator's.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Right = tuple[str, str]
"""A resource with its API group ("apps/deployments"), and a verb."""
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "RequestResponse",
            "userGroups": ["system:serviceaccounts"],
            "verbs": ["list"],
            "resources": [{"group": "", "resources": ["secrets"]}],
        },
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}
CREATED, FORBIDDEN = 201, 403


def flags(directory: Path) -> tuple[str, ...]:
    """Arguments of kube-apiserver that log these requests below *directory*.

    The plugin makes the API server ask for the right that blocking owners need, as some
    distributions do.
    """
    policy = directory / "audit-policy.json"
    policy.write_text(json.dumps(POLICY), encoding="utf-8")
    return (
        f"--audit-policy-file={policy}",
        f"--audit-log-path={directory / 'audit.log'}",
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
    )


@dataclass(frozen=True)
class Request:
    """A request for a resource, and the status of its answer.

    *answer* is the kind of the answer to a list of Secrets.
    """

    resource: str
    verb: str
    name: str
    uri: str
    status: int
    answer: str = ""

    def rights(self) -> Iterator[Right]:
        """The rights that the request needs: one that creates by an apply needs two."""
        yield self.resource, self.verb
        if self.verb == "patch" and self.status == CREATED:
            yield self.resource, "create"


def requests(directory: Path, namespace: str, account: str) -> list[Request]:
    """Every request of a service account for a resource, as far as it is answered."""
    user = f"system:serviceaccount:{namespace}:{account}"
    lines = (directory / "audit.log").read_text(encoding="utf-8").splitlines()
    events = (json.loads(line) for line in lines if user in line)
    return [
        _request(event)
        for event in events
        if event["user"]["username"] == user and "objectRef" in event
    ]


def granted(rules: Iterable[dict[str, Any]]) -> set[Right]:
    """The rights that rules of a Role grant."""
    return {
        (f"{group}/{resource}".lstrip("/"), verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _request(event: dict[str, Any]) -> Request:
    about = event["objectRef"]
    steps = (about.get("apiGroup", ""), about["resource"], about.get("subresource", ""))
    return Request(
        "/".join(step for step in steps if step),
        event["verb"],
        about.get("name", ""),
        event["requestURI"],
        event.get("responseStatus", {}).get("code", 0),
        event.get("responseObject", {}).get("kind", ""),
    )
