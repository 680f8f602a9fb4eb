"""HTTPS on the service's own port, as the spec of an instance asks for it."""

import base64
from collections.abc import Iterable
from typing import Any

import pytest

from kato_operator import children, names
from kato_operator.children import Facts
from kato_operator.crd.instance import KatoInstance, parse
from kato_operator.errors import InvalidInstanceError
from kato_operator.manifests import Key, Manifest
from kato_operator.reconcile import references, rollout
from kato_operator.status.diagnosis import Verdict
from kato_operator.stores import probes
from kato_operator.stores.trust import KEPT, Trust

TLS = {"tls": {"secretName": "prod-tls"}}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"
KEY = "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----"
WITH_CA = {"tls-ca": CERTIFICATE}


def instance(service: dict[str, Any], **spec: Any) -> KatoInstance:
    meta = {"name": "prod", "namespace": "kato", "uid": "the-uid"}
    return parse({"metadata": meta, "spec": {"service": service, **spec}})


def made(
    service: dict[str, Any], external: dict[str, str] | None = None, **spec: Any
) -> dict[tuple[str, str], Manifest]:
    wanted = instance(service, **spec)
    secrets = children.generated_secrets(wanted, token=lambda: "value")
    known = {name: value for item in secrets for name, value in item["stringData"].items()}
    found = children.desired(wanted, Facts({}, known, external or {}, "1.2.3"))
    return {(it["kind"], it["metadata"]["name"]): it for it in found}


def container(service: dict[str, Any]) -> Manifest:
    (found,) = made(service)["Deployment", "prod"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_the_service_gets_the_files_of_the_secret_read_only() -> None:
    found = made(TLS)
    config = found["ConfigMap", "prod-config"]["data"]
    assert config["TLS_CERT_FILE"] == "/etc/kato/tls/tls.crt"
    assert config["TLS_KEY_FILE"] == "/etc/kato/tls/tls.key"
    (mount,) = (it for it in container(TLS)["volumeMounts"] if it["name"] == "tls")
    assert mount == {"name": "tls", "mountPath": "/etc/kato/tls", "readOnly": True}
    pod = found["Deployment", "prod"]["spec"]["template"]["spec"]
    (volume,) = (it for it in pod["volumes"] if it["name"] == "tls")
    assert volume["secret"] == {
        "secretName": "prod-tls",
        "items": [{"key": "tls.crt", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}],
        "defaultMode": 0o440,
    }


def test_without_tls_nothing_mentions_it() -> None:
    found = made({})
    assert not {"TLS_CERT_FILE", "TLS_KEY_FILE"} & found["ConfigMap", "prod-config"]["data"].keys()
    assert found["Service", "prod"]["spec"]["ports"] == [
        {"name": "http", "port": 8000, "targetPort": "http", "protocol": "TCP"}
    ]
    assert container({})["livenessProbe"]["httpGet"] == {"port": "http", "path": "/health/live"}


def test_probes_and_ports_say_https() -> None:
    found = container(TLS)
    assert [it["name"] for it in found["ports"]] == ["https"]
    for kind, path in (("startup", "startup"), ("liveness", "live"), ("readiness", "ready")):
        assert found[f"{kind}Probe"]["httpGet"] == {
            "port": "https",
            "path": f"/health/{path}",
            "scheme": "HTTPS",
        }
    assert made(TLS)["Service", "prod"]["spec"]["ports"] == [
        {
            "name": "https",
            "port": 8000,
            "targetPort": "https",
            "protocol": "TCP",
            "appProtocol": "https",
        }
    ]


def test_an_ingress_reaches_the_port_by_its_name() -> None:
    service = {**TLS, "expose": {"ingress": {"host": "kato.example"}}}
    (rule,) = made(service)["Ingress", "prod"]["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": "prod", "port": {"name": "https"}}


@pytest.mark.parametrize(
    ("external", "key"), [({}, "tls.crt"), (WITH_CA, "ca.crt")], ids=["self-signed", "authority"]
)
def test_prometheus_trusts_what_the_secret_holds(external: dict[str, str], key: str) -> None:
    found = made(TLS, external, monitoring={"serviceMonitor": "Enabled"})
    (endpoint,) = found["ServiceMonitor", "prod"]["spec"]["endpoints"]
    assert endpoint == {
        "port": "https",
        "path": "/metrics",
        "scheme": "https",
        "tlsConfig": {
            "ca": {"secret": {"name": "prod-tls", "key": key}},
            "serverName": "prod.kato.svc",
        },
    }


@pytest.mark.parametrize("name", ["", "Not A Name", "-a", None])
def test_a_secret_that_cannot_exist_is_refused(name: str | None) -> None:
    with pytest.raises(InvalidInstanceError, match=r"service\.tls\.secretName"):
        instance({"tls": {"secretName": name}})


def test_a_secret_must_be_named() -> None:
    with pytest.raises(InvalidInstanceError, match=r"service\.tls\.secretName"):
        instance({"tls": {}})


@pytest.mark.parametrize("name", ["TLS_CERT_FILE", "TLS_KEY_FILE"])
def test_the_files_cannot_be_set_as_variables(name: str) -> None:
    with pytest.raises(InvalidInstanceError, match="the operator sets this variable"):
        instance({"env": [{"name": name, "value": "/x"}]})


class Secrets:
    """A cluster of which only Secrets are read."""

    def __init__(self, **data: str) -> None:
        self.reads = 0
        self.kept: list[str] = []
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}
        self._data = encoded if data else None

    @property
    def secrets(self) -> "Secrets":
        return self

    def keep(self, key: Key, found: Iterable[str]) -> None:
        assert key == ("kato", "prod")
        self.kept = list(found)

    async def read(self, key: Key, name: str) -> dict[str, str] | None:
        assert (key, name) == (("kato", "prod"), "prod-tls")
        self.reads += 1
        return self._data


def files(certificate: str = CERTIFICATE, key: str = KEY, **more: str) -> dict[str, str]:
    return {"tls.crt": certificate, "tls.key": key, **more}


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({}, "Secret 'prod-tls' does not exist; create it with the key 'tls.crt'"),
        ({"tls.crt": CERTIFICATE}, "Secret 'prod-tls' has no key 'tls.key'; add it"),
        (
            files(certificate="no PEM"),
            "key 'tls.crt' of Secret 'prod-tls' is not a certificate (PEM); replace it",
        ),
        (
            files(key=KEY.replace("PRIVATE", "ENCRYPTED PRIVATE")),
            "key 'tls.key' of Secret 'prod-tls' is not a private key (PEM) without a password;"
            " replace it",
        ),
    ],
    ids=["no Secret", "no key", "no certificate", "encrypted"],
)
async def test_what_is_missing_is_named(held: dict[str, str], message: str) -> None:
    found = await references.load(Secrets(**held), instance(TLS))  # type: ignore[arg-type]  # it only reads
    verdict = found.missing[names.SERVICE]
    assert (verdict.reason, verdict.message) == (names.REASON_MISSING_SECRET, message)


@pytest.mark.parametrize("kind", ["", "EC ", "RSA "])
async def test_a_complete_secret_is_read_once(kind: str) -> None:
    text = "subject=CN = kato\n" + CERTIFICATE
    held = files(text, KEY.replace("PRIVATE", f"{kind}PRIVATE"))
    cluster = Secrets(**held)
    found = await references.load(cluster, instance(TLS))  # type: ignore[arg-type]  # it only reads
    assert not found.missing
    assert (cluster.reads, cluster.kept) == (1, ["prod-tls"])
    assert probes.certificates(found.values) == text


async def test_an_authority_in_the_secret_is_trusted_too() -> None:
    cluster = Secrets(**files(**{"ca.crt": CERTIFICATE}))
    found = await references.load(cluster, instance(TLS))  # type: ignore[arg-type]  # it only reads
    assert found.values["tls-ca"] == CERTIFICATE
    assert probes.certificates(found.values).count("BEGIN CERTIFICATE") == 2


def test_certificates_of_before_stay_trusted_while_pods_may_have_them() -> None:
    trust = Trust()
    assert trust.anchors("uid", "") == ""
    assert trust.anchors("uid", "one") == "one"
    assert trust.anchors("uid", "two") == trust.anchors("uid", "two") == "one\ntwo"
    assert trust.anchors("another", "other") == "other"
    for number in range(KEPT):
        found = trust.anchors("uid", f"later {number}")
    assert found == "\n".join(f"later {number}" for number in range(KEPT))
    trust.forget("uid")
    assert trust.anchors("uid", "new") == "new"


def test_workloads_wait_for_whatever_blocks_their_component() -> None:
    found = made(TLS, monitoring={"serviceMonitor": "Enabled"})
    missing = Verdict.blocked_by(names.REASON_MISSING_SECRET, "no Secret")
    kinds = {kind for (kind, _), it in found.items() if rollout.waits(it, missing)}
    assert kinds == {"Deployment", "StatefulSet"}
    assert not any(rollout.waits(it, None) for it in found.values())
