"""Judging answers: who may decide what, in which words they are refused, and that a request ends exactly once."""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.addresses import Address
from agents.decisions import AnswerEvaluation, EditedCall, evaluate_answer, is_same_person, lapse_reason, may_decide
from agents.errors import AlreadySettled, HandrailError, InvalidAnswer, StaleApproval
from agents.messages import Assurance
from agents.people import People, Person
from agents.policy import ApprovalTerms, PolicyDecision
from agents.requests import Answer, RecordedAnswer, Request
from tests.agents.factories import (
    ALICE,
    BOB,
    CAROL,
    NOW,
    PEOPLE,
    PHONE,
    RELEASE_TERMS,
    STRANGER,
    answer,
    approval,
    policy_decision,
    question,
)

MICROSECOND = timedelta(microseconds=1)
MAIL = Address("email:alice@example.com")
BOBS_TERMINAL = Address("terminal:bob")
ELSEWHERE = {"where": "production"}
OWN_WORDS = "you are a requester of this, so you cannot approve it; another person must approve it"


def judged(request: Request, given: Answer, **more: Any) -> AnswerEvaluation:
    return evaluate_answer(request, given, people=PEOPLE, **{"now": NOW, **more})


def edit(ask: ApprovalTerms | None = RELEASE_TERMS, arguments: dict[str, Any] | None = None) -> EditedCall:
    verdict = policy_decision(ask) if ask else PolicyDecision(answer="allow", rule="free")
    return EditedCall(arguments=arguments or ELSEWHERE, digest="e" * 64, policy=verdict)


# Who may decide


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_person_named_by_the_terms_decides(decision: str) -> None:
    judgement = judged(approval(), answer(decision, BOB))
    assert judgement.status == {"approve": "approved", "deny": "denied"}[decision]
    assert (judgement.rejection_reason, judgement.answer.counted, judgement.answer.reason) == (None, True, None)


@pytest.mark.parametrize(
    ("ask", "by", "decision", "words"),
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
            OWN_WORDS,
        ),
    ],
)
def test_rejected_answer_has_a_reason_and_keeps_the_request_open(ask, by, decision, words) -> None:
    judgement = judged(approval(ask), answer(decision, by))
    assert (judgement.status, judgement.rejection_reason, judgement.answer.reason) == ("open", words, words)
    assert not judgement.answer.counted


@pytest.mark.parametrize("by", [ALICE, Address("terminal:alice"), MAIL])
def test_requester_is_recognised_at_each_address(by: Address) -> None:
    request = approval(ApprovalTerms(roles=("*",)), requester=Address("terminal:alice"))
    assert judged(request, answer("approve", by)).rejection_reason == OWN_WORDS


@pytest.mark.parametrize("by", [ALICE, Address("terminal:alice"), MAIL])
def test_requester_may_always_deny(by: Address) -> None:
    assert judged(approval(), answer("deny", by)).status == "denied"


def test_unknown_requester_may_deny_but_not_approve() -> None:
    request = approval(requester=STRANGER)
    assert judged(request, answer("deny", STRANGER)).status == "denied"
    assert judged(request, answer("approve", STRANGER)).status == "open"


def test_requester_approves_if_the_terms_allow_it() -> None:
    ask = ApprovalTerms(roles=("dev",), requester_may_approve=True)
    assert judged(approval(ask), answer("approve", ALICE)).status == "approved"


def test_requester_must_still_be_named_by_the_terms() -> None:
    ask = ApprovalTerms(roles=("release",), requester_may_approve=True)
    assert judged(approval(ask), answer("approve", ALICE)).status == "open"


def approvals_of(*said: dict[str, Address]) -> tuple[RecordedAnswer, ...]:
    return tuple(given for one in said for given in approvals(one["by"], entered_by=one.get("entered_by")))


@pytest.mark.parametrize("assurance", list(Assurance))
@pytest.mark.parametrize("least", list(Assurance))
def test_approval_needs_the_minimum_assurance(assurance: Assurance, least: Assurance) -> None:
    judgement = judged(
        approval(ApprovalTerms(roles=("release",), min_assurance=least)), answer("approve", assurance=assurance)
    )
    assert (judgement.status == "approved") == (assurance.rank >= least.rank)
    if judgement.rejection_reason:
        assert judgement.rejection_reason == (
            f"answers from web have {assurance} assurance; approving this request requires {least}"
        )


@pytest.mark.parametrize("assurance", list(Assurance))
def test_denial_needs_no_assurance(assurance: Assurance) -> None:
    request = approval(ApprovalTerms(roles=("release",), min_assurance=Assurance.HIGH))
    assert judged(request, answer("deny", assurance=assurance)).status == "denied"


def test_assurance_is_ordered_from_none_to_high() -> None:
    assert [a.rank for a in (Assurance.NONE, Assurance.LOW, Assurance.MEDIUM, Assurance.HIGH)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ALICE, MAIL, True),
        (MAIL, Address("terminal:alice"), True),
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


def with_answers(request: Request, *answers: Answer, **more: Any) -> tuple[Request, AnswerEvaluation]:
    """The request after these answers, and the judgement of the last."""
    for said in answers:
        judgement = judged(request, said, **more)
        given = (*request.answers, judgement.answer)
        request = request.model_copy(update={"answers": given, "status": judgement.status})
    return request, judgement


def test_quorum_needs_different_people() -> None:
    request = approval(ApprovalTerms(roles=("release",), quorum=2))
    once, _ = with_answers(request, answer(by=BOB))
    assert once.status == "open"
    twice, _ = with_answers(once, answer(by=CAROL))
    assert (twice.status, twice.approvers) == ("approved", (BOB, CAROL))


@pytest.mark.parametrize("other", [BOB, BOBS_TERMINAL, Address("web:bob")])
def test_one_person_counts_once_on_all_channels(other: Address) -> None:
    request, _ = with_answers(approval(ApprovalTerms(roles=("release",), quorum=2)), answer(by=BOB), answer(by=other))
    assert (request.status, request.approvers) == ("open", (BOB,))


def test_answer_is_recorded_under_the_person_address() -> None:
    assert judged(approval(), answer(by=PHONE, assurance=Assurance.HIGH)).answer.by == CAROL
    assert judged(approval(), answer(by=STRANGER)).answer.by == STRANGER


def test_one_denial_ends_the_request_despite_approvals() -> None:
    request, _ = with_answers(
        approval(ApprovalTerms(roles=("release",), quorum=2)), answer(by=BOB), answer("deny", CAROL)
    )
    assert request.status == "denied"


def test_uncounted_answers_are_not_approvals() -> None:
    request = approval(ApprovalTerms(roles=("release",), quorum=2))
    asked_by_many, _ = with_answers(request, answer(by=ALICE), answer(by=STRANGER), answer(by=BOB))
    assert (asked_by_many.status, asked_by_many.approvers) == ("open", (BOB,))


# Too late, or something else


@pytest.mark.parametrize("status", ["approved", "denied", "answered", "expired", "superseded", "cancelled"])
def test_settled_request_rejects_answers(status: str) -> None:
    request = approval(status=status)
    with pytest.raises(AlreadySettled, match=f"^request ABCDE is settled: {status}$") as refused:
        judged(request, answer())
    assert refused.value.details == request


def test_answer_is_rejected_from_the_exact_expiry_on() -> None:
    request = approval(ApprovalTerms(roles=("release",), expires=60))
    end = NOW + timedelta(seconds=60)
    assert judged(request, answer(), now=end - MICROSECOND).status == "approved"
    with pytest.raises(AlreadySettled, match=r"^request ABCDE expired at 03:05 UTC$"):
        judged(request, answer(), now=end)


def test_kept_open_request_accepts_late_answers() -> None:
    request = approval(is_kept_open=True)
    assert judged(request, answer(), now=NOW + timedelta(days=300)).status == "approved"


def test_answer_to_another_version_is_rejected() -> None:
    with pytest.raises(StaleApproval, match="The request was changed after you opened it") as refused:
        judged(approval(), answer(), shown_digest="e" * 64)
    assert refused.value.details == approval()


def test_answer_with_current_or_unknown_digest_is_accepted() -> None:
    assert judged(approval(), answer(), shown_digest="d" * 64).status == "approved"
    assert judged(approval(), answer(), shown_digest=None).status == "approved"


# What does not fit


@pytest.mark.parametrize("decision", ["approve", "deny", "edit"])
def test_question_accepts_only_an_answer(decision: str) -> None:
    with pytest.raises(InvalidAnswer, match=f"^request ABCDE accepts answer, not {decision}$"):
        judged(question(), answer(decision, text="here", arguments={}))


def test_approval_rejects_a_text_answer() -> None:
    with pytest.raises(InvalidAnswer, match="^request ABCDE accepts approve or deny or edit, not answer$"):
        judged(approval(), answer("answer", text="approve"))


@pytest.mark.parametrize("text", [None, "", "  \n\t"])
def test_question_needs_a_text(text: str | None) -> None:
    with pytest.raises(InvalidAnswer, match="^request ABCDE needs a text as its answer$"):
        judged(question(), answer("answer", text=text))


@pytest.mark.parametrize(
    ("asked", "fitting", "unfit", "words"),
    [
        (question(choices=("here", "there")), "here", "Here", "here, there"),
        (question(format="yes_no"), "yes", "maybe", "yes, no"),
        (question(format="yes_no", choices=("ja", "nein")), "ja", "yes", "ja, nein"),
    ],
)
def test_question_with_choices_accepts_only_a_choice(asked: Request, fitting: str, unfit: str, words: str) -> None:
    assert judged(asked, answer("answer", text=fitting)).status == "answered"
    with pytest.raises(InvalidAnswer, match=f"^request ABCDE accepts one of: {words}$"):
        judged(asked, answer("answer", text=unfit))


def test_answer_needs_a_named_person_but_no_assurance() -> None:
    said = {"text": "here", "assurance": Assurance.NONE}
    assert judged(question(), answer("answer", BOB, **said)).status == "answered"
    assert judged(question(), answer("answer", ALICE, **said)).status == "answered"  # whoever asked first
    assert judged(question(), answer("answer", STRANGER, **said)).status == "open"


# Edits


def test_edit_counts_as_approval_of_the_editor() -> None:
    judgement = judged(approval(), answer("edit", arguments=ELSEWHERE), edited_call=edit())
    assert (judgement.status, judgement.answer.decision) == ("approved", "edit")


def test_edit_cancels_earlier_approvals() -> None:
    two = ApprovalTerms(roles=("release",), quorum=2)
    request, _ = with_answers(approval(two), answer(by=CAROL))
    judgement = judged(request, answer("edit", BOB, arguments=ELSEWHERE), edited_call=edit(two))
    assert judgement.status == "open"


def test_edit_is_evaluated_by_the_terms_of_the_new_arguments() -> None:
    strict = ApprovalTerms(roles=("oncall",))
    by_bob = judged(approval(), answer("edit", BOB, arguments=ELSEWHERE), edited_call=edit(strict))
    by_carol = judged(approval(), answer("edit", CAROL, arguments=ELSEWHERE), edited_call=edit(strict))
    assert (by_bob.status, by_bob.answer.counted) == ("open", False)
    assert by_carol.status == "approved"


def test_edit_needs_the_right_to_decide_the_old_request() -> None:
    anybody = ApprovalTerms(roles=("*",), requester_may_approve=True)
    judgement = judged(approval(), answer("edit", ALICE, arguments={"where": "nowhere"}), edited_call=edit(anybody))
    assert judgement.rejection_reason == "Alice is not allowed to decide this request (requires role release)"


def test_edit_to_an_allowed_call_keeps_the_old_terms() -> None:
    two = approval(ApprovalTerms(roles=("release",), quorum=2))
    assert judged(two, answer("edit", BOB, arguments=ELSEWHERE), edited_call=edit(None)).status == "open"


@pytest.mark.parametrize(
    ("request_", "arguments", "edited"),
    [
        (approval(), None, None),
        (approval(), ELSEWHERE, None),
        (approval(purpose="budget"), ELSEWHERE, edit()),
    ],
)
def test_edit_needs_new_arguments_with_a_policy_decision(request_: Request, arguments, edited) -> None:
    with pytest.raises(InvalidAnswer, match="^an edit needs new arguments for a tool call$"):
        judged(request_, answer("edit", arguments=arguments), edited_call=edited)


def test_approval_of_an_edited_request_needs_its_digest() -> None:
    two = ApprovalTerms(roles=("release",), quorum=2)
    request, _ = with_answers(approval(two), answer("edit", CAROL, arguments=ELSEWHERE), edited_call=edit(two))
    with pytest.raises(StaleApproval, match="was edited after it was opened") as refused:
        judged(request, answer("approve", BOB))
    assert refused.value.details == request
    assert judged(request, answer("approve", BOB), shown_digest=request.digest).status == "approved"
    assert judged(request, answer("deny", BOB)).status == "denied"


def test_requester_is_rejected_before_the_digest_check() -> None:
    two = ApprovalTerms(roles=("release",), quorum=2)
    asked = approval(two, requesters=(ALICE, BOB))
    request, _ = with_answers(asked, answer("edit", CAROL, arguments=ELSEWHERE), edited_call=edit(two))
    assert judged(request, answer("approve", BOB)).rejection_reason == OWN_WORDS


STRICT = ApprovalTerms(roles=("release",), editor_may_approve=False)


@pytest.mark.parametrize(("before", "behind"), [(STRICT, RELEASE_TERMS), (RELEASE_TERMS, STRICT), (STRICT, None)])
def test_edit_is_a_proposal_if_old_or_new_terms_say_so(before: ApprovalTerms, behind: ApprovalTerms | None) -> None:
    judgement = judged(approval(before), answer("edit", BOB, arguments=ELSEWHERE), edited_call=edit(behind))
    assert (judgement.status, judgement.answer.counted, judgement.answer.is_proposal) == ("open", True, True)


def test_proposal_needs_approval_by_another_person() -> None:
    request, _ = with_answers(approval(STRICT), answer("edit", BOB, arguments=ELSEWHERE), edited_call=edit(STRICT))
    assert request.approvers == ()
    for by in (BOB, BOBS_TERMINAL):
        refused = judged(request, answer("approve", by), shown_digest=request.digest).rejection_reason
        assert refused == "you edited this version, so another person must approve it"
    by_proxy = judged(request, answer("approve", CAROL, entered_by=BOB), shown_digest=request.digest)
    assert by_proxy.rejection_reason == "you edited this version, so another person must approve it"
    assert judged(request, answer("approve", CAROL), shown_digest=request.digest).status == "approved"


def test_editor_may_approve_a_later_edit_of_another_person() -> None:
    request, _ = with_answers(approval(STRICT), answer("edit", BOB, arguments=ELSEWHERE), edited_call=edit(STRICT))
    request, _ = with_answers(request, answer("edit", CAROL, arguments={"where": "x"}), edited_call=edit(STRICT))
    assert judged(request, answer("approve", BOB), shown_digest=request.digest).status == "approved"


@pytest.mark.parametrize("decision", ["approve", "edit"])
def test_each_requester_is_rejected_at_each_address(decision: str) -> None:
    request = approval(requesters=(ALICE, Address("terminal:bob"), PHONE))
    for by in (BOB, BOBS_TERMINAL, Address("web:bob"), CAROL, PHONE):
        assert judged(request, answer(decision, by, arguments=ELSEWHERE)).rejection_reason == OWN_WORDS


def test_requester_cannot_approve_for_another_person() -> None:
    request = approval(requesters=(ALICE, PHONE))
    assert judged(request, answer(by=BOB, entered_by=CAROL)).rejection_reason == OWN_WORDS
    assert judged(request, answer(by=BOB, entered_by=ALICE)).rejection_reason == OWN_WORDS


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"by": BOB, "entered_by": ALICE}, {"by": CAROL, "entered_by": MAIL}),
        ({"by": BOB, "entered_by": CAROL}, {"by": PHONE}),
        ({"by": BOB}, {"by": CAROL, "entered_by": BOBS_TERMINAL}),
    ],
)
def test_one_person_counts_once_under_any_name(first: dict, second: dict) -> None:
    two = ApprovalTerms(roles=("release",), quorum=2, requester_may_approve=True)
    request, judgement = with_answers(approval(two), answer(**first), answer(**second))
    assert (request.status, request.approvers) == ("open", (BOB,))
    assert (
        judgement.rejection_reason
        == "you have already approved this, for yourself or for another person; it needs one more person"
    )
    repeated, _ = with_answers(request, answer(**first))
    assert repeated.answers[-1].counted
    assert lapse_reason(two, approvals_of(first, second), (ALICE,), PEOPLE) is not None


def test_program_may_enter_approvals_of_several_people() -> None:
    two = ApprovalTerms(roles=("release",), quorum=2)
    said = [{"by": BOB, "entered_by": STRANGER}, {"by": CAROL, "entered_by": STRANGER}]
    request, _ = with_answers(approval(two), *(answer(**one) for one in said))
    assert request.status == "approved"
    assert lapse_reason(two, approvals_of(*said), (ALICE,), PEOPLE) is None


def test_unknown_enterer_is_not_a_requester() -> None:
    request = approval(requesters=(ALICE, STRANGER))
    judgement = judged(request, answer(by=BOB, entered_by=STRANGER))
    assert (judgement.status, judgement.answer.entered_by) == ("approved", STRANGER)


def test_right_to_edit_is_checked_before_the_arguments() -> None:
    assert judged(approval(), answer("edit", ALICE)).rejection_reason is not None
    with pytest.raises(InvalidAnswer):
        judged(approval(), answer("edit", BOB))


# Whatever people do, in whatever order


decisions = st.sampled_from(["approve", "approve", "deny", "edit", "answer"])
speakers = st.sampled_from([ALICE, BOB, CAROL, STRANGER, MAIL, BOBS_TERMINAL, PHONE])
asks = st.builds(
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
    by=speakers,
    entered_by=st.none() | speakers,
    channel=st.just(Address("web:console")),
    assurance=st.sampled_from(Assurance),
    decision=decisions,
    text=st.just("here"),
    arguments=st.just(ELSEWHERE),
)


@given(asks, asks, st.lists(answers, max_size=12), st.booleans(), st.lists(speakers, max_size=3))
def test_request_ends_once_and_only_by_people_of_its_terms(ask, new, said, is_question, spoke) -> None:
    requesters = (ALICE, *spoke)
    request = question(ask, requesters=requesters) if is_question else approval(ask, requesters=requesters)
    endings = 0
    for one, nth in zip(said, count()):
        edited = edit(new, {"where": nth}) if one.decision == "edit" else None
        try:
            judgement = judged(request, one, edited_call=edited, shown_digest=request.digest)
        except HandrailError:
            continue
        assert request.status == "open"
        assert judgement.answer.counted == (judgement.rejection_reason is None)
        endings += judgement.status != "open"
        request = after(request, judgement, edited)
        assert_rightly_approved(request)
    assert endings == (request.status != "open")


def after(request: Request, judgement: AnswerEvaluation, edited: EditedCall | None) -> Request:
    """The request as the fold keeps it."""
    earlier = request.answers
    changed: dict[str, Any] = {"status": judgement.status}
    if edited is not None and judgement.answer.counted:
        earlier = tuple(a.model_copy(update={"counted": False}) for a in earlier)
        changed["policy"] = edited.policy
    return request.model_copy(update={**changed, "answers": (*earlier, judgement.answer)})


def assert_rightly_approved(request: Request) -> None:
    people = [PEOPLE.get(a) for a in request.approvers]
    assert all(who is not None and may_decide(who, request.terms) for who in people)
    assert len({who.key for who in people if who}) == len(people)
    if request.status == "approved":
        assert len(people) >= request.terms.quorum
        assert len({*map(acting_person, request.approvals)}) >= request.terms.quorum
        if not request.terms.requester_may_approve:
            assert not humans(*request.all_requesters) & humans(*request.approvers, *entered(request))
        if not request.terms.editor_may_approve and request.last_edit is not None:
            assert not humans(request.last_edit.by) & humans(*request.approvers)


def humans(*addresses: Address) -> set[str]:
    return {who.key for address in addresses if (who := PEOPLE.get(address)) is not None}


def acting_person(given: RecordedAnswer) -> Person | None:
    return (PEOPLE.get(given.entered_by) if given.entered_by else None) or PEOPLE.get(given.by)


def entered(request: Request) -> list[Address]:
    return [given.entered_by for given in request.approvals if given.entered_by is not None]


# Once more, before the tool runs


def approvals(*by: Address, **changed: Any) -> tuple[RecordedAnswer, ...]:
    facts = {"channel": "web:console", "assurance": "high", "decision": "approve", "at": NOW, "counted": True}
    return tuple(RecordedAnswer.model_validate({"by": one, **facts, **changed}) for one in by)


@pytest.mark.parametrize("assurance", list(Assurance))
@pytest.mark.parametrize("least", list(Assurance))
def test_assurance_is_checked_again_before_the_start(assurance: Assurance, least: Assurance) -> None:
    ask = ApprovalTerms(roles=("release",), min_assurance=least)
    holds = lapse_reason(ask, approvals(BOB, assurance=assurance), (ALICE,), PEOPLE) is None
    assert holds is (assurance.rank >= least.rank)


@pytest.mark.parametrize("requesters", [(ALICE, BOB), (ALICE, BOBS_TERMINAL), (Address("web:bob"),)])
def test_approval_by_a_requester_lapses(requesters: tuple[Address, ...]) -> None:
    assert lapse_reason(RELEASE_TERMS, approvals(BOB), requesters, PEOPLE) is not None
    assert lapse_reason(RELEASE_TERMS, approvals(CAROL), requesters, PEOPLE) is None


def test_approval_entered_by_a_requester_lapses() -> None:
    assert lapse_reason(RELEASE_TERMS, approvals(BOB, entered_by=CAROL), (ALICE, PHONE), PEOPLE) is not None
    assert lapse_reason(RELEASE_TERMS, approvals(BOB, entered_by=STRANGER), (ALICE, STRANGER), PEOPLE) is None


def test_edit_lapses_if_editors_may_no_longer_approve() -> None:
    strict = ApprovalTerms(roles=("release",), editor_may_approve=False)
    assert lapse_reason(strict, approvals(BOB, decision="edit"), (ALICE,), PEOPLE) is not None
    assert lapse_reason(strict, approvals(BOB), (ALICE,), PEOPLE) is None


def test_approval_stays_valid_without_changes() -> None:
    assert lapse_reason(RELEASE_TERMS, approvals(BOB), (ALICE,), PEOPLE) is None


@pytest.mark.parametrize(
    ("ask", "approvers", "requester"),
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
def test_approval_lapses_with_changed_rules_or_people(ask: ApprovalTerms, approvers, requester: Address) -> None:
    words = "the approval is no longer valid: the rules or the people they name changed after it was given"
    assert lapse_reason(ask, approvals(*approvers), (requester,), PEOPLE) == words


def test_approval_lapses_when_the_approver_loses_the_role() -> None:
    judgement = judged(approval(), answer(by=BOB))
    without = tuple(p.model_copy(update={"roles": ()}) if p.key == "bob" else p for p in PEOPLE.members)
    assert lapse_reason(RELEASE_TERMS, (judgement.answer,), (ALICE,), PEOPLE) is None
    assert lapse_reason(RELEASE_TERMS, (judgement.answer,), (ALICE,), People(members=without)) is not None


def test_approval_lapses_when_the_approver_is_removed() -> None:
    alone = People(members=(Person(key="alice", name="Alice"),))
    assert lapse_reason(RELEASE_TERMS, approvals(BOB), (ALICE,), alone) is not None


@given(asks, st.lists(speakers, max_size=4), speakers)
def test_approved_request_has_not_lapsed_without_changes(ask: ApprovalTerms, by: list[Address], requester) -> None:
    said = [answer("approve", who) for who in by]
    request = approval(ask, requester=requester)
    for one in said:
        if request.status == "open":
            request, _ = with_answers(request, one)
    if request.status == "approved":
        assert lapse_reason(ask, request.approvals, request.all_requesters, PEOPLE) is None
    else:
        assert lapse_reason(ask, request.approvals, request.all_requesters, PEOPLE) is not None
