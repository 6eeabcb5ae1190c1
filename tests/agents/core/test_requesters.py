"""Requesters are all authors of messages before a proposal, including messages dropped from the history."""

import pytest
from hypothesis import given

from agents.core.events import KnownEvent, ThreadForked, ThreadStarted
from agents.core.policy import Policy
from agents.core.reducer import MAX_HISTORY_EVENTS, fold
from agents.core.state import ThreadState
from agents.core.steps import CallTool, RequestHumanInput
from agents.core.values import Address
from tests.agents.factories import (
    NOW,
    RELEASE_TERMS,
    TERMINAL,
    after_answer,
    after_step,
    get_open_request,
    message_edited,
    message_received,
    policy_requiring_approval,
    thread,
    thread_waiting_for_approval,
)
from tests.harness.people import ALICE, BOB, CAROL, STRANGER
from tests.histories import PEOPLE, RandomHistory, random_histories

PUSH_CALL = CallTool(tool="push", arguments={"where": "staging"})
WHY_QUESTION = RequestHumanInput(question="Why?")


def proposal_requesters(state: ThreadState) -> tuple[Address, ...]:
    """Return the requesters of a proposal made now."""
    return get_open_request(after_step(state, PUSH_CALL, policy_requiring_approval(RELEASE_TERMS))).all_requesters


def thread_forked(by: Address) -> ThreadForked:
    return ThreadForked(at=NOW, actor=by, thread_id="thr_2", parent="thr_1", at_seq=2)


def test_opener_and_beneficiary_are_requesters() -> None:
    started = {"at": NOW, "actor": BOB, "thread_id": "thr_1", "agent": "walker", "origin": TERMINAL}
    opened = ThreadStarted.model_validate({**started, "requester": ALICE, "entered_by": CAROL})
    assert fold(ThreadState(), [opened]).requesters == (ALICE, BOB, CAROL)


@pytest.mark.parametrize(
    ("event", "more"),
    [
        (message_received("x", by=BOB), (BOB,)),
        (message_received("x", by=ALICE), ()),
        (message_received("x", by=STRANGER), (STRANGER,)),
        (message_received("x", by=BOB, entered_by=CAROL), (BOB, CAROL)),
        (message_received("x", by=ALICE, author=BOB), (BOB,)),
        (message_edited("m1", "x", by=BOB), (BOB,)),
        (thread_forked(BOB), (BOB,)),
    ],
)
def test_every_author_of_a_message_is_a_requester(event: KnownEvent, more: tuple[Address, ...]) -> None:
    assert proposal_requesters(thread(event)) == (ALICE, *more)


def test_requesters_outlast_the_history() -> None:
    state = thread(message_received("x", by=BOB), *[message_received("y")] * MAX_HISTORY_EVENTS)
    state = after_step(state, CallTool(tool="look", arguments={"depth": 1}), Policy())
    assert not any(getattr(event, "actor", None) == BOB for event in state.history)
    assert state.requesters == (ALICE, BOB)


def after_decision(decision: str = "deny", by: Address = BOB, **fields: str) -> ThreadState:
    """Return a thread in which a push was decided, with these fields of the answer."""
    return after_answer(thread_waiting_for_approval(), decision, by, **fields)


@pytest.mark.parametrize(
    ("fields", "tool", "editor_may_approve", "is_requester"),
    [
        ({}, "ship", True, False),
        ({"comment": "ship it instead"}, "ship", True, True),
        ({"comment": "staging first"}, "push", True, False),
        ({"comment": "staging first"}, "push", False, True),
    ],
)
def test_decision_comment_makes_a_requester_like_an_edit(
    fields: dict[str, str], tool: str, editor_may_approve: bool, is_requester: bool
) -> None:
    state = after_decision(**fields)
    assert (BOB in state.requesters_for(tool, may_editor_approve=editor_may_approve)) is is_requester
    assert BOB not in state.requesters


def test_decision_comment_ends_with_the_next_message() -> None:
    state = after_decision(comment="ship it instead")
    assert BOB not in fold(state, [message_received("and now push", by=ALICE)]).requesters_for("ship")
    assert BOB in fold(state, [message_received("and now push", by=BOB)]).requesters_for("push")


def test_message_after_a_proposal_makes_no_requester() -> None:
    state = fold(thread_waiting_for_approval(), [message_received("wait a bit", by=BOB)])
    state = after_answer(state, by=CAROL, comment="go")
    assert state.current_call is not None
    assert state.current_call.requesters == (ALICE,)
    assert state.requesters == (ALICE, BOB)


def test_answer_to_a_question_makes_a_requester() -> None:
    waiting = after_step(thread(), WHY_QUESTION, Policy())
    assert proposal_requesters(after_answer(waiting, "answer", BOB, text="push it to staging")) == (ALICE, BOB)


def person_keys(*addresses: Address) -> set[str]:
    return {person.key for address in addresses if (person := PEOPLE.get(address)) is not None}


@given(random_histories())
def test_no_approval_of_a_requester_counts(history: RandomHistory) -> None:
    for state in history.states:
        for request in state.requests:
            entered = [given.entered_by for given in request.approvals if given.entered_by is not None]
            if not request.terms.requester_may_approve:
                assert not person_keys(*request.all_requesters) & person_keys(*request.approvers, *entered)
        if (
            state.current_call is not None
            and state.current_call.terms is not None
            and not state.current_call.terms.requester_may_approve
        ):
            assert not person_keys(*state.current_call.requesters) & person_keys(
                *(given.by for given in state.current_call.approvals)
            )


@given(random_histories())
def test_every_request_names_all_earlier_authors(history: RandomHistory) -> None:
    authors: list[Address] = []
    outcome_requests: set[str] = set()
    commenters: list[Address] = []
    for event, state in zip(history.events, history.states[1:], strict=True):
        if event.type == "RequestOpened" and event.request.purpose == "outcome":
            outcome_requests.add(event.request.id)
        if event.type == "RequestOpened" and event.request.purpose != "outcome":
            assert set(authors) <= set(event.request.requesters) <= {*authors, *commenters}
        commenters = [] if event.type == "MessageReceived" else commenters
        if event.type in ("ThreadStarted", "MessageReceived", "MessageEdited", "ThreadForked"):
            authors += [event.actor, *filter(None, [getattr(event, "entered_by", None)])]
        has_text = event.type == "RequestAnswered" and (event.answer.text or event.answer.comment or event.digest)
        if has_text and event.request_id not in outcome_requests:
            addresses = authors if event.answer.decision == "answer" else commenters
            addresses += [event.answer.by, *filter(None, [event.answer.entered_by])]
        assert set(state.requesters) == set(authors)
