"""Means of emotives at the limits of floating point; golden cases cover the others."""

import sys

import pytest

from kato_service.domain.emotives import mean_emotives

LARGEST = sys.float_info.max


@pytest.mark.parametrize("count", range(1, 200))
def test_the_mean_of_the_largest_numbers_is_a_number(count: int) -> None:
    for value in (LARGEST, -LARGEST):
        assert mean_emotives([{"joy": value}] * count)["joy"] == pytest.approx(value)


def test_a_mean_is_between_the_smallest_and_the_largest_value() -> None:
    values = [LARGEST, LARGEST, LARGEST, -LARGEST, 1.0]
    mean = mean_emotives([{"joy": value} for value in values])["joy"]
    assert mean == pytest.approx(LARGEST / 5 * 2)
