"""What users change reaches the children because it is watched, and nothing is asked at rest.

Nothing here is read a second time because time has passed: `RECHECK_S` is an hour.
"""

import asyncio
import base64
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiserver import Manifest, Namespace, OperatorProcess, operator_of
from faulty_api import FaultyApi
from kubernetes.aio import client, config

from kato_operator.cluster.kube import Kube, WatchEvent
from kato_operator.kinds import SECRET_METADATA
from support.waiting import until

pytestmark = pytest.mark.apiserver

EXTERNAL = {
    "redis": {
        "mode": "External",
        "external": {"urlSecretRef": {"name": "my-redis", "key": "url"}},
    }
}
REQUEST = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
SILENCE_S = 3.0


@pytest.fixture
def api(control_plane: Any) -> Iterator[FaultyApi]:
    """Stands between the operator and the API server."""
    api = FaultyApi(control_plane)
    with api.serving():
        yield api


@pytest.fixture
def watching(namespace: str, api: FaultyApi, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator that reads nothing again within the time of a test."""
    kubeconfig = api.kubeconfig(tmp_path / "faulty.kubeconfig")
    operator = operator_of(namespace, kubeconfig, tmp_path / "operator.log")
    operator.environment["KATO_OPERATOR_RECHECK_S"] = "3600"
    operator.start()
    yield operator
    operator.kill9()
    log = operator.log.read_text()
    assert "crashed" not in log, log[-4000:]


@pytest.fixture
def external(space: Namespace, watching: OperatorProcess) -> Manifest:
    """A ready instance with the URL of its Redis from a Secret of the user."""
    space.create("Secret", "my-redis", stringData={"url": "redis://one"})
    space.create("KatoInstance", "prod", spec=EXTERNAL)
    return space.await_ready()


def url(space: Namespace, name: str = "prod") -> str:
    """The URL that the service gets."""
    found = space.get("Secret", f"{name}-connections") or {}
    return base64.b64decode(found.get("data", {}).get("REDIS_URL", "")).decode()


def requests(kubernetes: httpx.Client) -> Counter[str]:
    """The requests for single objects and namespaces that the API server has answered, but watches.

    Its own are about all namespaces, or for leases.
    """
    found: Counter[str] = Counter()
    for labels, value in REQUEST.findall(kubernetes.get("/metrics").text):
        known = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if known["scope"] in ("namespace", "resource") and known["resource"] != "leases":
            found[f"{known['verb']} {known['resource']}"] += int(float(value))
    return +Counter({name: n for name, n in found.items() if not name.startswith("WATCH")})


def test_an_edited_secret_reaches_the_children(space: Namespace, external: Manifest) -> None:
    before = space.get("Deployment", "prod") or {}
    for new in ("redis://two", "redis://three"):
        space.patch("Secret", "my-redis", {"stringData": {"url": new}})
        until(lambda new=new: url(space) == new, f"the URL {new}")
    after = space.await_ready() and (space.get("Deployment", "prod") or {})
    assert after["metadata"]["generation"] > before["metadata"]["generation"]


def test_a_secret_that_is_deleted_and_made_again_is_noticed(
    space: Namespace, external: Manifest
) -> None:
    space.delete("Secret", "my-redis")
    space.await_condition("RedisReady", "False", "MissingSecret")
    assert url(space) == "redis://one"
    space.create("Secret", "my-redis", stringData={"url": "redis://two"})
    space.await_ready()
    assert url(space) == "redis://two"


def test_a_secret_that_another_instance_uses_too_reaches_both(
    space: Namespace, external: Manifest
) -> None:
    space.create("KatoInstance", "other", spec=EXTERNAL)
    space.await_ready("other")
    space.patch("Secret", "my-redis", {"stringData": {"url": "redis://two"}})
    for name in ("prod", "other"):
        until(lambda name=name: url(space, name) == "redis://two", f"the URL of {name}")


def test_what_changed_while_the_watch_was_broken_is_noticed(
    space: Namespace, api: FaultyApi, external: Manifest
) -> None:
    api.go_down()
    space.patch("Secret", "my-redis", {"stringData": {"url": "redis://two"}})
    space.create("Secret", "unrelated", stringData={"url": "redis://three"})
    api.come_back()
    until(lambda: url(space) == "redis://two", "the new URL")


def test_a_large_secret_does_not_break_the_watch(space: Namespace, external: Manifest) -> None:
    large = {"example.com/large": "x" * 250_000}
    space.patch("Secret", "my-redis", {"metadata": {"annotations": large}})
    space.patch("Secret", "prod-credentials", {"metadata": {"annotations": large}})
    space.patch("Secret", "my-redis", {"stringData": {"url": "redis://two"}})
    until(lambda: url(space) == "redis://two", "the new URL")


def test_nothing_is_asked_of_the_api_server_at_rest(
    kubernetes: httpx.Client, space: Namespace, watching: OperatorProcess, external: Manifest
) -> None:
    watching.await_nudged(space)
    before = requests(kubernetes)
    time.sleep(SILENCE_S)  # that nothing happens cannot be waited for
    assert requests(kubernetes) - before == Counter()


def test_failing_deep_checks_ask_nothing_of_the_api_server(
    kubernetes: httpx.Client, space: Namespace, watching: OperatorProcess
) -> None:
    watching.kill9()
    watching.environment["KATO_OPERATOR_DEEP_CHECKS"] = "true"
    watching.start()
    space.create("Secret", "my-redis", stringData={"url": "redis://127.0.0.1:1/0"})
    often = {"service": {"healthChecks": {"intervalSeconds": 1, "timeoutSeconds": 1}}}
    space.create("KatoInstance", "prod", spec={**EXTERNAL, **often})

    def unhealthy() -> bool:
        space.bring_up()
        conditions = space.status().get("conditions", ())
        return sum(item["reason"] == "Unhealthy" for item in conditions) >= 4

    until(unhealthy, "every check failed")  # Ready, Redis, and what no name leads to
    watching.await_nudged(space)  # the pass that said so has told its events
    before = requests(kubernetes)
    time.sleep(SILENCE_S)  # in which each is asked at least twice
    assert requests(kubernetes) - before == Counter()


async def test_the_watch_of_all_secrets_brings_no_value(
    control_plane: Any, space: Namespace
) -> None:
    configuration = client.Configuration()
    file = str(control_plane.kubeconfig)
    await config.load_kube_config(config_file=file, client_configuration=configuration)
    kube = Kube(client.ApiClient(configuration), manager="test", rate=50, timeout_s=30)
    try:
        listing = await kube.list(SECRET_METADATA, namespace=space.name)
        space.create("Secret", "mine", stringData={"key": "value"})
        event = await asyncio.wait_for(first_event(kube, listing.resource_version, space.name), 30)
        assert event.object["kind"] == "PartialObjectMetadata"
        assert event.object["metadata"]["name"] == "mine"
        assert "data" not in event.object
    finally:
        await kube.close()


async def first_event(kube: Kube, since: str, namespace: str) -> WatchEvent:
    async for event in kube.watch(SECRET_METADATA, since, namespace=namespace):
        if event.type != "BOOKMARK":
            return event
    raise AssertionError("the watch ended")
