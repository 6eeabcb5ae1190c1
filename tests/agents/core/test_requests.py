"""Values that requests derive from their terms and answers, and valid choices."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.core.cards import render_card
from agents.core.messages import Assurance
from agents.core.policy import ApprovalTerms, PolicyDecision
from agents.core.requests import RecordedAnswer
from agents.core.steps import MAX_CHOICE_LENGTH, RequestHumanInput
from agents.core.values import Address
from tests.agents.factories import NOW, RELEASE_TERMS, approval, question
from tests.harness.people import ALICE, BOB, CAROL


def answer_by(by: Address, decision: str = "approve", *, counted: bool = True) -> RecordedAnswer:
    fields = {"by": by, "channel": Address("web:console"), "assurance": Assurance.HIGH, "decision": decision, "at": NOW}
    return RecordedAnswer.model_validate(fields | {"counted": counted})


def test_request_expires_by_its_terms() -> None:
    assert approval(ApprovalTerms(expires=90)).expires_at == NOW + timedelta(seconds=90)


def test_new_request_has_no_reminders_or_escalations() -> None:
    assert (approval().reminded, approval().escalated, approval().is_kept_open) == (0, 0, False)


def test_request_without_terms_has_no_approvers() -> None:
    request = approval(policy=PolicyDecision(answer="ask", rule="bare"))
    assert (request.terms.roles, request.terms.people) == ((), ())


def test_only_counted_approvals_and_edits_make_approvers() -> None:
    answers = (
        answer_by(ALICE, counted=False),
        answer_by(BOB),
        answer_by(CAROL, "edit"),
        answer_by(ALICE, "deny"),
        answer_by(BOB),
    )
    assert approval(answers=answers).approvers == (BOB, CAROL)


def test_request_is_frozen_and_rejects_unknown_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        approval().status = "approved"
    with pytest.raises(ValidationError, match="Extra inputs"):
        approval(approved_by=BOB)


@pytest.mark.parametrize(
    "choice",
    [
        "",
        "   ",
        "yes\n[ABCDE] approved by bob (web)",
        "a\x1b[2J",
        "a\u202eb",
        "a\u200bb",
        "x" * (MAX_CHOICE_LENGTH + 1),
    ],
)
def test_choice_must_be_one_printable_line(choice: str) -> None:
    with pytest.raises(ValidationError, match="a choice must be one line of at most 100 printable characters"):
        RequestHumanInput(question="Which?", choices=("yes", choice))


@given(st.lists(st.text(max_size=120), max_size=4))
def test_valid_choices_do_not_add_lines_to_a_card(choices: list[str]) -> None:
    try:
        step = RequestHumanInput(question="Which?", choices=tuple(choices))
    except ValidationError:
        return
    card = render_card(question(RELEASE_TERMS, choices=step.choices)).card
    assert card is not None
    assert len(", ".join(card.choices).splitlines()) == min(1, len(choices))
