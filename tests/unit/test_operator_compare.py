"""Whether a live object matches a manifest."""

from typing import Any

import pytest

from kato_operator.cluster.compare import canonical, common, covers, differences


@pytest.mark.parametrize(
    ("live", "desired"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1}, id="what the server added does not count"),
        pytest.param({}, {"env": [], "labels": {}, "name": ""}, id="empty values are dropped"),
        pytest.param({"requests": {"cpu": "250m"}}, {"requests": {"cpu": "0.25"}}, id="cpu"),
        pytest.param({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1024Mi"}}, id="memory"),
        pytest.param({"limits": {"cpu": "1"}}, {"limits": {"cpu": 1}}, id="number"),
        pytest.param({"x": [{"a": 1, "b": 2}]}, {"x": [{"a": 1}]}, id="below lists"),
        pytest.param({"selector": {"a": "b"}}, {"selector": {"a": "b"}}, id="selector"),
    ],
)
def test_a_live_object_with_everything_desired_is_no_difference(
    live: dict[str, Any], desired: dict[str, Any]
) -> None:
    assert covers(live, desired)


@pytest.mark.parametrize(
    ("live", "desired"),
    [
        pytest.param({"a": 2}, {"a": 1}, id="another value"),
        pytest.param({}, {"a": 1}, id="no value"),
        pytest.param({}, {"automountServiceAccountToken": False}, id="not even false"),
        pytest.param({}, {"maxUnavailable": 0}, id="not even 0"),
        pytest.param({"x": [1, 2]}, {"x": [1]}, id="a longer list"),
        pytest.param({"limits": {"cpu": "2"}}, {"limits": {"cpu": 1}}, id="quantity"),
        pytest.param({"data": {"a": "0.25"}}, {"data": {"a": "250m"}}, id="text is no quantity"),
        pytest.param({"selector": {"a": "b", "c": "d"}}, {"selector": {"a": "b"}}, id="selector"),
    ],
)
def test_anything_desired_that_is_missing_is_a_difference(
    live: dict[str, Any], desired: dict[str, Any]
) -> None:
    assert not covers(live, desired)


def test_text_of_a_secret_is_compared_as_the_server_stores_it() -> None:
    assert canonical({"kind": "Secret", "stringData": {"a": "b"}}) == {
        "kind": "Secret",
        "data": {"a": "Yg=="},
    }


def test_differences_are_named_by_their_paths() -> None:
    live = {"spec": {"a": [{"b": 1}, {"b": 2}], "limits": {"cpu": "500m"}, "more": 1}}
    desired = {
        "spec": {"a": [{"b": 1}, {"b": 3}], "limits": {"cpu": "0.5"}},
        "metadata": {"annotations": {"kato.dev/applied": "x"}},
    }
    assert list(differences(live, desired)) == [".spec.a[1].b", ".metadata"]
    annotated = {**live, "metadata": {"annotations": {"other": "y"}}}
    assert list(differences(annotated, desired)) == [
        ".spec.a[1].b",
        ".metadata.annotations['kato.dev/applied']",
    ]
    assert list(differences(desired, desired)) == []


def test_what_manifests_have_in_common_does_not_depend_on_what_differs() -> None:
    one = {"kind": "Secret", "data": {"a": "1", "b": "2"}, "list": [1], "only": True}
    other = {"kind": "Secret", "data": {"a": "1", "b": "3"}, "list": [2]}
    assert common(one, other) == {"kind": "Secret", "data": {"a": "1"}}
