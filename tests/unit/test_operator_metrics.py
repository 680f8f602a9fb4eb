"""The metrics of the operator that name instances: whom, how many, and what is said of them."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kato_operator.cluster.instances import Instances
from kato_operator.instance_metrics import InstanceMetrics
from kato_operator.manifests import Key
from kato_operator.metrics import Metrics
from kato_operator.queue import WorkQueue

NAMES = ("ready", "stalled", "phase", "last_pass_timestamp_seconds", "failed_passes")


def instance(name: str, *, ready: bool = True, stalled: bool = False, seen: int = 2) -> Any:
    conditions = [
        {"type": kind, "status": str(holds), "observedGeneration": seen}
        for kind, holds in (("Ready", ready), ("Stalled", stalled))
    ]
    meta = {"namespace": "team", "uid": name, "generation": 2, "resourceVersion": "1"}
    phase = "Ready" if ready else "Degraded"
    return {
        "metadata": {"name": name, **meta},
        "status": {"phase": phase, "conditions": conditions},
    }


@pytest.fixture
def instances() -> Instances:
    return Instances(changed=lambda key: None)


@pytest.fixture
def queue() -> WorkQueue:
    return WorkQueue(clock=lambda: 0.0)


def metrics(instances: Instances, queue: WorkQueue, *, named: int = 10) -> Metrics:
    found = InstanceMetrics(instances, queue, ours=instances.all, most=named)
    return Metrics(queue, found, phases=list, held_for_s=lambda: 1.0)


def samples(found: Metrics) -> dict[tuple[str, str], float]:
    """The value of every series, by its name and the instance that it names."""
    families = text_string_to_metric_families(found.render().decode())
    return {
        (sample.name.removeprefix("kato_operator_"), sample.labels.get("instance", "")): (
            sample.value
        )
        for family in families
        for sample in family.samples
    }


def test_an_instance_is_named_with_its_namespace(instances: Instances, queue: WorkQueue) -> None:
    instances.put(instance("prod"))
    found = metrics(instances, queue)
    text = found.render().decode()
    assert 'kato_operator_instance_ready{instance="prod",namespace="team"} 1.0' in text
    assert {name for name, named in samples(found) if named} == {f"instance_{it}" for it in NAMES}


def test_a_status_of_an_older_generation_is_not_ready(
    instances: Instances, queue: WorkQueue
) -> None:
    instances.put(instance("prod", stalled=True, seen=1))
    found = samples(metrics(instances, queue))
    assert found["instance_ready", "prod"] == found["instance_stalled", "prod"] == 0


def test_an_instance_that_waits_for_a_person_is_stalled(
    instances: Instances, queue: WorkQueue
) -> None:
    instances.put(instance("prod", ready=False, stalled=True))
    found = metrics(instances, queue)
    assert samples(found)["instance_stalled", "prod"] == 1
    assert 'phase{instance="prod",namespace="team",phase="Degraded"} 1.0' in found.render().decode()


def test_the_series_of_a_deleted_instance_end(instances: Instances, queue: WorkQueue) -> None:
    instances.put(instance("prod"))
    found = metrics(instances, queue)
    found.count(Key("team", "prod"), "done")
    assert [name for name, named in samples(found) if named == "prod"]
    instances.remove(Key("team", "prod"), "prod")
    found.count(Key("team", "prod"), "done")
    assert not [name for name, named in samples(found) if named]
    instances.put(instance("prod"))
    assert samples(found)["instance_last_pass_timestamp_seconds", "prod"] > 0


@pytest.mark.parametrize(("most", "named"), [(2, "ab"), (1, "b"), (0, ""), (9, "abc")])
def test_the_number_of_named_instances_is_bounded_and_the_unready_come_first(
    instances: Instances, queue: WorkQueue, most: int, named: str
) -> None:
    for name in "cab":
        instances.put(instance(name, ready=name != "b"))
    found = samples(metrics(instances, queue, named=most))
    assert {name for _, name in found if name} == set(named)
    assert found["instances_unnamed", ""] == 3 - len(named)


def test_a_process_that_stands_by_names_no_instance(instances: Instances, queue: WorkQueue) -> None:
    instances.put(instance("prod"))
    found = InstanceMetrics(instances, queue, ours=list, most=10)
    standing_by = Metrics(queue, found, phases=list, held_for_s=lambda: 0.0)
    assert not [name for name, named in samples(standing_by) if named]
    assert samples(standing_by)["leader", ""] == 0


def test_failed_passes_are_counted_until_one_succeeds(
    instances: Instances, queue: WorkQueue
) -> None:
    key = Key("team", "prod")
    instances.put(instance("prod"))
    found = metrics(instances, queue)
    queue.retry(key)
    queue.retry(key)
    assert samples(found)["instance_failed_passes", "prod"] == 2
    queue.succeeded(key)
    assert samples(found)["instance_failed_passes", "prod"] == 0


def test_only_a_completed_pass_is_a_sign_of_life(instances: Instances, queue: WorkQueue) -> None:
    key = Key("team", "prod")
    instances.put(instance("prod"))
    found = metrics(instances, queue)
    begun = samples(found)
    found.count(key, "retried")
    signs = (("last_pass_timestamp_seconds", ""), ("instance_last_pass_timestamp_seconds", "prod"))
    assert [samples(found)[sign] for sign in signs] == [begun[sign] for sign in signs]
    found.count(key, "done")
    assert all(samples(found)[sign] > begun[sign] for sign in signs)
