"""Specs with a field that both the API server and the operator refuse, and their words for it."""

from typing import Any

import pytest
from refused_specs import PLACES


def resources(**given: dict[str, Any]) -> dict[str, Any]:
    return {"service": {"resources": given}}


REFUSED = [
    *(
        pytest.param(
            {"redis": {"managed": {"config": {option: value}}}},
            "spec.redis.managed.config",
            f"{option} must be",
            id=f"redis-{option}",
        )
        for option, value in (
            *(("timeout", "soon"), ("tcp-keepalive", "-1"), ("hz", "1.5")),
            *(("save", "60"), ("save", "0 1"), ("maxclients", "0")),
        )
    ),
    pytest.param(
        {"redis": {"managed": {"resources": {"limits": {"memory": "16Mi"}, "requests": {}}}}},
        "spec.redis.managed.resources.limits",
        "limits.memory must be at least 32Mi",
        id="redis-too-small",
    ),
    pytest.param(
        {"redis": {"mode": "External"}}, "spec.redis.external", "required with", id="external-none"
    ),
    pytest.param(
        {"mongodb": {"external": {"urlSecretRef": {"name": "a", "key": "b"}}}},
        "spec.mongodb.external",
        "must be absent otherwise",
        id="external-unasked",
    ),
    pytest.param(
        {"qdrant": {"mode": "External"}}, "spec.qdrant.external", "required", id="qdrant-external"
    ),
    pytest.param(
        {"redis": {"mode": "Embedded"}, "service": {"replicas": 2}},
        "spec.service.replicas",
        "Embedded",
        id="embedded-replicas",
    ),
    pytest.param(
        {"service": {"auth": {"mode": "Token"}}},
        "spec.service.auth.token",
        "token is required with mode Token",
        id="token-none",
    ),
    pytest.param(
        {"service": {"auth": {"mode": "Token", "token": {"audiences": ["kato"]}}}},
        "spec.service.auth.token.issuer",
        "issuer is required with source Issuer",
        id="issuer-none",
    ),
    pytest.param(
        {"mongodb": {"mode": "Embedded"}, "service": {"workers": 2}},
        "spec.service.workers",
        "Embedded",
        id="embedded-workers",
    ),
    pytest.param(
        {"qdrant": {"mode": "Embedded"}, "service": {"autoscaling": {}}},
        "spec.service.autoscaling",
        "Embedded",
        id="embedded-autoscaling",
    ),
    pytest.param(
        resources(requests={"memory": "2Gi"}),
        "spec.service.resources.requests",
        "exceed limits",
        id="requests-beyond-limits",
    ),
    pytest.param(
        resources(requests={"cpu": 1}, limits={"cpu": "0.5"}),
        "spec.service.resources.requests",
        "exceed limits",
        id="requests-beyond-limits-as-a-number",
    ),
    pytest.param(
        {"redis": {"managed": {"resources": {"limits": {"cpu": "1"}}}}},
        "spec.redis.managed.resources.limits",
        "limits must include memory",
        id="redis-without-memory-limit",
    ),
    pytest.param(
        {"mongodb": {"managed": {"resources": {"limits": {"cpu": "1"}}}}},
        "spec.mongodb.managed.resources.limits",
        "limits must include memory",
        id="mongodb-without-memory-limit",
    ),
    pytest.param(
        {"connectionPools": {"mongodb": {"minSize": 51}}},
        "spec.connectionPools.mongodb.minSize",
        "(defaults: 10 and 50)",
        id="pool-bounds",
    ),
    pytest.param(
        {"service": {"autoscaling": {"minReplicas": 11}}},
        "spec.service.autoscaling.minReplicas",
        "(defaults: 2 and 10)",
        id="autoscaling-bounds",
    ),
    pytest.param(
        {"service": {"env": [{"name": "REDIS_URL", "value": "x"}]}},
        "spec.service.env[0].name",
        "; remove it",
        id="reserved-variable",
    ),
    pytest.param(
        {
            "service": {
                "env": [
                    {
                        "name": "A",
                        "value": "x",
                        "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}},
                    }
                ]
            }
        },
        "spec.service.env[0].value",
        "set value or valueFrom, not both",
        id="two-values",
    ),
    pytest.param(
        {"service": {"env": [{"name": "A", "valueFrom": {}}]}},
        "spec.service.env[0].valueFrom.secretKeyRef",
        "set exactly one of secretKeyRef and configMapKeyRef",
        id="no-source",
    ),
    pytest.param(
        {"service": {"podTemplate": {"labels": {"kato.dev/instance": "x"}}}},
        "spec.service.podTemplate.labels",
        "reserved for the operator",
        id="reserved-label",
    ),
    pytest.param(
        {"service": {"podTemplate": {"annotations": {"kato.dev/config-hash": "x"}}}},
        "spec.service.podTemplate.annotations",
        "reserved for the operator",
        id="reserved-pod-annotation",
    ),
    pytest.param(
        {"service": {"expose": {"annotations": {"kato.dev/applied": "x"}}}},
        "spec.service.expose.annotations",
        "reserved for the operator",
        id="reserved-annotation",
    ),
    pytest.param(
        {"redis": {"managed": {"config": {"requirepass": "x"}}}},
        "spec.redis.managed.config",
        "only these options",
        id="redis-option",
    ),
    pytest.param(
        {"redis": {"managed": {"config": {"save": "1 1\nrequirepass x"}}}},
        "spec.redis.managed.config.save",
        "",
        id="redis-value-with-a-newline",
    ),
    pytest.param(
        {"redis": {"managed": {"storage": {"size": "1Ki"}}}},
        "spec.redis.managed.storage.size",
        "",
        id="tiny-volume",
    ),
    pytest.param(
        {"mongodb": {"managed": {"members": 2}}}, "spec.mongodb.managed.members", "", id="members"
    ),
    pytest.param({"redis": {"mode": "Disabled"}}, "spec.redis.mode", "", id="mode"),
    pytest.param(
        {"service": {"tls": {"secretName": "Mine"}}}, "spec.service.tls.secretName", "", id="tls"
    ),
    pytest.param({"service": {"tls": {}}}, "spec.service.tls.secretName", "", id="tls-unnamed"),
    pytest.param({"service": {"port": 0}}, "spec.service.port", "", id="port"),
    pytest.param(
        resources(limits={"memory": "much"}), "spec.service.resources.limits.memory", "", id="much"
    ),
    pytest.param({"processorId": "a:b"}, "spec.processorId", "", id="processor-id"),
    pytest.param({"processor": {"recallThreshold": "1.5"}}, "spec.processor.recall", "", id="high"),
    *PLACES,
]
