"""Requesters: all whose words entered the log before a proposal, whatever the model still remembers."""

import pytest
from hypothesis import given

from agents.addresses import Address
from agents.events import KnownEvent, ThreadForked, ThreadStarted
from agents.policy import Policy
from agents.reducer import MOST_REMEMBERED, fold
from agents.state import ThreadState
from agents.steps import CallTool, RequestHumanInput
from tests.agents.samples import (
    ALICE,
    BOB,
    CAROL,
    NOW,
    RELEASE,
    STRANGER,
    TERMINAL,
    answered,
    asking_thread,
    edited,
    message,
    open_request,
    policy_asking,
    stepped,
    thread,
)
from tests.histories import PEOPLE, Walk, walks

PUSH = CallTool(tool="push", arguments={"where": "staging"})
WHY = RequestHumanInput(question="Why?")


def proposing(state: ThreadState) -> tuple[Address, ...]:
    """Return the requesters of a proposal that is made now."""
    return open_request(stepped(state, PUSH, policy_asking(RELEASE))).asked_by


def forked(by: Address) -> ThreadForked:
    return ThreadForked(at=NOW, actor=by, thread_id="thr_2", parent="thr_1", at_seq=2)


def test_the_opener_and_who_they_open_it_for_are_requesters() -> None:
    started = {"at": NOW, "actor": BOB, "thread_id": "thr_1", "agent": "walker", "origin": TERMINAL}
    opened = ThreadStarted.model_validate({**started, "requester": ALICE, "entered_by": CAROL})
    assert fold(ThreadState(), [opened]).requesters == (ALICE, BOB, CAROL)


@pytest.mark.parametrize(
    ("event", "more"),
    [
        (message("x", by=BOB), (BOB,)),
        (message("x", by=ALICE), ()),
        (message("x", by=STRANGER), (STRANGER,)),
        (message("x", by=BOB, entered_by=CAROL), (BOB, CAROL)),
        (message("x", by=ALICE, author=BOB), (BOB,)),
        (edited("m1", "x", by=BOB), (BOB,)),
        (forked(BOB), (BOB,)),
    ],
)
def test_everybody_whose_words_came_in_is_a_requester(event: KnownEvent, more: tuple[Address, ...]) -> None:
    assert proposing(thread(event)) == (ALICE, *more)


def test_words_count_beyond_what_is_remembered_and_beyond_a_tool() -> None:
    spoke = thread(message("x", by=BOB), *[message("y")] * MOST_REMEMBERED)
    looked = stepped(spoke, CallTool(tool="look", arguments={"depth": 1}), Policy())
    assert not any(getattr(event, "actor", None) == BOB for event in looked.recent)
    assert looked.requesters == (ALICE, BOB)


def decided(decision: str = "deny", by: Address = BOB, **words: str) -> ThreadState:
    """Return a thread in which a push was decided; with these words, if any."""
    return answered(asking_thread(), decision, by, **words)


@pytest.mark.parametrize(
    ("words", "tool", "editor_may_approve", "is_requester"),
    [
        ({}, "ship", True, False),
        ({"comment": "ship it instead"}, "ship", True, True),
        ({"comment": "staging first"}, "push", True, False),
        ({"comment": "staging first"}, "push", False, True),
    ],
)
def test_words_of_a_decision_lead_to_what_follows_like_an_edit(
    words: dict[str, str], tool: str, editor_may_approve: bool, is_requester: bool
) -> None:
    state = decided(**words)
    assert (BOB in state.requesters_of(tool, may_edit=editor_may_approve)) is is_requester
    assert BOB not in state.requesters


def test_words_of_a_decision_lead_to_nothing_after_the_next_message() -> None:
    state = decided(comment="ship it instead")
    assert BOB not in fold(state, [message("and now push", by=ALICE)]).requesters_of("ship")
    assert BOB in fold(state, [message("and now push", by=BOB)]).requesters_of("push")


def test_words_after_a_proposal_make_no_requester_of_it() -> None:
    state = fold(asking_thread(), [message("wait a bit", by=BOB)])
    state = answered(state, by=CAROL, comment="go")
    assert state.call is not None
    assert state.call.requesters == (ALICE,)
    assert state.requesters == (ALICE, BOB)


def test_the_answer_to_a_question_makes_a_requester_of_what_follows() -> None:
    asked = stepped(thread(), WHY, Policy())
    assert proposing(answered(asked, "answer", BOB, text="push it to staging")) == (ALICE, BOB)


def humans(*addresses: Address) -> set[str]:
    return {who.key for address in addresses if (who := PEOPLE.get(address)) is not None}


@given(walks())
def test_no_approval_counts_of_a_person_whose_words_led_to_it(walk: Walk) -> None:
    for state in walk.states:
        for request in state.requests:
            entered = [given.entered_by for given in request.approvals if given.entered_by is not None]
            if not request.ask.requester_may_approve:
                assert not humans(*request.asked_by) & humans(*request.approvers, *entered)
        if state.call is not None and state.call.ask is not None and not state.call.ask.requester_may_approve:
            assert not humans(*state.call.requesters) & humans(*(given.by for given in state.call.approvals))


@given(walks())
def test_every_request_names_all_who_spoke_before_it(walk: Walk) -> None:
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
