"""The console of an instance on the node, in Chromium, through the instance's Service.

Pictures are written to build/console.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from clusters import Cluster
from forwarding import Forward
from instances import token_for, wait_ready
from support.browser import CHROMIUM, offline_tab
from support.console import Console

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed; `make browser-test` installs it"
)
NAME = "visited"
ACCOUNT = "visitor"
SPEC = {
    "deletionPolicy": "Delete",
    "service": {
        "embeddedStorage": {"size": "1Gi"},
        "auth": {"mode": "Token", "token": {"source": "Cluster", "audiences": ["kato"]}},
    },
    "redis": {"mode": "Embedded"},
    "mongodb": {"mode": "Embedded"},
    "qdrant": {"mode": "Embedded"},
}


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    """An instance that asks for tokens of the cluster, as a person reaches it."""
    kind = {"apiVersion": "kato.dev/v1alpha1", "kind": "KatoInstance"}
    manifest = {**kind, "metadata": {"name": NAME}, "spec": SPEC}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    cluster.kubectl("create", "serviceaccount", ACCOUNT)
    try:
        wait_ready(cluster, NAME)
        with closing(Forward(cluster, f"service/{NAME}")) as forward:
            yield forward.open()
    finally:
        cluster.kubectl("delete", "serviceaccount", ACCOUNT)
        cluster.kubectl("delete", "katoinstance", NAME)


def test_every_view_of_the_console_of_an_instance_asks_nobody_else(
    cluster: Cluster, url: str, tmp_path: Path
) -> None:
    with offline_tab(tmp_path) as tab:
        console = Console(tab, url)
        console.open()
        console.sign_in(token_for(cluster, ACCOUNT, "kato"))
        console.converse()
        assert console.texts("#preds .lane.future .ev") == ["jam"]
        console.picture("node-talk")
        console.tab.run("location.hash = '#knowledge'")
        console.see(".row.on")
        console.read("#growth-head", "1 pattern")
        console.click("#delete")
        console.click("#dialog .risk")
        console.read(".empty", "Nothing was learned yet")
        console.click("#undo")
        console.read("#growth-head", "1 pattern")
        console.picture("node-knowledge")
        console.tab.run("location.hash = '#instance'")
        console.see(".hc")
        console.picture("node-instance")
        console.tab.run("location.hash = '#teach'")
        console.click("#go")
        console.read(".stm", "coffee")
        console.picture("node-teach")
        assert console.strangers() == []
        assert console.complaints() == []
