"""Tests of the error classes: docstrings are default messages, codes are explicit and public."""

import re
from collections.abc import Iterator

import pytest

from agents.core import errors
from agents.core.errors import HandrailError, Permanent, Retryable, ThreadNotFound


def iter_subclasses(root: type[HandrailError]) -> Iterator[type[HandrailError]]:
    """Yield the class and all its direct and indirect subclasses."""
    yield root
    for subclass in root.__subclasses__():
        yield from iter_subclasses(subclass)


ERROR_CLASSES = [
    error_class for error_class in iter_subclasses(HandrailError) if error_class.__module__ == errors.__name__
]


def test_docstring_lists_all_error_classes() -> None:
    listed_names = re.findall(r"\b[A-Z]\w+", (errors.__doc__ or "").split("\n\n", 1)[1])
    assert sorted(listed_names) == sorted(error_class.__name__ for error_class in ERROR_CLASSES)


@pytest.mark.parametrize(
    "error_class",
    [error_class for error_class in ERROR_CLASSES if error_class is not HandrailError],
    ids=lambda error_class: error_class.__name__,
)
def test_every_error_is_retryable_or_permanent(error_class: type[HandrailError]) -> None:
    assert issubclass(error_class, Retryable) != issubclass(error_class, Permanent)


@pytest.mark.parametrize("error_class", ERROR_CLASSES, ids=lambda error_class: error_class.__name__)
def test_docstring_is_the_default_message(error_class: type[HandrailError]) -> None:
    assert str(error_class()) == error_class.__doc__
    assert str(error_class("better")) == "better"
    assert str(error_class()).endswith(".")


PUBLIC_CODES = """
already_settled approval_changed code_taken conversation_taken doubtful handrail_error invalid invalid_answer
invalid_arguments key_reused misconfigured missing_scope not_allowed not_found opted_out permanent refused
request_not_found retryable store_unavailable thread_not_found tool_error unknown_agent unreachable
version_conflict wrong_state
"""


def test_public_error_codes_are_unchanged() -> None:
    assert sorted(error_class.code for error_class in ERROR_CLASSES) == PUBLIC_CODES.split()


@pytest.mark.parametrize("error_class", ERROR_CLASSES, ids=lambda error_class: error_class.__name__)
def test_every_error_class_states_its_own_code(error_class: type[HandrailError]) -> None:
    assert "code" in vars(error_class)


def test_no_two_errors_share_a_code() -> None:
    assert len({error_class.code for error_class in ERROR_CLASSES}) == len(ERROR_CLASSES)


def test_details_are_not_part_of_the_message() -> None:
    error = ThreadNotFound(details={"id": "thr_1"})
    assert error.details == {"id": "thr_1"}
    assert "thr_1" not in str(error)


def test_retryable_error_has_retry_after() -> None:
    assert (Retryable().retry_after, Retryable(retry_after=2.5).retry_after) == (None, 2.5)
    assert Retryable("busy", retry_after=1, details="d").details == "d"
