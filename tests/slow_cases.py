"""Marks of slow cases, which run only with `pytest --all`: each promise keeps at least one case without the mark."""

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import settings

slow = pytest.mark.slow


def slow_unless(is_quick: Callable[[Any], bool], values: Iterable[Any]) -> list[Any]:
    """Return the values as parameters; those that are not quick are marked as slow."""
    return [pytest.param(value, marks=() if is_quick(value) else slow) for value in values]


def slow_after_first(values: Iterable[Any]) -> list[Any]:
    """Return the values as parameters; all but the first are marked as slow."""
    return [pytest.param(value, marks=slow if index else ()) for index, value in enumerate(values)]


def spread(cases: Iterable[Any], deployments: Sequence[Any], is_quick: Callable[[Any], bool]) -> list[Any]:
    """Return each case on each deployment as parameters. A quick case is quick on one of them, the next on another.

    All other combinations are marked as slow.
    """
    quick_numbers = count()
    parameters = []
    for case in cases:
        quick_index = next(quick_numbers) % len(deployments) if is_quick(case) else None
        parameters += [
            pytest.param(case, deployment, marks=() if index == quick_index else slow)
            for index, deployment in enumerate(deployments)
        ]
    return parameters


def example_count(share: float) -> int:
    """Return a share of the usual number of examples, for a property whose examples are slow or rarely interesting."""
    return max(1, round(settings.default.max_examples * share))
