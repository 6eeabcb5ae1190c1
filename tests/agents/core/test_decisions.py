"""Evaluation of answers: people who may decide, reasons for rejections, and that a request ends once."""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.decisions import (
    AnswerEvaluation,
    EditedCall,
    evaluate_answer,
    is_same_person,
    lapse_reason,
    may_decide,
)
from agents.core.errors import AlreadySettled, HandrailError, InvalidAnswer, StaleApproval
from agents.core.messages import Assurance
from agents.core.people import People, Person
from agents.core.policy import ApprovalTerms, PolicyDecision
from agents.core.requests import Answer, RecordedAnswer, Request
from agents.core.values import Address
from tests.agents.factories import NOW, RELEASE_TERMS, answer, approval, policy_decision, question
from tests.harness.people import ALICE, BOB, CAROL, STRANGER
from tests.histories import CAROL_PHONE, PEOPLE

MICROSECOND = timedelta(microseconds=1)
ALICE_EMAIL = Address("email:alice@example.com")
BOBS_TERMINAL = Address("terminal:bob")
NEW_ARGUMENTS = {"where": "production"}
REQUESTER_REASON = "you are a requester of this, so you cannot approve it; another person must approve it"


def evaluate(request: Request, given: Answer, **more: Any) -> AnswerEvaluation:
    return evaluate_answer(request, given, people=PEOPLE, **{"now": NOW, **more})


def new_call(terms: ApprovalTerms | None = RELEASE_TERMS, arguments: dict[str, Any] | None = None) -> EditedCall:
    verdict = policy_decision(terms) if terms else PolicyDecision(answer="allow", rule="free")
    return EditedCall(arguments=arguments or NEW_ARGUMENTS, digest="e" * 64, policy=verdict)


# People who may decide


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_person_named_by_the_terms_decides(decision: str) -> None:
    evaluation = evaluate(approval(), answer(decision, BOB))
    assert evaluation.status == {"approve": "approved", "deny": "denied"}[decision]
    assert (evaluation.rejection_reason, evaluation.answer.counted, evaluation.answer.reason) == (None, True, None)


@pytest.mark.parametrize(
    ("terms", "by", "decision", "expected"),
    [
        (RELEASE_TERMS, ALICE, "approve", "Alice is not allowed to decide this request (requires role release)"),
        (
            RELEASE_TERMS,
            STRANGER,
            "approve",
            "web:stranger is not allowed to decide this request (requires role release)",
        ),
        (RELEASE_TERMS, STRANGER, "deny", "web:stranger is not allowed to decide this request (requires role release)"),
        (ApprovalTerms(), BOB, "approve", "Bob is not allowed to decide this request (it has no approvers)"),
        (ApprovalTerms(), BOB, "deny", "Bob is not allowed to decide this request (it has no approvers)"),
        (
            ApprovalTerms(roles=("a", "b"), people=("carol",)),
            BOB,
            "approve",
            "Bob is not allowed to decide this request (requires role a or role b or Carol)",
        ),
        (
            ApprovalTerms(roles=("*",)),
            ALICE,
            "approve",
            REQUESTER_REASON,
        ),
    ],
)
def test_rejected_answer_has_a_reason_and_keeps_the_request_open(terms, by, decision, expected) -> None:
    evaluation = evaluate(approval(terms), answer(decision, by))
    assert (evaluation.status, evaluation.rejection_reason, evaluation.answer.reason) == ("open", expected, expected)
    assert not evaluation.answer.counted


@pytest.mark.parametrize("by", [ALICE, Address("terminal:alice"), ALICE_EMAIL])
def test_requester_is_recognized_at_each_address(by: Address) -> None:
    request = approval(ApprovalTerms(roles=("*",)), requester=Address("terminal:alice"))
    assert evaluate(request, answer("approve", by)).rejection_reason == REQUESTER_REASON


@pytest.mark.parametrize("by", [ALICE, Address("terminal:alice"), ALICE_EMAIL])
def test_requester_may_always_deny(by: Address) -> None:
    assert evaluate(approval(), answer("deny", by)).status == "denied"


def test_unknown_requester_may_deny_but_not_approve() -> None:
    request = approval(requester=STRANGER)
    assert evaluate(request, answer("deny", STRANGER)).status == "denied"
    assert evaluate(request, answer("approve", STRANGER)).status == "open"


def test_requester_approves_if_the_terms_allow_it() -> None:
    terms = ApprovalTerms(roles=("dev",), requester_may_approve=True)
    assert evaluate(approval(terms), answer("approve", ALICE)).status == "approved"


def test_requester_must_still_be_named_by_the_terms() -> None:
    terms = ApprovalTerms(roles=("release",), requester_may_approve=True)
    assert evaluate(approval(terms), answer("approve", ALICE)).status == "open"


def approvals_of(*said: dict[str, Address]) -> tuple[RecordedAnswer, ...]:
    return tuple(given for one in said for given in approvals(one["by"], entered_by=one.get("entered_by")))


@pytest.mark.parametrize("assurance", list(Assurance))
@pytest.mark.parametrize("minimum", list(Assurance))
def test_approval_needs_the_minimum_assurance(assurance: Assurance, minimum: Assurance) -> None:
    evaluation = evaluate(
        approval(ApprovalTerms(roles=("release",), min_assurance=minimum)), answer("approve", assurance=assurance)
    )
    assert (evaluation.status == "approved") == (assurance.rank >= minimum.rank)
    if evaluation.rejection_reason:
        assert evaluation.rejection_reason == (
            f"answers from web have {assurance} assurance; approving this request requires {minimum}"
        )


@pytest.mark.parametrize("assurance", list(Assurance))
def test_denial_needs_no_assurance(assurance: Assurance) -> None:
    request = approval(ApprovalTerms(roles=("release",), min_assurance=Assurance.HIGH))
    assert evaluate(request, answer("deny", assurance=assurance)).status == "denied"


def test_assurance_is_ordered_from_none_to_high() -> None:
    assert [a.rank for a in (Assurance.NONE, Assurance.LOW, Assurance.MEDIUM, Assurance.HIGH)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ALICE, ALICE_EMAIL, True),
        (ALICE_EMAIL, Address("terminal:alice"), True),
        (STRANGER, STRANGER, True),
        (ALICE, BOB, False),
        (STRANGER, Address("web:other"), False),
        (STRANGER, ALICE, False),
    ],
)
def test_is_same_person_compares_people_not_addresses(one: Address, other: Address, same: bool) -> None:
    assert is_same_person(one, other, PEOPLE) is same
    assert is_same_person(other, one, PEOPLE) is same


# Quorum


def add_answers(request: Request, *answers: Answer, **more: Any) -> tuple[Request, AnswerEvaluation]:
    """Return the request after these answers, and the evaluation of the last one."""
    for said in answers:
        evaluation = evaluate(request, said, **more)
        given = (*request.answers, evaluation.answer)
        request = request.model_copy(update={"answers": given, "status": evaluation.status})
    return request, evaluation


def test_quorum_needs_different_people() -> None:
    request = approval(ApprovalTerms(roles=("release",), quorum=2))
    once, _ = add_answers(request, answer(by=BOB))
    assert once.status == "open"
    twice, _ = add_answers(once, answer(by=CAROL))
    assert (twice.status, twice.approvers) == ("approved", (BOB, CAROL))


@pytest.mark.parametrize("other", [BOB, BOBS_TERMINAL, Address("web:bob")])
def test_one_person_counts_once_on_all_channels(other: Address) -> None:
    request, _ = add_answers(approval(ApprovalTerms(roles=("release",), quorum=2)), answer(by=BOB), answer(by=other))
    assert (request.status, request.approvers) == ("open", (BOB,))


def test_answer_is_recorded_under_the_person_address() -> None:
    assert evaluate(approval(), answer(by=CAROL_PHONE, assurance=Assurance.HIGH)).answer.by == CAROL
    assert evaluate(approval(), answer(by=STRANGER)).answer.by == STRANGER


def test_one_denial_ends_the_request_despite_approvals() -> None:
    request, _ = add_answers(
        approval(ApprovalTerms(roles=("release",), quorum=2)), answer(by=BOB), answer("deny", CAROL)
    )
    assert request.status == "denied"


def test_uncounted_answers_are_not_approvals() -> None:
    request = approval(ApprovalTerms(roles=("release",), quorum=2))
    answered, _ = add_answers(request, answer(by=ALICE), answer(by=STRANGER), answer(by=BOB))
    assert (answered.status, answered.approvers) == ("open", (BOB,))


# Late answers and other versions


@pytest.mark.parametrize("status", ["approved", "denied", "answered", "expired", "superseded", "cancelled"])
def test_settled_request_rejects_answers(status: str) -> None:
    request = approval(status=status)
    with pytest.raises(AlreadySettled, match=f"^request ABCDE is settled: {status}$") as error_info:
        evaluate(request, answer())
    assert error_info.value.details == request


def test_answer_is_rejected_from_the_exact_expiry_on() -> None:
    request = approval(ApprovalTerms(roles=("release",), expires=60))
    end = NOW + timedelta(seconds=60)
    assert evaluate(request, answer(), now=end - MICROSECOND).status == "approved"
    with pytest.raises(AlreadySettled, match=r"^request ABCDE expired at 03:05 UTC$"):
        evaluate(request, answer(), now=end)


def test_kept_open_request_accepts_late_answers() -> None:
    request = approval(is_kept_open=True)
    assert evaluate(request, answer(), now=NOW + timedelta(days=300)).status == "approved"


def test_answer_to_another_version_is_rejected() -> None:
    with pytest.raises(StaleApproval, match="The request was changed after you opened it") as error_info:
        evaluate(approval(), answer(), shown_digest="e" * 64)
    assert error_info.value.details == approval()


def test_answer_with_current_or_unknown_digest_is_accepted() -> None:
    assert evaluate(approval(), answer(), shown_digest="d" * 64).status == "approved"
    assert evaluate(approval(), answer(), shown_digest=None).status == "approved"


# Answers that do not fit


@pytest.mark.parametrize("decision", ["approve", "deny", "edit"])
def test_question_accepts_only_an_answer(decision: str) -> None:
    with pytest.raises(InvalidAnswer, match=f"^request ABCDE accepts answer, not {decision}$"):
        evaluate(question(), answer(decision, text="here", arguments={}))


def test_approval_rejects_a_text_answer() -> None:
    with pytest.raises(InvalidAnswer, match="^request ABCDE accepts approve or deny or edit, not answer$"):
        evaluate(approval(), answer("answer", text="approve"))


@pytest.mark.parametrize("text", [None, "", "  \n\t"])
def test_question_needs_a_text(text: str | None) -> None:
    with pytest.raises(InvalidAnswer, match="^request ABCDE needs a text as its answer$"):
        evaluate(question(), answer("answer", text=text))


@pytest.mark.parametrize(
    ("request_", "valid", "invalid", "expected"),
    [
        (question(choices=("here", "there")), "here", "Here", "here, there"),
        (question(format="yes_no"), "yes", "maybe", "yes, no"),
        (question(format="yes_no", choices=("ja", "nein")), "ja", "yes", "ja, nein"),
    ],
)
def test_question_with_choices_accepts_only_a_choice(
    request_: Request, valid: str, invalid: str, expected: str
) -> None:
    assert evaluate(request_, answer("answer", text=valid)).status == "answered"
    with pytest.raises(InvalidAnswer, match=f"^request ABCDE accepts one of: {expected}$"):
        evaluate(request_, answer("answer", text=invalid))


def test_answer_needs_a_named_person_but_no_assurance() -> None:
    said = {"text": "here", "assurance": Assurance.NONE}
    assert evaluate(question(), answer("answer", BOB, **said)).status == "answered"
    assert evaluate(question(), answer("answer", ALICE, **said)).status == "answered"  # the requester
    assert evaluate(question(), answer("answer", STRANGER, **said)).status == "open"


# Edits


def test_edit_counts_as_approval_of_the_editor() -> None:
    evaluation = evaluate(approval(), answer("edit", arguments=NEW_ARGUMENTS), edited_call=new_call())
    assert (evaluation.status, evaluation.answer.decision) == ("approved", "edit")


def test_edit_cancels_earlier_approvals() -> None:
    two_approvals = ApprovalTerms(roles=("release",), quorum=2)
    request, _ = add_answers(approval(two_approvals), answer(by=CAROL))
    evaluation = evaluate(request, answer("edit", BOB, arguments=NEW_ARGUMENTS), edited_call=new_call(two_approvals))
    assert evaluation.status == "open"


def test_edit_is_evaluated_by_the_terms_of_the_new_arguments() -> None:
    strict = ApprovalTerms(roles=("oncall",))
    by_bob = evaluate(approval(), answer("edit", BOB, arguments=NEW_ARGUMENTS), edited_call=new_call(strict))
    by_carol = evaluate(approval(), answer("edit", CAROL, arguments=NEW_ARGUMENTS), edited_call=new_call(strict))
    assert (by_bob.status, by_bob.answer.counted) == ("open", False)
    assert by_carol.status == "approved"


def test_edit_needs_the_right_to_decide_the_old_request() -> None:
    any_person_terms = ApprovalTerms(roles=("*",), requester_may_approve=True)
    evaluation = evaluate(
        approval(), answer("edit", ALICE, arguments={"where": "nowhere"}), edited_call=new_call(any_person_terms)
    )
    assert evaluation.rejection_reason == "Alice is not allowed to decide this request (requires role release)"


def test_edit_to_an_allowed_call_keeps_the_old_terms() -> None:
    request = approval(ApprovalTerms(roles=("release",), quorum=2))
    assert evaluate(request, answer("edit", BOB, arguments=NEW_ARGUMENTS), edited_call=new_call(None)).status == "open"


@pytest.mark.parametrize(
    ("request_", "arguments", "edited"),
    [
        (approval(), None, None),
        (approval(), NEW_ARGUMENTS, None),
        (approval(purpose="budget"), NEW_ARGUMENTS, new_call()),
    ],
)
def test_edit_needs_new_arguments_with_a_policy_decision(request_: Request, arguments, edited) -> None:
    with pytest.raises(InvalidAnswer, match="^an edit needs new arguments for a tool call$"):
        evaluate(request_, answer("edit", arguments=arguments), edited_call=edited)


def test_approval_of_an_edited_request_needs_its_digest() -> None:
    two_approvals = ApprovalTerms(roles=("release",), quorum=2)
    request, _ = add_answers(
        approval(two_approvals), answer("edit", CAROL, arguments=NEW_ARGUMENTS), edited_call=new_call(two_approvals)
    )
    with pytest.raises(StaleApproval, match="was edited after it was opened") as error_info:
        evaluate(request, answer("approve", BOB))
    assert error_info.value.details == request
    assert evaluate(request, answer("approve", BOB), shown_digest=request.digest).status == "approved"
    assert evaluate(request, answer("deny", BOB)).status == "denied"


def test_requester_is_rejected_before_the_digest_check() -> None:
    two_approvals = ApprovalTerms(roles=("release",), quorum=2)
    unanswered = approval(two_approvals, requesters=(ALICE, BOB))
    request, _ = add_answers(
        unanswered, answer("edit", CAROL, arguments=NEW_ARGUMENTS), edited_call=new_call(two_approvals)
    )
    assert evaluate(request, answer("approve", BOB)).rejection_reason == REQUESTER_REASON


STRICT_TERMS = ApprovalTerms(roles=("release",), editor_may_approve=False)


@pytest.mark.parametrize(
    ("old_terms", "new_terms"), [(STRICT_TERMS, RELEASE_TERMS), (RELEASE_TERMS, STRICT_TERMS), (STRICT_TERMS, None)]
)
def test_edit_is_a_proposal_if_old_or_new_terms_say_so(
    old_terms: ApprovalTerms, new_terms: ApprovalTerms | None
) -> None:
    evaluation = evaluate(
        approval(old_terms), answer("edit", BOB, arguments=NEW_ARGUMENTS), edited_call=new_call(new_terms)
    )
    assert (evaluation.status, evaluation.answer.counted, evaluation.answer.is_proposal) == ("open", True, True)


def test_proposal_needs_approval_by_another_person() -> None:
    request, _ = add_answers(
        approval(STRICT_TERMS), answer("edit", BOB, arguments=NEW_ARGUMENTS), edited_call=new_call(STRICT_TERMS)
    )
    assert request.approvers == ()
    for by in (BOB, BOBS_TERMINAL):
        rejection_reason = evaluate(request, answer("approve", by), shown_digest=request.digest).rejection_reason
        assert rejection_reason == "you edited this version, so another person must approve it"
    by_proxy = evaluate(request, answer("approve", CAROL, entered_by=BOB), shown_digest=request.digest)
    assert by_proxy.rejection_reason == "you edited this version, so another person must approve it"
    assert evaluate(request, answer("approve", CAROL), shown_digest=request.digest).status == "approved"


def test_editor_may_approve_a_later_edit_of_another_person() -> None:
    request, _ = add_answers(
        approval(STRICT_TERMS), answer("edit", BOB, arguments=NEW_ARGUMENTS), edited_call=new_call(STRICT_TERMS)
    )
    request, _ = add_answers(
        request, answer("edit", CAROL, arguments={"where": "x"}), edited_call=new_call(STRICT_TERMS)
    )
    assert evaluate(request, answer("approve", BOB), shown_digest=request.digest).status == "approved"


@pytest.mark.parametrize("decision", ["approve", "edit"])
def test_each_requester_is_rejected_at_each_address(decision: str) -> None:
    request = approval(requesters=(ALICE, Address("terminal:bob"), CAROL_PHONE))
    for by in (BOB, BOBS_TERMINAL, Address("web:bob"), CAROL, CAROL_PHONE):
        assert evaluate(request, answer(decision, by, arguments=NEW_ARGUMENTS)).rejection_reason == REQUESTER_REASON


def test_requester_cannot_approve_for_another_person() -> None:
    request = approval(requesters=(ALICE, CAROL_PHONE))
    assert evaluate(request, answer(by=BOB, entered_by=CAROL)).rejection_reason == REQUESTER_REASON
    assert evaluate(request, answer(by=BOB, entered_by=ALICE)).rejection_reason == REQUESTER_REASON


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"by": BOB, "entered_by": ALICE}, {"by": CAROL, "entered_by": ALICE_EMAIL}),
        ({"by": BOB, "entered_by": CAROL}, {"by": CAROL_PHONE}),
        ({"by": BOB}, {"by": CAROL, "entered_by": BOBS_TERMINAL}),
    ],
)
def test_one_person_counts_once_under_any_name(first: dict, second: dict) -> None:
    two_approvals = ApprovalTerms(roles=("release",), quorum=2, requester_may_approve=True)
    request, evaluation = add_answers(approval(two_approvals), answer(**first), answer(**second))
    assert (request.status, request.approvers) == ("open", (BOB,))
    assert (
        evaluation.rejection_reason
        == "you have already approved this, for yourself or for another person; it needs one more person"
    )
    repeated, _ = add_answers(request, answer(**first))
    assert repeated.answers[-1].counted
    assert lapse_reason(two_approvals, approvals_of(first, second), (ALICE,), PEOPLE) is not None


def test_program_may_enter_approvals_of_several_people() -> None:
    two_approvals = ApprovalTerms(roles=("release",), quorum=2)
    said = [{"by": BOB, "entered_by": STRANGER}, {"by": CAROL, "entered_by": STRANGER}]
    request, _ = add_answers(approval(two_approvals), *(answer(**one) for one in said))
    assert request.status == "approved"
    assert lapse_reason(two_approvals, approvals_of(*said), (ALICE,), PEOPLE) is None


def test_unknown_person_who_enters_an_answer_is_no_requester() -> None:
    request = approval(requesters=(ALICE, STRANGER))
    evaluation = evaluate(request, answer(by=BOB, entered_by=STRANGER))
    assert (evaluation.status, evaluation.answer.entered_by) == ("approved", STRANGER)


def test_right_to_edit_is_checked_before_the_arguments() -> None:
    assert evaluate(approval(), answer("edit", ALICE)).rejection_reason is not None
    with pytest.raises(InvalidAnswer):
        evaluate(approval(), answer("edit", BOB))


# Random answers in random order


decisions = st.sampled_from(["approve", "approve", "deny", "edit", "answer"])
person_addresses = st.sampled_from([ALICE, BOB, CAROL, STRANGER, ALICE_EMAIL, BOBS_TERMINAL, CAROL_PHONE])
terms_strategy = st.builds(
    ApprovalTerms,
    roles=st.sampled_from([(), ("release",), ("*",), ("oncall",)]),
    people=st.sampled_from([(), ("alice",)]),
    quorum=st.integers(1, 3),
    requester_may_approve=st.booleans(),
    editor_may_approve=st.booleans(),
    min_assurance=st.sampled_from(Assurance),
)
answers = st.builds(
    Answer,
    by=person_addresses,
    entered_by=st.none() | person_addresses,
    channel=st.just(Address("web:console")),
    assurance=st.sampled_from(Assurance),
    decision=decisions,
    text=st.just("here"),
    arguments=st.just(NEW_ARGUMENTS),
)


@given(
    terms_strategy,
    terms_strategy,
    st.lists(answers, max_size=12),
    st.booleans(),
    st.lists(person_addresses, max_size=3),
)
def test_request_ends_once_and_only_by_people_of_its_terms(
    terms, new_terms, answer_list, is_question, other_requesters
) -> None:
    requesters = (ALICE, *other_requesters)
    request = question(terms, requesters=requesters) if is_question else approval(terms, requesters=requesters)
    settled_count = 0
    for one, nth in zip(answer_list, count()):
        edited = new_call(new_terms, {"where": nth}) if one.decision == "edit" else None
        try:
            evaluation = evaluate(request, one, edited_call=edited, shown_digest=request.digest)
        except HandrailError:
            continue
        assert request.status == "open"
        assert evaluation.answer.counted == (evaluation.rejection_reason is None)
        settled_count += evaluation.status != "open"
        request = after_evaluation(request, evaluation, edited)
        assert_approval_follows_the_terms(request)
    assert settled_count == (request.status != "open")


def after_evaluation(request: Request, evaluation: AnswerEvaluation, edited: EditedCall | None) -> Request:
    """Return the request after an evaluated answer, as the reducer computes it."""
    earlier = request.answers
    changed: dict[str, Any] = {"status": evaluation.status}
    if edited is not None and evaluation.answer.counted:
        earlier = tuple(a.model_copy(update={"counted": False}) for a in earlier)
        changed["policy"] = edited.policy
    return request.model_copy(update={**changed, "answers": (*earlier, evaluation.answer)})


def assert_approval_follows_the_terms(request: Request) -> None:
    people = [PEOPLE.get(a) for a in request.approvers]
    assert all(person is not None and may_decide(person, request.terms) for person in people)
    assert len({person.key for person in people if person}) == len(people)
    if request.status == "approved":
        assert len(people) >= request.terms.quorum
        assert len({*map(acting_person, request.approvals)}) >= request.terms.quorum
        if not request.terms.requester_may_approve:
            assert not person_keys(*request.all_requesters) & person_keys(*request.approvers, *entering_people(request))
        if not request.terms.editor_may_approve and request.last_edit is not None:
            assert not person_keys(request.last_edit.by) & person_keys(*request.approvers)


def person_keys(*addresses: Address) -> set[str]:
    return {person.key for address in addresses if (person := PEOPLE.get(address)) is not None}


def acting_person(given: RecordedAnswer) -> Person | None:
    return (PEOPLE.get(given.entered_by) if given.entered_by else None) or PEOPLE.get(given.by)


def entering_people(request: Request) -> list[Address]:
    return [given.entered_by for given in request.approvals if given.entered_by is not None]


# Check before the tool runs


def approvals(*by: Address, **changed: Any) -> tuple[RecordedAnswer, ...]:
    fields = {"channel": "web:console", "assurance": "high", "decision": "approve", "at": NOW, "counted": True}
    return tuple(RecordedAnswer.model_validate({"by": one, **fields, **changed}) for one in by)


@pytest.mark.parametrize("assurance", list(Assurance))
@pytest.mark.parametrize("minimum", list(Assurance))
def test_assurance_is_checked_again_before_the_start(assurance: Assurance, minimum: Assurance) -> None:
    terms = ApprovalTerms(roles=("release",), min_assurance=minimum)
    is_valid = lapse_reason(terms, approvals(BOB, assurance=assurance), (ALICE,), PEOPLE) is None
    assert is_valid is (assurance.rank >= minimum.rank)


@pytest.mark.parametrize("requesters", [(ALICE, BOB), (ALICE, BOBS_TERMINAL), (Address("web:bob"),)])
def test_approval_by_a_requester_lapses(requesters: tuple[Address, ...]) -> None:
    assert lapse_reason(RELEASE_TERMS, approvals(BOB), requesters, PEOPLE) is not None
    assert lapse_reason(RELEASE_TERMS, approvals(CAROL), requesters, PEOPLE) is None


def test_approval_entered_by_a_requester_lapses() -> None:
    assert lapse_reason(RELEASE_TERMS, approvals(BOB, entered_by=CAROL), (ALICE, CAROL_PHONE), PEOPLE) is not None
    assert lapse_reason(RELEASE_TERMS, approvals(BOB, entered_by=STRANGER), (ALICE, STRANGER), PEOPLE) is None


def test_edit_lapses_if_editors_may_no_longer_approve() -> None:
    strict = ApprovalTerms(roles=("release",), editor_may_approve=False)
    assert lapse_reason(strict, approvals(BOB, decision="edit"), (ALICE,), PEOPLE) is not None
    assert lapse_reason(strict, approvals(BOB), (ALICE,), PEOPLE) is None


def test_approval_stays_valid_without_changes() -> None:
    assert lapse_reason(RELEASE_TERMS, approvals(BOB), (ALICE,), PEOPLE) is None


@pytest.mark.parametrize(
    ("terms", "approvers", "requester"),
    [
        (RELEASE_TERMS, (), ALICE),
        (ApprovalTerms(), (BOB,), ALICE),
        (ApprovalTerms(roles=("oncall",)), (BOB,), ALICE),
        (ApprovalTerms(roles=("release",), quorum=2), (BOB,), ALICE),
        (ApprovalTerms(roles=("release",), quorum=2), (BOB, BOBS_TERMINAL), ALICE),
        (RELEASE_TERMS, (STRANGER,), ALICE),
        (RELEASE_TERMS, (BOB,), BOB),
        (RELEASE_TERMS, (BOB,), BOBS_TERMINAL),
        (ApprovalTerms(roles=("release",), quorum=2), (BOB, CAROL), BOB),
    ],
)
def test_approval_lapses_with_changed_rules_or_people(terms: ApprovalTerms, approvers, requester: Address) -> None:
    expected = "the approval is no longer valid: the rules or the people they name changed after it was given"
    assert lapse_reason(terms, approvals(*approvers), (requester,), PEOPLE) == expected


def test_approval_lapses_when_the_approver_loses_the_role() -> None:
    evaluation = evaluate(approval(), answer(by=BOB))
    without = tuple(p.model_copy(update={"roles": ()}) if p.key == "bob" else p for p in PEOPLE.members)
    assert lapse_reason(RELEASE_TERMS, (evaluation.answer,), (ALICE,), PEOPLE) is None
    assert lapse_reason(RELEASE_TERMS, (evaluation.answer,), (ALICE,), People(members=without)) is not None


def test_approval_lapses_when_the_approver_is_removed() -> None:
    only_alice = People(members=(Person(key="alice", name="Alice"),))
    assert lapse_reason(RELEASE_TERMS, approvals(BOB), (ALICE,), only_alice) is not None


@given(terms_strategy, st.lists(person_addresses, max_size=4), person_addresses)
def test_approved_request_has_not_lapsed_without_changes(terms: ApprovalTerms, by: list[Address], requester) -> None:
    said = [answer("approve", person) for person in by]
    request = approval(terms, requester=requester)
    for one in said:
        if request.status == "open":
            request, _ = add_answers(request, one)
    if request.status == "approved":
        assert lapse_reason(terms, request.approvals, request.all_requesters, PEOPLE) is None
    else:
        assert lapse_reason(terms, request.approvals, request.all_requesters, PEOPLE) is not None
