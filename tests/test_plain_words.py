"""Tests that the check for plain words reports unclear words and accepts ordinary text."""

import pytest

from tests.plain_words import check_name, check_openings, check_python, check_words

LONG_NAME = "test_" + "x" * 66


@pytest.mark.parametrize(
    ("unclear", "accepted"),
    [
        ("The approver is told.", "The log records the decision."),
        ("Nobody may approve.", "No approver is left."),
        ("We retry once.", "It costs 2 US dollars, and status is used."),
        ("See DESIGN §2.", "See ADR 0002, by design."),
        ("The\ncourier sends it.", "The dispatcher runs `courier()`."),
    ],
    ids=["verb", "pronoun", "first person", "reference", "metaphor"],
)
def test_reports_unclear_words_in_prose(unclear: str, accepted: str) -> None:
    assert len(list(check_words(unclear))) == 1
    assert list(check_words(accepted)) == []


@pytest.mark.parametrize(
    ("unclear", "accepted"),
    [
        ("What a message does.", "Return what a message does."),
        ("Raised late. Those that wait are dropped.", "Idle queues are dropped; those that wait are kept."),
        ("Where it is not set, it is generated.", "Where is the database?"),
    ],
    ids=["first sentence", "later sentence", "question"],
)
def test_reports_sentences_that_begin_with_a_clause(unclear: str, accepted: str) -> None:
    assert len(list(check_openings(unclear))) == 1
    assert list(check_openings(accepted)) == []


@pytest.mark.parametrize(
    ("unclear", "accepted"),
    [("MOST_TRIES", "MAX_ATTEMPTS"), ("OutboxCourier", "almost_done"), (LONG_NAME, LONG_NAME[:70])],
    ids=["constant", "class", "length of a test name"],
)
def test_reports_unclear_names(unclear: str, accepted: str) -> None:
    assert len(list(check_name(unclear))) == 1
    assert list(check_name(accepted)) == []


@pytest.mark.parametrize(
    "source",
    [
        '"""Whoever asks."""',
        "x = 1  # we retry",
        "def f(patience): ...",
        'raise ValueError("it was told")',
        'X = 1\n"""What it bounds."""',
    ],
    ids=["docstring", "comment", "parameter", "message", "docstring of a constant"],
)
def test_checks_all_parts_of_a_python_file(source: str) -> None:
    assert {line for line, _ in check_python(source)} == {source.count("\n") + 1}


def test_accepts_strings_in_tests_and_dictionary_keys() -> None:
    assert list(check_python('say("you told us")', is_test=True)) == []
    assert list(check_python('row["told"]')) == []


def test_finding_has_the_line_number() -> None:
    assert [line for line, _ in check_words("One.\n\n```\nwe\n```\nTwo we.")] == [6]
