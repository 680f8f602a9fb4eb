"""The cache of instances while writes, edits and reports of the watch overtake each other."""

import inspect
from typing import Any, cast

import pytest

from kato_operator import handlers
from kato_operator.cluster.cluster import Cluster
from kato_operator.cluster.kube import Kube
from kato_operator.kinds import Kind
from kato_operator.manifests import Key

KEY = Key("default", "prod")
Manifest = dict[str, Any]


class Server:
    """The API server of a status write; it calls everything in *meanwhile* before it answers."""

    def __init__(self, answer: Manifest) -> None:
        self.answer = answer
        self.meanwhile: list[Any] = []
        self.patches: list[Manifest] = []

    async def merge(
        self, _kind: Kind, _namespace: str, _name: str, patch: Manifest, *, subresource: str
    ) -> Manifest:
        assert subresource == "status"
        self.patches.append(patch)
        for report in self.meanwhile:
            report()
        return self.answer


def instance(version: int, generation: int = 1, **status: str) -> Manifest:
    place = {"namespace": KEY.namespace, "name": KEY.name, "uid": "a"}
    return {
        "metadata": {**place, "resourceVersion": str(version), "generation": generation},
        "status": status,
    }


@pytest.fixture
def dirty() -> list[Key]:
    return []


def cluster(server: Server, dirty: list[Key]) -> Cluster:
    found = Cluster(cast(Kube, server), namespace="", changed=dirty.append)
    found.instances.put(instance(5))
    dirty.clear()
    return found


async def test_an_edit_that_only_the_answer_shows_causes_a_pass(dirty: list[Key]) -> None:
    known = cluster(Server(instance(7, generation=2)), dirty)
    await known.write_status(instance(5), {"phase": "Ready"})
    known.instances.put(instance(6, generation=2))
    known.instances.put(instance(7, generation=2))
    assert dirty == [KEY]


async def test_an_annotation_that_only_the_answer_shows_causes_a_pass(dirty: list[Key]) -> None:
    answer = instance(7, phase="Ready")
    answer["metadata"]["annotations"] = {"a": "b"}
    known = cluster(Server(answer), dirty)
    await known.write_status(instance(5), {"phase": "Ready"})
    assert dirty == [KEY]


@pytest.mark.parametrize("now", [{}, {"orchestratedBy": "system/other"}])
async def test_another_owner_that_only_the_answer_shows_causes_a_pass(
    dirty: list[Key], now: Manifest
) -> None:
    mine = {"orchestratedBy": "system/kato"}
    known = cluster(Server(instance(7, phase="Ready", **now)), dirty)
    await known.write_status(instance(5, **mine), {"phase": "Ready", **mine})
    assert dirty == [KEY]


async def test_a_hand_over_during_a_pass_is_not_undone_by_its_status(dirty: list[Key]) -> None:
    server = Server(instance(7))
    known = cluster(server, dirty)
    mine = {"orchestratedBy": "system/kato", "phase": "Pending"}
    await known.write_status(instance(5, **mine), mine | {"phase": "Ready"})
    assert server.patches == [{"metadata": {"uid": "a"}, "status": {"phase": "Ready"}}]


@pytest.mark.parametrize("kept", [{"phase": "Ready"}, {}])
async def test_our_own_write_causes_no_pass(dirty: list[Key], kept: Manifest) -> None:
    known = cluster(Server(instance(6, **kept)), dirty)  # an older CRD does not keep every field
    await known.write_status(instance(5), {"phase": "Ready"})
    known.instances.put(instance(6))
    assert dirty == []


async def test_a_late_answer_does_not_hide_a_newer_edit(dirty: list[Key]) -> None:
    server = Server(instance(6))
    known = cluster(server, dirty)
    server.meanwhile = [lambda: known.instances.put(instance(7, generation=2))]
    await known.write_status(instance(5), {"phase": "Ready"})
    assert known.instances.get(KEY) == instance(7, generation=2)


async def test_a_late_answer_does_not_restore_a_deleted_instance(dirty: list[Key]) -> None:
    server = Server(instance(6))
    known = cluster(server, dirty)
    server.meanwhile = [lambda: known.instances.remove(KEY, "a")]
    await known.write_status(instance(5), {"phase": "Ready"})
    assert known.instances.get(KEY) is None


async def test_instances_are_reported_on_the_event_loop(dirty: list[Key]) -> None:
    registry = handlers._registry(cluster(Server({}), dirty).instances)
    (handler,) = registry._watching.get_all_handlers()
    assert inspect.iscoroutinefunction(handler.fn)
