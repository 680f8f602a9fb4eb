"""Specs that are refused: what is wrong with each, and the field and words of the refusal."""

from typing import Any

import pytest

Spec = dict[str, Any]
ALONE = "labels that controllers set on pods (pod-template-hash and the like) cannot be given"
PROFILES = "annotations about AppArmor and seccomp are refused: pods have the default profiles"
KINDS = "can only have cpu, memory, ephemeral-storage"
LARGE = {f"example.com/{number}": "x" * 4000 for number in range(60)}


def pods(**template: Any) -> Spec:
    """A spec with a pod template for Redis: the rules are those of every component."""
    return {"redis": {"managed": {"podTemplate": template}}}


def nodes(**requirement: Any) -> Spec:
    terms = [{"matchExpressions": [{"key": "a", **requirement}]}]
    required = {"nodeSelectorTerms": terms}
    return pods(
        affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    )


def near(**term: Any) -> Spec:
    terms = [{"topologyKey": "zone", "labelSelector": {}, **term}]
    return pods(affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}})


def storage(**fields: Any) -> Spec:
    return {"mongodb": {"managed": {"storage": fields}}}


def service(**fields: Any) -> Spec:
    return {"service": fields}


def image(**fields: Any) -> Spec:
    return service(image=fields)


POD = "spec.redis.managed.podTemplate"
TOLERATION = f"{POD}.tolerations[0]"
NODE = (
    f"{POD}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
    ".nodeSelectorTerms[0].matchExpressions[0]"
)
NEAR = f"{POD}.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]"
STORAGE = "spec.mongodb.managed.storage"
SERVICE = "spec.service"

_CASES: tuple[tuple[str, Spec, str, str], ...] = (
    ("pod-label", pods(labels={"kato.dev/a": "b"}), f"{POD}.labels", "reserved for the operator"),
    (
        "selecting-label",
        pods(labels={"app.kubernetes.io/name": "b"}),
        f"{POD}.labels",
        "reserved for the operator",
    ),
    ("pod-note", pods(annotations={"kato.dev/a": "b"}), f"{POD}.annotations", "reserved for"),
    ("pod-notes", pods(annotations=LARGE), f"{POD}.annotations", "200000 bytes together"),
    (
        "toleration-of-all",
        pods(tolerations=[{"effect": "NoExecute"}]),
        f"{TOLERATION}.operator",
        "must be Exists without a key",
    ),
    (
        "toleration-value",
        pods(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
        f"{TOLERATION}.value",
        "absent with operator Exists",
    ),
    (
        "toleration-seconds",
        pods(tolerations=[{"key": "a", "tolerationSeconds": 5}]),
        f"{TOLERATION}.tolerationSeconds",
        "needs the effect NoExecute",
    ),
    ("toleration-text", pods(tolerations=[{"key": "a", "value": "b c"}]), TOLERATION, ""),
    ("toleration-key", pods(tolerations=[{"key": "a b"}]), f"{TOLERATION}.key", ""),
    ("priority", pods(priorityClassName="a..b"), f"{POD}.priorityClassName", ""),
    ("node-in", nodes(operator="In", values=[]), f"{NODE}.values", "one or more with In"),
    ("node-exists", nodes(operator="Exists", values=["b"]), f"{NODE}.values", "none otherwise"),
    ("node-gt", nodes(operator="Gt", values=["1", "2"]), f"{NODE}.values", "one with Gt and Lt"),
    ("node-number", nodes(operator="Lt", values=["b"]), f"{NODE}.values", "must be a number"),
    ("node-value", nodes(operator="In", values=["b c"]), f"{NODE}.values", ""),
    (
        "near-exists",
        near(labelSelector={"matchExpressions": [{"key": "a", "operator": "In"}]}),
        f"{NEAR}.labelSelector.matchExpressions[0].values",
        "one or more with In and NotIn, none otherwise",
    ),
    ("near-key", near(topologyKey=""), f"{NEAR}.topologyKey", ""),
    ("near-namespace", near(namespaces=["A"]), f"{NEAR}.namespaces", ""),
    (
        "spread-domains",
        pods(topologySpread=[{"topologyKey": "a", "minDomains": 2}]),
        f"{POD}.topologySpread[0].minDomains",
        "needs whenUnsatisfiable DoNotSchedule",
    ),
    (
        "spread-skew",
        pods(topologySpread=[{"topologyKey": "a", "maxSkew": 0}]),
        f"{POD}.topologySpread[0].maxSkew",
        "",
    ),
    ("claim-label", storage(labels={"kato.dev/a": "b"}), f"{STORAGE}.labels", "reserved for"),
    ("claim-note", storage(annotations={"kato.dev/a": ""}), f"{STORAGE}.annotations", "reserved"),
    (
        "binding-note",
        storage(annotations={"pv.kubernetes.io/bind-completed": "yes"}),
        f"{STORAGE}.annotations",
        "by which Kubernetes binds and provisions volumes",
    ),
    ("claim-value", storage(labels={"a": "b c"}), f"{STORAGE}.labels.a", ""),
    ("class-name", storage(className="a..b"), f"{STORAGE}.className", ""),
    ("huge-volume", storage(size="1Ei"), f"{STORAGE}.size", "must be at most 1Pi"),
    ("endless-volume", storage(size="1e999999999"), f"{STORAGE}.size", ""),
    (
        "endless-request",
        service(resources={"requests": {"memory": "1e999999999"}, "limits": {"memory": "1E-9999"}}),
        f"{SERVICE}.resources.",
        "",
    ),
    ("negative-volume", storage(size=-5), f"{STORAGE}.size", ""),
    (
        "negative-request",
        service(resources={"requests": {"memory": -5}}),
        f"{SERVICE}.resources.requests.memory",
        "",
    ),
    (
        "half-a-byte",
        service(resources={"requests": {}, "limits": {"memory": "512m"}}),
        f"{SERVICE}.resources.limits",
        "limits.memory must be at least 32Mi",
    ),
    (
        "ingress-address",
        service(expose={"ingress": {"host": "192.0.2.1"}}),
        f"{SERVICE}.expose.ingress.host",
        "must be a name, not an address",
    ),
    (
        "ingress-host",
        service(expose={"ingress": {"host": "a..b"}}),
        f"{SERVICE}.expose.ingress.host",
        "",
    ),
    ("notes", service(expose={"annotations": LARGE}), f"{SERVICE}.expose.annotations", "bytes"),
    ("proxy", service(expose={"trustedProxies": ["1.2.3"]}), f"{SERVICE}.expose.trusted", ""),
    ("proxy-bits", service(expose={"trustedProxies": ["1.2.3.4/33"]}), f"{SERVICE}.expose", ""),
    ("image-tag", image(repository="redis:7"), f"{SERVICE}.image.repository", ""),
    ("image-case", image(repository="example.com/Redis"), f"{SERVICE}.image.repository", ""),
    ("image-digest", image(digest="sha256:abc"), f"{SERVICE}.image.digest", ""),
    ("pull-secret", image(pullSecrets=[{"name": "a..b"}]), f"{SERVICE}.image.pullSecrets", ""),
    ("nul", service(env=[{"name": "A", "value": "a\0b"}]), f"{SERVICE}.env[0].value", ""),
    (
        "secret-key",
        service(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": ".."}}}]),
        f"{SERVICE}.env[0].valueFrom.secretKeyRef.key",
        "",
    ),
    (
        "qdrant-url",
        {"qdrant": {"mode": "External", "external": {"url": "http://:6333"}}},
        "spec.qdrant.external.url",
        "",
    ),
    (
        "issuer-port",
        service(auth={"mode": "Token", "token": {"issuer": "https://a:99999"}}),
        f"{SERVICE}.auth.token.issuer",
        "",
    ),
    ("families", service(expose={"ipFamilyPolicy": "Both"}), f"{SERVICE}.expose.ipFamily", ""),
)
PLACES = [pytest.param(spec, field, words, id=name) for name, spec, field, words in _CASES]
"""Refused by the server and by the operator, whose CRD may be older."""

_STRICTER: tuple[tuple[str, Spec, str, str], ...] = (
    ("hash", pods(labels={"pod-template-hash": "a"}), f"{POD}.labels", ALONE),
    (
        "profile",
        pods(annotations={"container.apparmor.security.beta.kubernetes.io/redis": "unconfined"}),
        f"{POD}.annotations",
        PROFILES,
    ),
    (
        "request",
        service(resources={"requests": {"example.com/gpu": 1}}),
        f"{SERVICE}.resources.requests",
        f"requests {KINDS}",
    ),
    (
        "limit",
        service(resources={"limits": {"memory": "1Gi", "example.com/gpu": 1}}),
        f"{SERVICE}.resources.limits",
        f"limits {KINDS}",
    ),
)
STRICTER = [pytest.param(spec, field, words, id=name) for name, spec, field, words in _STRICTER]
"""Refused by the server alone: no reason to stop an instance that was stored before."""

BOUNDS = {
    f"{field} must be at most 1Pi" + each
    for field, each in (("size", ""), ("requests", " each"), ("limits", " each"))
}
"""Rules that the operator has in its type of quantities, in other words."""
