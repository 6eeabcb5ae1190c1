"""Explanations of requests: reason, requesters, deciders, progress and consequence of expiry."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.cards import MAX_REASON_LENGTH, describe_deciders, explain
from agents.core.decisions import evaluate_answer
from agents.core.events import RequestOpened
from agents.core.people import People, Person
from agents.core.policy import ApprovalTerms
from agents.core.request_factory import MAX_NAMES_PER_ROLE, add_decider_names
from agents.core.requests import Request
from agents.core.values import Address, person_address
from tests.agents.factories import NOW, RELEASE_TERMS, TWO_APPROVALS, answer, approval, question
from tests.harness.people import ALICE, BOB, CAROL, STRANGER
from tests.histories import PEOPLE


def with_names(request: Request, people: People = PEOPLE) -> Request:
    """Return the request with the names that are recorded at its opening."""
    event = add_decider_names(RequestOpened(at=NOW, actor=Address("agent:walker"), request=request), people)
    assert isinstance(event, RequestOpened)
    return event.request


def with_approvals(request: Request, *people: Address) -> Request:
    for by in people:
        given = evaluate_answer(request, answer("approve", by), people=PEOPLE, now=NOW).answer
        request = request.model_copy(update={"answers": (*request.answers, given)})
    return request


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (RELEASE_TERMS, "release (Bob, Carol)"),
        (ApprovalTerms(roles=("release", "oncall")), "release (Bob, Carol) or oncall (Carol)"),
        (ApprovalTerms(people=("bob", "carol")), "Bob, Carol"),
        (ApprovalTerms(roles=("oncall",), people=("bob",)), "oncall (Carol) or Bob"),
        (ApprovalTerms(roles=("nobody-has-it",)), "nobody-has-it"),
        (ApprovalTerms(roles=("*",)), "any known person"),
        (ApprovalTerms(), "no person"),
    ],
)
def test_deciders_are_named_with_their_roles(ask: ApprovalTerms, expected: str) -> None:
    assert describe_deciders(with_names(approval(ask))) == expected


def test_requester_is_not_listed_if_they_may_not_approve() -> None:
    request = approval(requester=BOB)
    assert describe_deciders(with_names(request)) == "release (Carol)"
    assert describe_deciders(with_names(approval(requesters=(ALICE, Address("terminal:bob"))))) == "release (Carol)"
    with_self_approval = approval(ApprovalTerms(roles=("release",), requester_may_approve=True), requester=BOB)
    assert describe_deciders(with_names(with_self_approval)) == "release (Bob, Carol)"


def test_large_role_is_listed_in_part_and_counted() -> None:
    crowd = People(
        members=tuple(Person(key=f"p{n}", name=f"P{n}", roles=("crew",)) for n in range(MAX_NAMES_PER_ROLE + 3))
    )
    expected = describe_deciders(with_names(approval(ApprovalTerms(roles=("crew",))), crowd))
    assert expected.startswith("crew (P0, P1, ")
    assert expected.endswith("P9, 3 more)")


def test_request_of_an_older_version_lists_only_roles() -> None:
    assert explain(approval(TWO_APPROVALS)).decided_by == "release"
    assert explain(approval(TWO_APPROVALS)).asked_by == "alice"


def test_requesters_are_named_and_unknown_ones_by_address() -> None:
    request = with_names(approval(requesters=(ALICE, CAROL, STRANGER)))
    assert explain(request).asked_by == "Alice, Carol and stranger"


@pytest.mark.parametrize(
    ("approvers", "expected"),
    [((), "0 of 2 so far"), ((BOB,), "1 of 2 so far: Bob"), ((BOB, BOB), "1 of 2 so far: Bob")],
)
def test_progress_counts_approvals_of_a_quorum(approvers: tuple[Address, ...], expected: str) -> None:
    assert explain(with_approvals(with_names(approval(TWO_APPROVALS)), *approvers)).progress == expected


def test_progress_names_the_person_who_entered_an_approval() -> None:
    request = with_names(approval(TWO_APPROVALS))
    given = evaluate_answer(request, answer(by=BOB, entered_by=CAROL), people=PEOPLE, now=NOW).answer
    expected = explain(request.model_copy(update={"answers": (given,)})).progress
    assert expected == "1 of 2 so far: Bob (entered by Carol)"


def test_single_approval_has_no_progress() -> None:
    assert explain(with_names(approval())).progress == ""
    assert explain(with_names(question(TWO_APPROVALS))).progress == ""


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"on_expire": "deny"}, "without an answer by then nothing is done"),
        ({"on_expire": "hold"}, "it stays open after that"),
        ({"on_expire": "halt"}, "without an answer by then the thread stops"),
    ],
)
def test_explanation_says_what_happens_without_an_answer(changed: dict[str, Any], expected: str) -> None:
    assert explain(approval(RELEASE_TERMS.model_copy(update=changed))).afterwards == expected


def test_kept_open_request_has_no_consequence_of_expiry() -> None:
    assert explain(approval(is_kept_open=True)).afterwards == ""


def test_reasoning_is_escaped_to_one_line_and_truncated() -> None:
    expected = explain(approval(reasoning="Staging\u202e is\n\nidle. " + "x" * 400)).why
    assert expected.startswith("Staging\\u202e is idle. xxx")
    assert expected.endswith(" characters in all)")
    assert len(expected) < MAX_REASON_LENGTH + 40


@given(st.text())
def test_reasoning_does_not_change_the_digest(reasoning: str) -> None:
    assert approval(reasoning=reasoning).digest == approval().digest
    assert len(explain(approval(reasoning=reasoning)).why.splitlines()) <= 1


def test_names_are_stored_and_need_no_configuration() -> None:
    request = with_names(approval(TWO_APPROVALS))
    assert Request.model_validate_json(request.model_dump_json(exclude_none=True)) == request
    assert request.names == {"person:bob": "Bob", "person:carol": "Carol", "person:alice": "Alice"}
    assert request.deciders[0].people == (person_address("bob"), person_address("carol"))
