"""Slow cases are marked as intended: each test keeps quick cases, spread over its deployments."""

from typing import Any

import pytest
from hypothesis import settings

from tests.slow_cases import example_count, slow_after_first, slow_unless, spread


def quick_values(parameters: list[Any]) -> list[Any]:
    return [parameter.values for parameter in parameters if not parameter.marks]


def test_values_that_are_not_quick_are_slow() -> None:
    assert quick_values(slow_unless(lambda value: value > 1, [1, 2, 3])) == [(2,), (3,)]
    assert quick_values(slow_after_first(["one", "two"])) == [("one",)]


def test_quick_cases_alternate_between_deployments_and_others_are_slow() -> None:
    parameters = spread(["a", "b", "c", "d"], ["sqlite", "postgresql"], lambda case: case != "b")
    assert len(parameters) == 8
    assert quick_values(parameters) == [("a", "sqlite"), ("c", "postgresql"), ("d", "sqlite")]


def test_number_of_examples_follows_the_profile() -> None:
    assert example_count(2) == 2 * settings.default.max_examples
    assert example_count(0.0001) == 1


def test_slow_cases_run_only_with_the_option(request: pytest.FixtureRequest) -> None:
    slow_items = [item for item in request.session.items if item.get_closest_marker("slow")]
    assert request.config.getoption("all") or slow_items == []
