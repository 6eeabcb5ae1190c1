"""The tree of errors: docstrings are default messages, codes are explicit and public."""

import re
from collections.abc import Iterator

import pytest

from agents import errors
from agents.errors import HandrailError, Permanent, Retryable, ThreadNotFound


def family(root: type[HandrailError]) -> Iterator[type[HandrailError]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


ALL = [kind for kind in family(HandrailError) if kind.__module__ == errors.__name__]


def test_docstring_lists_all_error_classes() -> None:
    drawn = re.findall(r"\b[A-Z]\w+", (errors.__doc__ or "").split("\n\n", 1)[1])
    assert sorted(drawn) == sorted(kind.__name__ for kind in ALL)


@pytest.mark.parametrize("kind", [k for k in ALL if k is not HandrailError], ids=lambda k: k.__name__)
def test_every_error_is_retryable_or_permanent(kind: type[HandrailError]) -> None:
    assert issubclass(kind, Retryable) != issubclass(kind, Permanent)


@pytest.mark.parametrize("kind", ALL, ids=lambda k: k.__name__)
def test_docstring_is_the_default_message(kind: type[HandrailError]) -> None:
    assert str(kind()) == kind.__doc__
    assert str(kind("better")) == "better"
    assert str(kind()).endswith(".")


CODES = """
already_settled approval_changed code_taken conversation_taken doubtful handrail_error invalid invalid_answer
invalid_arguments key_reused misconfigured missing_scope not_allowed not_found permanent refused
request_not_found retryable store_unavailable thread_not_found tool_error unknown_agent unreachable
version_conflict wrong_state
"""


def test_public_error_codes_are_unchanged() -> None:
    assert sorted(kind.code for kind in ALL) == CODES.split()


@pytest.mark.parametrize("kind", ALL, ids=lambda k: k.__name__)
def test_every_error_class_states_its_own_code(kind: type[HandrailError]) -> None:
    assert "code" in vars(kind)


def test_no_two_errors_share_a_code() -> None:
    assert len({kind.code for kind in ALL}) == len(ALL)


def test_details_are_not_part_of_the_message() -> None:
    error = ThreadNotFound(details={"id": "thr_1"})
    assert error.details == {"id": "thr_1"}
    assert "thr_1" not in str(error)


def test_retryable_error_has_retry_after() -> None:
    assert (Retryable().retry_after, Retryable(retry_after=2.5).retry_after) == (None, 2.5)
    assert Retryable("busy", retry_after=1, details="d").details == "d"
