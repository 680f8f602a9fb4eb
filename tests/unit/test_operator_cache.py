"""The cache of children: what comes late must not bring back what is gone."""

from typing import Any

import pytest

from kato_operator import names
from kato_operator.cache import Cache
from kato_operator.kube import Listing
from kato_operator.queue import Key

KEY = Key("default", "prod")


def config(version: int) -> dict[str, Any]:
    labels = {names.MANAGED_BY_LABEL: names.MANAGED_BY, names.INSTANCE_LABEL: KEY.name}
    place = {"namespace": KEY.namespace, "name": "prod-config"}
    return {
        "kind": "ConfigMap",
        "metadata": {**place, "labels": labels, "resourceVersion": str(version)},
    }


@pytest.fixture
def cache() -> Cache:
    return Cache(changed=lambda _: None)


def test_a_list_that_comes_after_the_deletion_brings_nothing_back(cache: Cache) -> None:
    cache.put(config(5))
    cache.remove(config(9))
    cache.replace("ConfigMap", Listing((config(5),), "7"))
    assert cache.of_instance(KEY) == ()


def test_our_own_answer_that_comes_after_the_deletion_brings_nothing_back(cache: Cache) -> None:
    cache.put(config(5))
    cache.remove(config(9))
    cache.put(config(8))
    assert cache.of_instance(KEY) == ()


def test_a_namesake_made_after_the_deletion_is_taken_in(cache: Cache) -> None:
    cache.remove(config(9))
    cache.put(config(10))
    assert cache.of_instance(KEY) == (config(10),)


def test_a_list_ends_the_memory_of_what_was_gone_before_it(cache: Cache) -> None:
    cache.remove(config(9))
    cache.replace("ConfigMap", Listing((), "9"))
    assert cache._gone == {"ConfigMap": {}}
