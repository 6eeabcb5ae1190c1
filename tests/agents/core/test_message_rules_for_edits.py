"""Rules for edits and deletions: they never approve, answer or start a turn."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.events import (
    KnownEvent,
    MessageDeleted,
    MessageEdited,
    RequestOpened,
    RequestSuperseded,
    ThreadCancelled,
)
from agents.core.message_rules import events_for_edit
from agents.core.messages import Provenance
from agents.core.policy import ApprovalTerms
from agents.core.reducer import MAX_HISTORY_EVENTS, fold
from agents.core.state import ThreadState
from agents.core.steps import CallTool
from agents.core.values import Address
from tests.agents.factories import (
    NOW,
    RELEASE_TERMS,
    after_step,
    approval,
    incoming_edit,
    message_deleted,
    message_edited,
    message_received,
    policy_requiring_approval,
    question,
    seconds_later,
    thread,
)
from tests.harness.people import ALICE, BOB, CAROL, STRANGER
from tests.histories import AGENT, PEOPLE, TEXTS

FIRST_MESSAGE = message_received("push it", ref="m1")
PUSH_CALL = CallTool(tool="push", arguments={"where": "staging"})


def thread_awaiting_approval(*events: KnownEvent, ask: ApprovalTerms = RELEASE_TERMS) -> ThreadState:
    """Return Alice's thread that waits for the approval of a push, after these events."""
    return after_step(thread(*events), PUSH_CALL, policy_requiring_approval(ask))


def thread_awaiting_answer(*events: KnownEvent) -> ThreadState:
    """Return Alice's thread that waits for the answer to a question."""
    return fold(thread(*events), [RequestOpened(at=NOW, actor=Address("agent:walker"), request=question())])


def event_types(state: ThreadState, text: str | None, ref: str = "m1", by: Address = ALICE, **more) -> list[str]:
    """Return the types of the events of an edit or, without a text, of a deletion."""
    events = events_for_edit(state, incoming_edit(ref, text, by, **more), people=PEOPLE, agent=AGENT)
    return [event.type for event in events]


# No request open


def test_edit_is_recorded_unchanged() -> None:
    edit = incoming_edit("m1", "  pull\nit", at=seconds_later(5), source=Address("slack:C1:1.5"))
    (event,) = events_for_edit(thread(FIRST_MESSAGE), edit, people=PEOPLE, agent=None)
    assert event == message_edited("m1", "  pull\nit", at=seconds_later(5), source=Address("slack:C1:1.5"))


def test_deletion_is_recorded_unchanged() -> None:
    edit = incoming_edit("m1", None, at=seconds_later(5), source=Address("slack:C1:1.5"))
    (event,) = events_for_edit(thread(FIRST_MESSAGE), edit, people=PEOPLE, agent=None)
    assert event == message_deleted("m1", at=seconds_later(5), source=Address("slack:C1:1.5"))


@pytest.mark.parametrize("text", ["stop", None])
@pytest.mark.parametrize("ref", ["m2", "", "M1"])
def test_edit_of_an_unknown_message_is_ignored(text: str | None, ref: str) -> None:
    assert event_types(thread_awaiting_approval(message_received("hello"), FIRST_MESSAGE), text, ref) == []


@pytest.mark.parametrize("text", ["stop", None])
@pytest.mark.parametrize("by", [BOB, CAROL, STRANGER, Address("slack:alice")])
def test_edit_by_another_person_is_ignored(text: str | None, by: Address) -> None:
    assert event_types(thread_awaiting_approval(FIRST_MESSAGE), text, by=by) == []


def test_author_is_recognized_at_each_address() -> None:
    assert event_types(thread(FIRST_MESSAGE), "pull it", by=Address("email:alice@example.com")) == ["MessageEdited"]


def test_unknown_person_may_edit_their_own_message() -> None:
    theirs = message_received("hello", by=STRANGER, ref="m1", provenance=Provenance.UNVERIFIED)
    assert event_types(thread(theirs), "bye", by=STRANGER, provenance=Provenance.UNVERIFIED) == ["MessageEdited"]


@pytest.mark.parametrize("text", ["stop", None])
def test_edit_of_a_dropped_message_is_ignored(text: str | None) -> None:
    comments = [message_received(f"hm {n}") for n in range(MAX_HISTORY_EVENTS)]
    assert event_types(thread(FIRST_MESSAGE, *comments[1:]), text) != []
    assert event_types(thread(FIRST_MESSAGE, *comments), text) == []


@pytest.mark.parametrize("text", ["stop", "push it", None])
def test_edit_after_a_deletion_is_ignored(text: str | None) -> None:
    assert event_types(thread(FIRST_MESSAGE, message_deleted("m1")), text) == []


def test_edit_with_the_same_text_is_ignored() -> None:
    assert event_types(thread(FIRST_MESSAGE), "push it") == []
    assert event_types(thread(FIRST_MESSAGE, message_edited("m1", "pull it")), "pull it") == []
    assert event_types(thread(FIRST_MESSAGE, message_edited("m1", "pull it")), "push it") == ["MessageEdited"]


@pytest.mark.parametrize(("at", "expected"), [(seconds_later(29), []), (seconds_later(30), ["MessageEdited"])])
def test_edit_that_arrives_after_a_later_one_is_ignored(at: datetime, expected: list[str]) -> None:
    assert (
        event_types(thread(FIRST_MESSAGE, message_edited("m1", "pull it", at=seconds_later(30))), "stop", at=at)
        == expected
    )


def test_first_edit_counts_even_with_an_older_time() -> None:
    assert event_types(thread(FIRST_MESSAGE), "pull it", at=seconds_later(-1)) == ["MessageEdited"]


def test_deletion_counts_regardless_of_its_time() -> None:
    assert event_types(
        thread(FIRST_MESSAGE, message_edited("m1", "pull it", at=seconds_later(30))), None, at=seconds_later(29)
    ) == ["MessageDeleted"]


@pytest.mark.parametrize("text", ["stop", None])
def test_edits_in_a_cancelled_thread_are_ignored(text: str | None) -> None:
    cancelled = ThreadCancelled(at=NOW, actor=BOB, reason="enough")
    assert event_types(fold(thread_awaiting_approval(FIRST_MESSAGE), [cancelled]), text) == []


# A question open


@pytest.mark.parametrize("text", ["here", "stop", "yes"])
def test_edit_does_not_answer_a_question(text: str) -> None:
    assert event_types(thread_awaiting_answer(FIRST_MESSAGE), text) == ["MessageEdited"]


def test_deletion_leaves_a_question_open() -> None:
    assert event_types(thread_awaiting_answer(FIRST_MESSAGE), None) == ["MessageDeleted"]


# An approval open


@pytest.mark.parametrize("text", ["stop", "ship elsewhere", "push there instead"])
def test_edit_to_an_instruction_supersedes_the_approval(text: str) -> None:
    assert event_types(thread_awaiting_approval(FIRST_MESSAGE), text) == ["RequestSuperseded", "MessageEdited"]


def test_edit_of_any_message_to_an_instruction_supersedes() -> None:
    earlier, later = message_received("hello", ref="m0"), message_received("thanks", ref="m2")
    state = fold(thread_awaiting_approval(earlier, FIRST_MESSAGE), [later])
    assert [event_types(state, "stop", ref) for ref in ("m0", "m2")] == [["RequestSuperseded", "MessageEdited"]] * 2


@pytest.mark.parametrize("text", ["ok", "yes", "approve", "approve ABCDE", "looks good", "push it, please", ""])
def test_edit_to_a_comment_leaves_the_approval_open(text: str) -> None:
    assert event_types(thread_awaiting_approval(FIRST_MESSAGE), text) == ["MessageEdited"]


def test_edit_by_an_uninvolved_person_supersedes_nothing() -> None:
    theirs = message_received("hello", by=STRANGER, ref="m2")
    assert event_types(thread_awaiting_approval(FIRST_MESSAGE, theirs), "stop", "m2", by=STRANGER) == ["MessageEdited"]


def test_edit_by_a_decider_supersedes() -> None:
    assert (
        event_types(
            thread_awaiting_approval(FIRST_MESSAGE, message_received("hm", by=BOB, ref="m2")), "stop", "m2", by=BOB
        )[0]
        == "RequestSuperseded"
    )


def test_deleting_the_triggering_message_supersedes_the_approval() -> None:
    superseded, recorded = events_for_edit(
        thread_awaiting_approval(FIRST_MESSAGE), incoming_edit("m1", text=None), people=PEOPLE, agent=AGENT
    )
    assert isinstance(superseded, RequestSuperseded)
    assert (superseded.actor, superseded.reason) == (ALICE, "Alice deleted the message")
    assert recorded == message_deleted("m1", source=Address("terminal:user"))


def test_superseded_request_names_the_author_of_the_edit() -> None:
    superseded, _ = events_for_edit(
        thread_awaiting_approval(FIRST_MESSAGE), incoming_edit("m1", "stop"), people=PEOPLE, agent=AGENT
    )
    assert isinstance(superseded, RequestSuperseded)
    assert (superseded.actor, superseded.reason) == (ALICE, "Alice gave a new instruction")


def test_deleting_another_message_leaves_the_approval_open() -> None:
    state = fold(
        thread_awaiting_approval(message_received("hello", ref="m0"), FIRST_MESSAGE),
        [message_received("thanks", ref="m2")],
    )
    assert [event_types(state, None, ref) for ref in ("m0", "m1", "m2")] == [
        ["MessageDeleted"],
        ["RequestSuperseded", "MessageDeleted"],
        ["MessageDeleted"],
    ]


def test_any_author_may_delete_the_triggering_message() -> None:
    theirs = message_received("push it now", by=STRANGER, ref="m2")
    assert event_types(thread_awaiting_approval(FIRST_MESSAGE, theirs), None, "m2", by=STRANGER) == [
        "RequestSuperseded",
        "MessageDeleted",
    ]
    assert event_types(thread_awaiting_approval(FIRST_MESSAGE, theirs), None) == ["MessageDeleted"]


def test_message_deleted_before_the_call_is_not_its_trigger() -> None:
    oops = message_received("oops", ref="m2")
    assert event_types(thread_awaiting_approval(FIRST_MESSAGE, oops, message_deleted("m2")), None) == [
        "RequestSuperseded",
        "MessageDeleted",
    ]


def test_message_without_ref_can_be_the_trigger() -> None:
    assert event_types(thread_awaiting_approval(FIRST_MESSAGE, message_received("push it")), None) == ["MessageDeleted"]


def test_deletion_leaves_a_budget_request_open() -> None:
    request = approval(purpose="budget", tool="extend_budget", call_id=None)
    state = fold(thread(FIRST_MESSAGE), [RequestOpened(at=NOW, actor=Address("agent:walker"), request=request)])
    assert event_types(state, None) == ["MessageDeleted"]


@pytest.mark.parametrize("provenance", [p for p in Provenance if p is not Provenance.VERIFIED_PERSON])
@pytest.mark.parametrize(("text", "expected"), [("stop", "MessageEdited"), (None, "MessageDeleted")])
def test_unverified_edit_is_only_recorded(provenance, text, expected) -> None:
    assert event_types(thread_awaiting_approval(FIRST_MESSAGE), text, provenance=provenance) == [expected]


# Any edit or deletion


STATES = [
    thread(FIRST_MESSAGE),
    thread_awaiting_approval(FIRST_MESSAGE),
    thread_awaiting_approval(FIRST_MESSAGE, ask=ApprovalTerms(roles=("*",), requester_may_approve=True)),
    thread_awaiting_answer(FIRST_MESSAGE),
    fold(thread(FIRST_MESSAGE), [RequestOpened(at=NOW, actor=ALICE, request=question(purpose="outcome"))]),
    fold(thread(FIRST_MESSAGE), [RequestOpened(at=NOW, actor=ALICE, request=question(purpose="handover"))]),
    fold(thread(FIRST_MESSAGE), [RequestOpened(at=NOW, actor=ALICE, request=approval(purpose="budget"))]),
]


@given(
    st.sampled_from(STATES),
    st.none() | st.text(max_size=40) | st.sampled_from([*TEXTS, "approve", "deny", "/approve ABCDE", "run again"]),
    st.sampled_from([ALICE, BOB, CAROL, STRANGER]),
    st.sampled_from(Provenance),
)
def test_no_edit_or_deletion_ever_approves_denies_or_answers(state, text, by, provenance) -> None:
    events = events_for_edit(state, incoming_edit("m1", text, by, provenance=provenance), people=PEOPLE, agent=AGENT)
    if by != ALICE or text == FIRST_MESSAGE.text:
        assert events == ()
        return
    *superseded, recorded = events
    assert isinstance(recorded, MessageDeleted if text is None else MessageEdited)
    assert all(isinstance(event, RequestSuperseded) for event in superseded)
    assert len(superseded) <= (state.open_request is not None and state.open_request.kind == "approval")
