"""Requesters: all whose words entered the log before a proposal, whatever the model still remembers."""

import pytest
from hypothesis import given

from agents.addresses import Address
from agents.events import KnownEvent, ThreadForked, ThreadStarted
from agents.policy import Policy
from agents.reducer import MAX_HISTORY_EVENTS, fold
from agents.state import ThreadState
from agents.steps import CallTool, RequestHumanInput
from tests.agents.factories import (
    ALICE,
    BOB,
    CAROL,
    NOW,
    RELEASE_TERMS,
    STRANGER,
    TERMINAL,
    after_answer,
    after_step,
    get_open_request,
    message_edited,
    message_received,
    policy_requiring_approval,
    thread,
    thread_with_approval,
)
from tests.histories import PEOPLE, RandomHistory, random_histories

PUSH = CallTool(tool="push", arguments={"where": "staging"})
WHY = RequestHumanInput(question="Why?")


def proposing(state: ThreadState) -> tuple[Address, ...]:
    """Return the requesters of a proposal that is made now."""
    return get_open_request(after_step(state, PUSH, policy_requiring_approval(RELEASE_TERMS))).all_requesters


def forked(by: Address) -> ThreadForked:
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
        (forked(BOB), (BOB,)),
    ],
)
def test_every_author_of_a_message_is_a_requester(event: KnownEvent, more: tuple[Address, ...]) -> None:
    assert proposing(thread(event)) == (ALICE, *more)


def test_requesters_outlast_the_history() -> None:
    spoke = thread(message_received("x", by=BOB), *[message_received("y")] * MAX_HISTORY_EVENTS)
    looked = after_step(spoke, CallTool(tool="look", arguments={"depth": 1}), Policy())
    assert not any(getattr(event, "actor", None) == BOB for event in looked.history)
    assert looked.requesters == (ALICE, BOB)


def decided(decision: str = "deny", by: Address = BOB, **words: str) -> ThreadState:
    """Return a thread in which a push was decided; with these words, if any."""
    return after_answer(thread_with_approval(), decision, by, **words)


@pytest.mark.parametrize(
    ("words", "tool", "editor_may_approve", "is_requester"),
    [
        ({}, "ship", True, False),
        ({"comment": "ship it instead"}, "ship", True, True),
        ({"comment": "staging first"}, "push", True, False),
        ({"comment": "staging first"}, "push", False, True),
    ],
)
def test_decision_comment_makes_a_requester_like_an_edit(
    words: dict[str, str], tool: str, editor_may_approve: bool, is_requester: bool
) -> None:
    state = decided(**words)
    assert (BOB in state.requesters_for(tool, may_editor_approve=editor_may_approve)) is is_requester
    assert BOB not in state.requesters


def test_decision_comment_ends_with_the_next_message() -> None:
    state = decided(comment="ship it instead")
    assert BOB not in fold(state, [message_received("and now push", by=ALICE)]).requesters_for("ship")
    assert BOB in fold(state, [message_received("and now push", by=BOB)]).requesters_for("push")


def test_message_after_a_proposal_makes_no_requester() -> None:
    state = fold(thread_with_approval(), [message_received("wait a bit", by=BOB)])
    state = after_answer(state, by=CAROL, comment="go")
    assert state.current_call is not None
    assert state.current_call.requesters == (ALICE,)
    assert state.requesters == (ALICE, BOB)


def test_answer_to_a_question_makes_a_requester() -> None:
    asked = after_step(thread(), WHY, Policy())
    assert proposing(after_answer(asked, "answer", BOB, text="push it to staging")) == (ALICE, BOB)


def humans(*addresses: Address) -> set[str]:
    return {who.key for address in addresses if (who := PEOPLE.get(address)) is not None}


@given(random_histories())
def test_no_approval_of_a_requester_counts(walk: RandomHistory) -> None:
    for state in walk.states:
        for request in state.requests:
            entered = [given.entered_by for given in request.approvals if given.entered_by is not None]
            if not request.terms.requester_may_approve:
                assert not humans(*request.all_requesters) & humans(*request.approvers, *entered)
        if (
            state.current_call is not None
            and state.current_call.terms is not None
            and not state.current_call.terms.requester_may_approve
        ):
            assert not humans(*state.current_call.requesters) & humans(
                *(given.by for given in state.current_call.approvals)
            )


@given(random_histories())
def test_every_request_names_all_earlier_authors(walk: RandomHistory) -> None:
    spoke: list[Address] = []
    reports: set[str] = set()
    advised: list[Address] = []
    for event, state in zip(walk.events, walk.states[1:], strict=True):
        if event.type == "RequestOpened" and event.request.purpose == "outcome":
            reports.add(event.request.id)
        if event.type == "RequestOpened" and event.request.purpose != "outcome":
            assert set(spoke) <= set(event.request.requesters) <= {*spoke, *advised}
        advised = [] if event.type == "MessageReceived" else advised
        if event.type in ("ThreadStarted", "MessageReceived", "MessageEdited", "ThreadForked"):
            spoke += [event.actor, *filter(None, [getattr(event, "entered_by", None)])]
        has_words = event.type == "RequestAnswered" and (event.answer.text or event.answer.comment or event.digest)
        if has_words and event.request_id not in reports:
            heard = spoke if event.answer.decision == "answer" else advised
            heard += [event.answer.by, *filter(None, [event.answer.entered_by])]
        assert set(state.requesters) == set(spoke)
