"""Labels of existing claims, and kinds whose CRD comes and goes, on a real API server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiserver import Namespace, OperatorProcess, claim
from custom_resources import MONITOR_CRD, MONITORS, add_crd, remove_crd

from support import patient, yaml_text
from support.waiting import until

pytestmark = pytest.mark.apiserver

Manifest = dict[str, Any]
OWN = "katoinstances.kato.dev"
OWN_FILE = Path(__file__).resolve().parents[2] / "crds" / "kato.dev_katoinstances.yaml"


@pytest.fixture
def no_monitors(kubernetes: httpx.Client) -> Iterator[None]:
    """Leaves the API server without ServiceMonitors, before the test and after it."""
    remove_crd(kubernetes, MONITORS)
    yield
    remove_crd(kubernetes, MONITORS)


def monitor(space: Namespace) -> Manifest | None:
    path = f"/apis/monitoring.coreos.com/v1/namespaces/{space.name}/servicemonitors/prod"
    answer = space.client.get(path)
    return dict(answer.json()) if answer.status_code == 200 else None


def says_unserved(space: Namespace) -> bool:
    return "does not serve the kind" in space.condition("Progressing").get("message", "")


@pytest.mark.usefixtures("no_monitors")
def test_a_kind_whose_crd_appears_or_disappears_is_noticed_without_a_restart(
    space: Namespace, operator: OperatorProcess
) -> None:
    space.create("KatoInstance", "prod", spec={"monitoring": {"serviceMonitor": "Enabled"}})
    space.await_ready()
    assert says_unserved(space)
    for _ in range(2):
        add_crd(space.client, MONITOR_CRD)
        until(lambda: monitor(space), "the ServiceMonitor")
        until(lambda: not says_unserved(space), "no word of the missing kind")
        space.await_ready()
        remove_crd(space.client, MONITORS)
        until(lambda: says_unserved(space), "the kind being called missing")
        space.await_ready()
    assert operator.passes("crashed") == 0


@pytest.fixture
def own_crd(kubernetes: httpx.Client) -> Iterator[Manifest]:
    """The CRD of KatoInstances, which is there again after the test."""
    crd: Manifest = yaml_text.loaded(OWN_FILE.read_text(encoding="utf-8"))
    yield crd
    add_crd(kubernetes, crd)


def readiness(operator: OperatorProcess) -> str:
    try:
        return patient.get(f"http://127.0.0.1:{operator.port}/readyz").text
    except httpx.TransportError:
        return ""


def test_an_operator_without_its_crd_says_so_and_waits_for_it(
    space: Namespace, operator: OperatorProcess, own_crd: Manifest
) -> None:
    operator.kill9()
    remove_crd(space.client, OWN)
    operator.launch()
    until(lambda: f"the CRD {OWN} is not installed" in readiness(operator), "the words")
    add_crd(space.client, own_crd)
    until(operator.is_ready, "the operator being ready")
    space.create("KatoInstance", "prod")
    space.await_ready()


def test_a_crd_that_is_removed_and_installed_again_is_watched_again(
    space: Namespace, operator: OperatorProcess, own_crd: Manifest, ready: Manifest
) -> None:
    remove_crd(space.client, OWN)
    add_crd(space.client, own_crd)
    space.create("KatoInstance", "other")
    space.await_ready("other")
    assert operator.is_ready()


def test_a_signal_ends_an_operator_whose_crd_was_removed(
    space: Namespace, operator: OperatorProcess, own_crd: Manifest, ready: Manifest
) -> None:
    remove_crd(space.client, OWN)
    until(lambda: f"the CRD {OWN} is not installed" in readiness(operator), "the words")
    operator.stop()


def test_labels_of_a_volume_reach_existing_claims_and_leave_them(
    space: Namespace, operator: OperatorProcess
) -> None:
    spec = {"redis": {"managed": {"storage": {"labels": {"backup": "daily"}}}}}
    space.create("KatoInstance", "prod", spec=spec)
    space.await_ready()
    name = "data-prod-redis-0"
    claim(space, name, "redis")
    space.patch("PersistentVolumeClaim", name, {"metadata": {"labels": {"mine": "x"}}})

    def labels() -> dict[str, str]:
        found: dict[str, str] = (space.get("PersistentVolumeClaim", name) or {})["metadata"][
            "labels"
        ]
        return found

    until(lambda: labels().get("backup") == "daily", "the label")
    space.patch("PersistentVolumeClaim", name, {"metadata": {"labels": {"backup": None}}})
    until(lambda: labels().get("backup") == "daily", "the label again")
    instance = space.await_ready()
    assert "drift" not in instance["status"]

    given = {"labels": {"backup": None, "tier": "gold"}, "annotations": {"note": "b"}}
    space.patch("KatoInstance", "prod", {"spec": {"redis": {"managed": {"storage": given}}}})
    until(lambda: "backup" not in labels() and labels().get("tier") == "gold", "other labels")
    assert labels()["mine"] == "x"
    assert labels()["kato.dev/instance"] == "prod"
    space.await_ready()
    before = space.versions()
    operator.await_nudged(space)
    after = space.versions()
    assert after.pop(("KatoInstance", "prod")) != before.pop(("KatoInstance", "prod"))
    assert after == before


def test_a_pod_template_of_a_store_can_be_set_and_removed(
    space: Namespace, operator: OperatorProcess, ready: Manifest
) -> None:
    plain = (space.get("StatefulSet", "prod-redis") or {})["spec"]["template"]
    wanted = {
        "labels": {"team": "a"},
        "nodeSelector": {"pool": "kato"},
        "affinity": {"podAffinity": {}},
        "tolerations": [{"key": "pool", "operator": "Exists"}],
        "topologySpread": [{"topologyKey": "rack"}],
    }
    for given in (wanted, None):
        patch = {"spec": {"redis": {"managed": {"podTemplate": given}}}}
        space.patch("KatoInstance", "prod", patch)
        space.await_ready()
        template = (space.get("StatefulSet", "prod-redis") or {})["spec"]["template"]
        if given:
            assert template["metadata"]["labels"]["team"] == "a"
            assert template["spec"]["nodeSelector"] == {"pool": "kato"}
        else:
            assert template == plain
    operator.await_nudged(space)
    assert "drift" not in space.status()
