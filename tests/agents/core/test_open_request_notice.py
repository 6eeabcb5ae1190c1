"""The author of a message gets a notice about what the open request waits for."""

from typing import Any

import pytest

from agents.core.deadlines import expiry_pause_reason
from agents.core.events import KnownEvent, MessageReceived, NoticeGiven, RequestAnswered, ThreadResumed
from agents.core.message_rules import events_for_message
from agents.core.messages import Provenance
from agents.core.next_step import next_work
from agents.core.people import People, Person
from agents.core.policy import ApprovalTerms
from agents.core.reducer import fold
from agents.core.requests import RecordedAnswer, Request
from agents.core.state import ThreadState
from agents.core.values import Address
from agents.llm.offline.history import command_history
from agents.llm.prompt import render_event
from tests.agents.factories import (
    AGENT,
    answer,
    approval,
    incoming_message,
    question,
    seconds_later,
    thread_waiting_for_approval,
)
from tests.harness.people import ALICE, BOB, CAROL, STRANGER
from tests.histories import PEOPLE

SOURCE = Address("terminal:user")
TWO_APPROVALS = ApprovalTerms(roles=("release",), quorum=2, expires=1800)
OUTCOME_QUESTION = {
    "purpose": "outcome",
    "choices": ("it ran", "it did not run", "run again"),
    "format": "multiple_choice",
}

CAROLS_APPROVAL = RecordedAnswer.model_validate(
    {**answer(by=CAROL).model_dump(exclude={"arguments"}), "at": seconds_later(1), "counted": True}
)


def answer_instructions(request: Request) -> str:
    return f"/{'answer' if request.kind == 'question' else 'approve'} {request.code}"


def events(request: Request, text: str, by: Address = ALICE, seconds: float = 0, **more: Any) -> tuple[KnownEvent, ...]:
    state = ThreadState(requests=(request,), requester=ALICE)
    return events_for_message(
        state,
        incoming_message(text, by, seconds_later(seconds), **more),
        people=PEOPLE,
        agent=AGENT,
        answer_instructions=answer_instructions,
    )


def notice_text(request: Request, text: str, by: Address = ALICE, seconds: float = 0) -> str | None:
    texts = [e.text for e in events(request, text, by, seconds) if isinstance(e, NoticeGiven)]
    assert len(texts) <= 1
    return texts[0] if texts else None


@pytest.mark.parametrize(
    ("request_", "text", "by", "expected"),
    [
        (
            approval(TWO_APPROVALS),
            "why?",
            ALICE,
            "release (Bob, Carol), 0 of 2, until 03:34 UTC; /approve ABCDE.",
        ),
        (
            approval(TWO_APPROVALS, answers=(CAROLS_APPROVAL,)),
            "why?",
            ALICE,
            "release (Bob), 1 of 2, until 03:34 UTC; /approve ABCDE.",
        ),
        (
            approval(TWO_APPROVALS, is_kept_open=True),
            "looks odd",
            BOB,
            "release (Bob, Carol), 0 of 2; /approve ABCDE.",
        ),
        (
            approval(ApprovalTerms(roles=("release",), expires=86400)),
            "hm",
            BOB,
            "release (Bob, Carol), 0 of 1, until 2026-01-03 03:04 UTC; /approve ABCDE.",
        ),
        (
            approval(ApprovalTerms(people=("bob",)), requesters=(BOB,)),
            "hm",
            CAROL,
            "an approval that no known person can give, 0 of 1, until 03:34 UTC; /approve ABCDE.",
        ),
        (
            approval(ApprovalTerms(roles=("*",))),
            "hm",
            CAROL,
            "any known person, 0 of 1, until 03:34 UTC; /approve ABCDE.",
        ),
        (
            question(choices=("staging", "production")),
            "the moon",
            ALICE,
            "an answer, until 03:34 UTC. Answer with one of: staging, production.",
        ),
        (
            question(ApprovalTerms(people=("bob",))),
            "the moon",
            CAROL,
            "Alice or Bob, until 03:34 UTC; /answer ABCDE.",
        ),
        (
            question(**OUTCOME_QUESTION),
            "it ran",
            BOB,
            "Alice or release (Bob, Carol), until 03:34 UTC; a message does not answer this question; /answer ABCDE.",
        ),
    ],
)
def test_notice_names_deciders_progress_deadline_and_command(
    request_: Request, text: str, by: Address, expected: str
) -> None:
    assert (notice_text(request_, text, by) or "").startswith(f"ABCDE still waits for {expected}")


@pytest.mark.parametrize("text", ["ok", "Yes!", "approve", "👍", "LGTM, go", "I approve this"])
@pytest.mark.parametrize("by", [ALICE, BOB])
def test_consent_gets_the_hint_that_messages_never_approve(text: str, by: Address) -> None:
    assert (notice_text(approval(TWO_APPROVALS), text, by) or "").endswith("/approve ABCDE. A message never approves.")


@pytest.mark.parametrize("text", ["why staging?", "noted", "", "okra"])
def test_comment_gets_the_notice_without_the_hint(text: str) -> None:
    assert (notice_text(approval(TWO_APPROVALS), text) or "").endswith("/approve ABCDE.")


def test_answer_or_instruction_gets_no_notice() -> None:
    assert notice_text(question(choices=("here",)), "here") is None
    assert notice_text(approval(TWO_APPROVALS), "stop") is None
    assert notice_text(approval(TWO_APPROVALS), "ship elsewhere", BOB) is None


def test_message_after_the_deadline_gets_no_notice() -> None:
    assert notice_text(approval(TWO_APPROVALS), "ok", seconds=1800) is None
    assert notice_text(approval(TWO_APPROVALS, is_kept_open=True), "ok", seconds=1800) is not None


@pytest.mark.parametrize("provenance", sorted(set(Provenance) - {Provenance.VERIFIED_PERSON}))
def test_only_a_verified_person_gets_a_notice(provenance: Provenance) -> None:
    assert [type(e) for e in events(approval(), "ok", STRANGER, provenance=provenance)] == [MessageReceived]


def test_notice_goes_to_the_source_of_the_message() -> None:
    (_, notice) = events(approval(), "ok", BOB, source=Address("slack:C1:1.2"))
    assert isinstance(notice, NoticeGiven)
    assert notice.to == "slack:C1:1.2"


def test_no_notice_without_answer_instructions() -> None:
    state = ThreadState(requests=(approval(),), requester=ALICE)
    assert len(events_for_message(state, incoming_message("ok"), people=PEOPLE, agent=AGENT)) == 1


def test_notice_lists_no_more_than_ten_people_of_a_role() -> None:
    crowd = People(members=tuple(Person(key=f"p{n}", name=f"P{n}", roles=("release",)) for n in range(12)))
    state = ThreadState(requests=(approval(),), requester=ALICE)
    (_, notice) = events_for_message(
        state, incoming_message("hm"), people=crowd, agent=AGENT, answer_instructions=answer_instructions
    )
    assert isinstance(notice, NoticeGiven)
    assert "P9, 2 more)" in notice.text


def after_message(state: ThreadState, text: str, seconds: float, *, is_shared: bool = True) -> tuple[ThreadState, int]:
    """Return the thread after a message, and the number of notices."""
    recorded = events_for_message(
        state,
        incoming_message(text, at=seconds_later(seconds)),
        people=PEOPLE,
        agent=AGENT,
        answer_instructions=answer_instructions,
        is_shared=is_shared,
    )
    return fold(state, recorded), sum(isinstance(event, NoticeGiven) for event in recorded)


def test_every_message_in_a_terminal_gets_a_notice() -> None:
    state, first = after_message(thread_waiting_for_approval(TWO_APPROVALS), "hm", 0, is_shared=False)
    assert (first, after_message(state, "hm", 1, is_shared=False)[1]) == (1, 1)


def test_shared_conversation_gets_no_equal_notice_within_seconds() -> None:
    state, first = after_message(thread_waiting_for_approval(TWO_APPROVALS), "hm", 0)
    state, second = after_message(state, "well", 2)
    state, third = after_message(state, "ok", 3)
    state, fourth = after_message(state, "hm", 9)
    assert (first, second, third, fourth) == (1, 0, 1, 1)


def test_notice_is_sent_once_and_hidden_from_the_model() -> None:
    before = thread_waiting_for_approval(TWO_APPROVALS)
    state, _ = after_message(before, "ok", 0)
    assert [(m.key, m.to) for m in state.pending_messages[len(before.pending_messages) :]] == [
        (f"notice:{state.version}", SOURCE)
    ]
    assert (state.open_request, state.status, next_work(state)) == (before.open_request, "waiting_for_human", ())
    assert [type(event) for event in state.history[len(before.history) :]] == [MessageReceived]
    assert not any("still waits" in (render_event(event) or "") for event in state.history)
    assert command_history(state, AGENT.commands).last_event == state.history[-1]


# Kept-open requests


def thread_paused_by_expiry(request: Request) -> ThreadState:
    return ThreadState(requests=(request,), requester=ALICE, paused=expiry_pause_reason(request))


def test_answer_to_a_kept_open_question_resumes_the_thread() -> None:
    state = thread_paused_by_expiry(question(is_kept_open=True))
    answered = events_for_message(
        state,
        incoming_message("there", at=seconds_later(9999)),
        people=PEOPLE,
        agent=AGENT,
        answer_instructions=answer_instructions,
    )
    assert [type(e) for e in answered] == [MessageReceived, RequestAnswered, ThreadResumed]
    assert fold(state, answered).paused is None


def test_instruction_resumes_the_thread_of_a_kept_open_request() -> None:
    state = thread_paused_by_expiry(approval(is_kept_open=True))
    assert fold(state, events_for_message(state, incoming_message("stop"), people=PEOPLE, agent=AGENT)).paused is None


def test_answer_does_not_end_a_pause_by_a_person() -> None:
    state = thread_paused_by_expiry(question(is_kept_open=True)).model_copy(update={"paused": "paused by person:alice"})
    assert (
        fold(state, events_for_message(state, incoming_message("there"), people=PEOPLE, agent=AGENT)).paused is not None
    )
