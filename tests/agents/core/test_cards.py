"""Cards are built from validated data, and no content of them can hide."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.cards import (
    MAX_CARD_VALUE_LENGTH,
    MAX_LINE_VALUE_LENGTH,
    allowed_choices,
    describe_request_outcome,
    display_value,
    render_card,
)
from agents.core.decisions import evaluate_answer
from agents.core.messages import Assurance, Card
from agents.core.policy import ApprovalTerms
from agents.core.requests import Request
from tests.agents.factories import NOW, RELEASE_TERMS, answer, approval, question
from tests.harness.people import ALICE, BOB, CAROL
from tests.histories import PEOPLE


def test_long_value_is_truncated_with_its_length() -> None:
    assert display_value("x" * 301) == "x" * 300 + "… (301 characters in all)"
    assert display_value("x" * 300) == "x" * 300


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_value_is_one_line_of_bounded_length(value) -> None:
    text = display_value(value)
    assert len(text.splitlines()) <= 1
    assert len(text) <= MAX_LINE_VALUE_LENGTH + len("… ( characters in all)") + 12


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (2.5, "2.5"),
        (True, "true"),
        (None, "null"),
        (["a", "ü"], '["a", "ü"]'),
        ({"b": "\u202e"}, '{"b": "\\u202e"}'),
    ],
)
def test_non_text_values_are_shown_as_json(value, text: str) -> None:
    assert display_value(value) == text


def test_long_value_does_not_hide_later_values_in_a_notification() -> None:
    request = approval(arguments={"note": "\n" * 4000 + "approved by security", "where": "production"})
    text = render_card(request).text
    assert text.count("\n") == 4
    assert "where: production" in text
    assert len(text) < 1000


@pytest.mark.parametrize("length", [2_400, 20_000, MAX_CARD_VALUE_LENGTH])
def test_card_has_the_whole_long_argument_and_question(length: int) -> None:
    card = get_card(approval(arguments={"note": "x" * length}))
    assert card.fields[0].value == "x" * length
    assert not card.is_truncated
    question_card = get_card(question(question="y" * length))
    assert question_card.title == f"walker asks: {'y' * length}"
    assert not question_card.is_truncated


def test_value_over_the_card_limit_is_truncated_and_marked() -> None:
    card = get_card(approval(arguments={"note": "x" * (MAX_CARD_VALUE_LENGTH + 1)}))
    assert card.is_truncated
    assert card.fields[0].value.endswith(f"… ({MAX_CARD_VALUE_LENGTH + 1} characters in all)")
    assert get_card(question(question="x" * (MAX_CARD_VALUE_LENGTH + 1))).is_truncated


def test_approval_shows_agent_tool_arguments_and_code() -> None:
    request = approval(arguments={"where": "staging", "force": True})
    assert render_card(request).text == (
        "walker wants to run push\nwhere: staging\nforce: true\nasked for by alice\n[ABCDE] waiting for an answer"
    )


def test_question_is_the_only_model_text_on_a_card() -> None:
    request = question(question="Where\nto?", choices=("here", "there"))
    card = get_card(request)
    assert card.title == "walker asks: Where\\nto?"
    assert card.fields == ()
    assert card.choices == ("here", "there")


def test_open_card_has_a_deadline_and_no_outcome() -> None:
    card = get_card(approval())
    assert (card.status, card.outcome, card.requester) == ("open", None, ALICE)
    assert card.expires_at == NOW + timedelta(seconds=1800)


def test_card_of_a_kept_open_request_has_no_deadline() -> None:
    assert get_card(approval(is_kept_open=True)).expires_at is None


@pytest.mark.parametrize(
    ("settled", "text"),
    [
        (approval(status="expired"), "no answer in time"),
        (approval(status="superseded"), "withdrawn, or replaced by a new instruction"),
        (approval(status="cancelled"), "cancelled with its thread"),
        (approval(status="approved"), "approved"),
    ],
)
def test_card_describes_an_end_without_an_answer(settled: Request, text: str) -> None:
    assert describe_request_outcome(settled) == text
    assert render_card(settled).text.endswith(f"[ABCDE] {text}")


@pytest.mark.parametrize(
    ("decision", "answer_fields", "text"),
    [
        ("approve", {}, "approved by bob (web)"),
        ("deny", {"comment": "not on\nFriday"}, "denied by bob (web): not on\\nFriday"),
        ("deny", {"comment": "x" * 400}, f"denied by bob (web): {'x' * 300}… (400 characters in all)"),
    ],
)
def test_settled_card_says_who_decided_where_and_why(decision: str, answer_fields: dict, text: str) -> None:
    assert describe_request_outcome(settled_request(approval(), decision, **answer_fields)) == text


def test_settled_card_names_all_approvers_and_who_entered_it() -> None:
    two_approvals = ApprovalTerms(roles=("release",), quorum=2, requester_may_approve=True)
    first = evaluate_answer(
        approval(two_approvals), answer("approve", CAROL, entered_by=ALICE), people=PEOPLE, now=NOW
    ).answer
    assert describe_request_outcome(settled_request(approval(two_approvals, answers=(first,)), "approve")) == (
        "approved by carol (entered by alice), then bob (web)"
    )


def test_card_of_an_answered_question_shows_the_answer() -> None:
    assert (
        describe_request_outcome(settled_request(question(), "answer", text="over there"))
        == "answered by bob (web): over there"
    )


def test_uncounted_answer_is_not_shown_as_the_decision() -> None:
    rejected_answer = evaluate_answer(approval(), answer("approve", ALICE), people=PEOPLE, now=NOW).answer
    settled = settled_request(approval(answers=(rejected_answer,)), "approve")
    later = settled.model_copy(update={"answers": (*settled.answers, rejected_answer)})
    assert describe_request_outcome(later) == "approved by bob (web)"


@pytest.mark.parametrize(
    ("request_", "choices"),
    [
        (question(), ()),
        (question(format="yes_no"), ("yes", "no")),
        (question(format="yes_no", choices=("ja", "nein")), ("ja", "nein")),
        (question(format="multiple_choice", choices=("here",)), ("here",)),
    ],
)
def test_card_shows_the_allowed_answers(request_: Request, choices: tuple[str, ...]) -> None:
    assert allowed_choices(request_) == choices


@given(st.dictionaries(st.sampled_from(["where", "note", "why"]), st.text()), st.text())
def test_arguments_and_comments_do_not_add_lines_to_a_card(arguments: dict[str, str], comment: str) -> None:
    open_card = render_card(approval(arguments=arguments)).text
    assert len(open_card.splitlines()) == len(arguments) + 3
    settled = render_card(settled_request(approval(arguments=arguments), "deny", comment=comment)).text
    assert len(settled.splitlines()) == len(arguments) + 3


def get_card(request: Request) -> Card:
    card = render_card(request).card
    assert card is not None
    return card


def settled_request(request: Request, decision: str, ask: ApprovalTerms = RELEASE_TERMS, **answer_fields) -> Request:
    evaluation = evaluate_answer(request, answer(decision, BOB, **answer_fields), people=PEOPLE, now=NOW)
    return request.model_copy(update={"status": evaluation.status, "answers": (*request.answers, evaluation.answer)})


def test_card_of_an_approval_has_the_assurance_that_it_requires() -> None:
    terms = RELEASE_TERMS.model_copy(update={"min_assurance": Assurance.HIGH})
    cards = [render_card(request).card for request in (approval(terms), question(terms))]
    assert [card.min_assurance for card in cards] == [Assurance.HIGH, Assurance.NONE]
