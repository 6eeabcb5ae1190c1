"""Reducing requests: one request with any number of cards, all of which show its final status."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.cards import describe_deciders, render_card
from agents.core.decisions import EditedCall, evaluate_answer
from agents.core.events import (
    BudgetExtended,
    MessageSent,
    MessageUndeliverable,
    ReplyChosen,
    RequestAnswered,
    RequestEscalated,
    RequestExpired,
    RequestOpened,
    RequestReminded,
    RequestShown,
    RequestSuperseded,
    ThreadCancelled,
)
from agents.core.messages import Receipt, StartedConversation
from agents.core.next_step import SendMessage, next_work, pending_sends
from agents.core.policy import ApprovalTerms, Policy
from agents.core.reducer import fold
from agents.core.request_factory import (
    OUTCOMES,
    add_decider_names,
    budget_request,
    help_request,
    outcome_request,
    question_request,
)
from agents.core.requests import Request
from agents.core.state import CurrentCall, PendingMessage, ThreadState
from agents.core.steps import CallTool, RequestHumanInput
from agents.core.values import Address
from tests.agents.factories import (
    ALLOW_ALL,
    NOW,
    RELEASE_TERMS,
    TERMINAL,
    TWO_APPROVALS,
    after_answer,
    after_step,
    after_tool_started,
    answer,
    event_stamp,
    get_open_request,
    message_received,
    message_sent,
    policy_decision,
    request_shown,
    seconds_later,
    thread,
    thread_waiting_for_approval,
)
from tests.harness.people import ALICE, BOB, CAROL
from tests.histories import CAROL_PHONE, PEOPLE

CLOCK = Address("system:clock")


def get_request(state: ThreadState, request_id: str) -> Request:
    request = state.get_request(request_id)
    assert request is not None
    return request


def edited_call(where: str = "production", ask: ApprovalTerms = TWO_APPROVALS) -> EditedCall:
    return EditedCall(arguments={"where": where}, digest="e" * 64, policy=policy_decision(ask))


def request_superseded(state: ThreadState) -> RequestSuperseded:
    return RequestSuperseded(at=NOW, actor=ALICE, request_id=get_open_request(state).id, reason="new instruction")


def after_reminder(state: ThreadState, nth: int = 1) -> ThreadState:
    return fold(state, [RequestReminded(at=NOW, actor=CLOCK, request_id=get_open_request(state).id, nth=nth)])


def after_escalation(state: ThreadState, *to: Address, nth: int = 1) -> ThreadState:
    return fold(state, [RequestEscalated(at=NOW, actor=CLOCK, request_id=get_open_request(state).id, nth=nth, to=to)])


def after_deliveries(state: ThreadState, *refs: str) -> ThreadState:
    """Return the thread after all pending cards were delivered in order, as separate messages."""
    for pending, ref in zip(state.pending_messages, refs, strict=True):
        state = fold(state, [request_shown(state, pending.to, ref, pending.key)])
    return state


def pending_updates(state: ThreadState) -> list[tuple[Address, str | None]]:
    """Return address and replaced message of each pending card update."""
    assert all(pending.message.card and pending.message.card.status != "open" for pending in state.pending_messages)
    return [(pending.to, pending.replaces.ref if pending.replaces else None) for pending in state.pending_messages]


# Opening and showing


def test_request_card_goes_to_the_origin() -> None:
    state = thread_waiting_for_approval(shown_to=())
    request = get_open_request(state)
    (pending,) = state.pending_messages
    assert (pending.to, pending.request_id, pending.message, pending.replaces) == (
        TERMINAL,
        request.id,
        render_card(request),
        None,
    )


def test_delivered_card_is_recorded_with_its_receipt() -> None:
    state = thread_waiting_for_approval()
    (card,) = get_open_request(state).cards
    assert (card.address, card.state, card.receipt.ref, card.shown_at) == (TERMINAL, "open", "m1", NOW)
    assert state.pending_messages == ()


def test_card_delivered_twice_is_one_card() -> None:
    state = thread_waiting_for_approval()
    again = fold(state, [request_shown(state)])
    assert get_open_request(again).cards == get_open_request(state).cards


def test_undeliverable_card_leaves_the_request_open() -> None:
    state = thread_waiting_for_approval(shown_to=())
    (pending,) = state.pending_messages
    undeliverable = MessageUndeliverable(
        at=NOW, actor=Address("channel:test"), key=pending.key, to=pending.to, reason="gone"
    )
    state = fold(state, [undeliverable])
    assert (state.status, state.pending_messages, get_open_request(state).cards) == ("waiting_for_human", (), ())
    assert after_answer(state).status == "running"


# Reminders and escalations


def test_reminder_is_another_card_at_the_same_address() -> None:
    state = after_deliveries(after_reminder(thread_waiting_for_approval()), "m2")
    assert [(c.address, c.receipt.ref) for c in get_open_request(state).cards] == [(TERMINAL, "m1"), (TERMINAL, "m2")]


def test_escalation_sends_a_card_to_another_address() -> None:
    state = after_deliveries(
        after_escalation(thread_waiting_for_approval(), CAROL_PHONE, Address("slack:C0OPS")), "p1", "s1"
    )
    request = get_open_request(state)
    assert request.escalated == 1
    assert [c.address for c in request.cards] == [TERMINAL, CAROL_PHONE, "slack:C0OPS"]


def test_every_card_is_updated_at_the_end() -> None:
    state = after_deliveries(after_escalation(after_reminder(thread_waiting_for_approval()), CAROL_PHONE), "m2", "p1")
    assert pending_updates(after_answer(state)) == [(TERMINAL, "m1"), (TERMINAL, "m2"), (CAROL_PHONE, "p1")]


def test_pending_messages_have_unique_keys() -> None:
    state = after_deliveries(
        after_escalation(after_reminder(after_reminder(thread_waiting_for_approval()), 2), CAROL_PHONE),
        "m2",
        "m3",
        "p1",
    )
    for settled in (after_answer(state), after_answer(after_edit(state)), fold(state, [request_superseded(state)])):
        keys = [pending.key for pending in settled.pending_messages]
        assert len(set(keys)) == len(keys)


# Settled requests


def after_settled(state: ThreadState, final_status: str) -> ThreadState:
    """Return the thread after its open request got this status."""
    request_id = get_open_request(state).id
    match final_status:
        case "approved":
            return after_answer(state)
        case "denied":
            return after_answer(state, "deny")
        case "superseded":
            return fold(state, [request_superseded(state)])
        case "expired":
            expired = RequestExpired(at=NOW, actor=CLOCK, request_id=request_id, on_expire="deny")
            return fold(state, [expired])
        case _:
            return fold(state, [ThreadCancelled(at=NOW, actor=ALICE, reason="enough")])


FINAL_STATUSES = ["approved", "denied", "superseded", "expired", "cancelled"]


@pytest.mark.parametrize("final_status", FINAL_STATUSES)
def test_updates_give_every_card_of_a_settled_request_its_status(final_status: str) -> None:
    state = after_settled(thread_waiting_for_approval(shown_to=(TERMINAL, CAROL_PHONE)), final_status)
    (request,) = state.requests
    assert (request.status, request.settled_at, state.open_request) == (final_status, NOW, None)
    assert [pending.message.card.status for pending in state.pending_messages if pending.message.card] == [
        final_status,
        final_status,
    ]
    for pending in state.pending_messages:
        state = fold(state, [message_sent(pending, seconds_later(1))])
        (request,) = state.requests
    assert [(card.state, card.settled_at) for card in request.cards] == [
        (final_status, seconds_later(1)),
        (final_status, seconds_later(1)),
    ]
    assert fold(state, [message_received("and now?")] if final_status != "cancelled" else []).pending_messages == ()


@pytest.mark.parametrize("final_status", FINAL_STATUSES)
def test_card_delivered_after_the_end_is_updated(final_status: str) -> None:
    waiting = thread_waiting_for_approval(shown_to=())
    late_delivery = request_shown(waiting)
    state = fold(after_settled(waiting, final_status), [late_delivery])
    assert pending_updates(state) == [(TERMINAL, "m1")]
    (pending,) = state.pending_messages
    assert [card.state for card in fold(state, [message_sent(pending)]).requests[0].cards] == [final_status]


def test_undeliverable_update_leaves_its_card_unchanged() -> None:
    state = after_answer(thread_waiting_for_approval())
    (pending,) = state.pending_messages
    undeliverable = MessageUndeliverable(
        at=NOW, actor=Address("channel:test"), key=pending.key, to=pending.to, reason="gone"
    )
    (request,) = fold(state, [undeliverable]).requests
    assert [(card.state, card.settled_at) for card in request.cards] == [("open", None)]


def test_update_settles_only_the_card_it_replaces() -> None:
    state = after_answer(after_deliveries(after_reminder(thread_waiting_for_approval()), "m2"))
    first, _ = state.pending_messages
    (request,) = fold(state, [message_sent(first)]).requests
    assert [(card.receipt.ref, card.state) for card in request.cards] == [("m1", "approved"), ("m2", "open")]


def test_settled_request_is_kept_while_updates_are_pending() -> None:
    state = after_answer(thread_waiting_for_approval())
    assert len(fold(state, [message_received("well?")]).requests) == 1
    (pending,) = state.pending_messages
    assert fold(state, [message_sent(pending), message_received("well?")]).requests == ()


@pytest.mark.parametrize("final_status", FINAL_STATUSES)
def test_card_recorded_twice_is_updated_once(final_status: str) -> None:
    waiting = thread_waiting_for_approval()
    state = fold(after_settled(waiting, final_status), [request_shown(waiting), request_shown(waiting)])
    assert pending_updates(state) == [(TERMINAL, "m1")]


# Approvals


def test_approval_approves_the_call_and_names_the_approvers() -> None:
    state = after_answer(after_answer(thread_waiting_for_approval(TWO_APPROVALS)), by=CAROL)
    assert state.current_call is not None
    assert (state.current_call.phase, [given.by for given in state.current_call.approvals]) == (
        "approved",
        [BOB, CAROL],
    )
    assert state.status == "running"
    assert len(next_work(state)) == 1


def test_first_of_two_approvals_keeps_waiting() -> None:
    state = after_answer(thread_waiting_for_approval(TWO_APPROVALS))
    assert (state.status, get_open_request(state).approvers, next_work(state)) == ("waiting_for_human", (BOB,), ())


def pending_progress(state: ThreadState) -> list[tuple[Address, str | None, str]]:
    """Return address, replaced message and shown progress of each pending card."""
    cards = [(pending, pending.message.card) for pending in state.pending_messages if pending.message.card]
    return [
        (pending.to, pending.replaces.ref if pending.replaces else None, card.explanation.progress)
        for pending, card in cards
    ]


def test_first_of_two_approvals_updates_every_card_once() -> None:
    state = after_answer(thread_waiting_for_approval(TWO_APPROVALS, shown_to=(TERMINAL, CAROL_PHONE)))
    assert pending_progress(state) == [
        (TERMINAL, "m1", "1 of 2 so far: bob"),
        (CAROL_PHONE, "m1", "1 of 2 so far: bob"),
    ]
    state = after_deliveries(state, "m1", "m1")
    assert (state.pending_messages, len(get_open_request(state).cards)) == ((), 2)


def test_card_delivered_after_the_first_approval_is_updated() -> None:
    waiting = thread_waiting_for_approval(TWO_APPROVALS, shown_to=())
    late_delivery = request_shown(waiting)
    assert pending_progress(fold(after_answer(waiting), [late_delivery])) == [(TERMINAL, "m1", "1 of 2 so far: bob")]


def test_uncounted_answer_changes_no_card() -> None:
    assert after_answer(thread_waiting_for_approval(TWO_APPROVALS), by=ALICE).pending_messages == ()


def test_approval_after_an_edit_updates_the_edited_card() -> None:
    three_approvals = ApprovalTerms(roles=("release",), quorum=3)
    state = after_deliveries(
        after_answer(
            thread_waiting_for_approval(three_approvals), "edit", edited_call=edited_call(ask=three_approvals)
        ),
        "m1",
    )
    state = after_answer(state, by=CAROL)
    assert pending_progress(state) == [(TERMINAL, "m1", "2 of 3 so far: bob, carol")]


def test_edit_names_the_new_deciders() -> None:
    state = thread_waiting_for_approval(TWO_APPROVALS)
    evaluation = evaluate_answer(
        get_open_request(state), answer("edit"), people=PEOPLE, now=NOW, edited_call=edited_call(ask=RELEASE_TERMS)
    )
    event = RequestAnswered(
        at=NOW,
        actor=BOB,
        request_id=get_open_request(state).id,
        answer=evaluation.answer,
        status="open",
        arguments={"where": "production"},
        digest="e" * 64,
        policy=policy_decision(ApprovalTerms(roles=("oncall",), quorum=2)),
    )
    named_event = add_decider_names(event, PEOPLE, get_open_request(state))
    assert describe_deciders(get_open_request(fold(state, [named_event]))) == "oncall (Carol)"


def test_uncounted_answer_is_recorded_without_effect() -> None:
    state = after_answer(thread_waiting_for_approval(), by=ALICE)
    assert [a.counted for a in get_open_request(state).answers] == [False]
    assert (state.status, next_work(state)) == ("waiting_for_human", ())


@pytest.mark.parametrize("final_status", ["denied", "superseded", "expired"])
def test_unapproved_call_is_dropped_and_the_model_continues(final_status: str) -> None:
    state = after_settled(thread_waiting_for_approval(), final_status)
    assert (state.current_call, state.needs_model, state.status) == (None, True, "running")


def test_denial_does_not_count_as_a_failure() -> None:
    assert after_settled(thread_waiting_for_approval(), "denied").failures == 0


def test_comment_during_an_approval_starts_no_work() -> None:
    state = fold(thread_waiting_for_approval(), [message_received("looks good to me")])
    assert (state.status, next_work(state), state.needs_model) == ("waiting_for_human", (), False)
    assert state.history[-1].type == "MessageReceived"
    assert get_open_request(state).approvers == ()


def test_new_instruction_drops_the_call_and_starts_the_model() -> None:
    waiting = thread_waiting_for_approval()
    state = fold(waiting, [request_superseded(waiting), message_received("ship elsewhere")])
    assert (state.status, state.current_call, state.needs_model) == ("running", None, True)
    assert len(next_work(state)) == 1


# Edits


def after_edit(state: ThreadState, where: str = "production") -> ThreadState:
    """Return the thread after an edit that leaves the request open, because it now needs two approvals."""
    return after_answer(state, "edit", edited_call=edited_call(where), arguments={"where": where})


def test_edit_updates_every_card() -> None:
    state = after_edit(thread_waiting_for_approval(shown_to=(TERMINAL, CAROL_PHONE)))
    request = get_open_request(state)
    assert (request.arguments, request.digest, request.terms) == ({"where": "production"}, "e" * 64, TWO_APPROVALS)
    assert [(m.to, m.replaces and m.replaces.ref) for m in state.pending_messages] == [
        (TERMINAL, "m1"),
        (CAROL_PHONE, "m1"),
    ]
    assert all("where: production" in m.message.text for m in state.pending_messages)


def test_edit_changes_the_call_and_counts_as_approval() -> None:
    state = after_edit(thread_waiting_for_approval())
    assert state.current_call is not None
    assert (state.current_call.arguments, state.current_call.digest, state.current_call.phase) == (
        {"where": "production"},
        "e" * 64,
        "awaiting_approval",
    )
    assert get_open_request(state).approvers == (BOB,)
    approved = after_answer(state, by=CAROL)
    assert approved.current_call is not None
    assert (approved.current_call.arguments, approved.current_call.digest) == ({"where": "production"}, "e" * 64)
    assert [given.by for given in approved.current_call.approvals] == [BOB, CAROL]


def test_sufficient_edit_approves_the_new_call() -> None:
    new_call = edited_call(ask=RELEASE_TERMS)
    state = after_answer(thread_waiting_for_approval(), "edit", edited_call=new_call, arguments=new_call.arguments)
    assert state.current_call is not None
    assert (state.current_call.phase, state.current_call.arguments, state.current_call.digest) == (
        "approved",
        new_call.arguments,
        new_call.digest,
    )


def test_edit_makes_earlier_approvals_lapse_and_records_why() -> None:
    state = after_edit(after_answer(thread_waiting_for_approval(TWO_APPROVALS), by=CAROL))
    before, edit = get_open_request(state).answers
    assert (before.by, before.counted, before.reason) == (CAROL, False, "the arguments were edited")
    assert (edit.by, edit.counted) == (BOB, True)


def test_card_of_old_arguments_is_updated_after_its_delivery() -> None:
    waiting = thread_waiting_for_approval(shown_to=())
    late_delivery = request_shown(waiting)
    state = fold(after_edit(waiting), [late_delivery])
    assert [(m.to, m.replaces and m.replaces.ref) for m in state.pending_messages] == [(TERMINAL, "m1")]
    assert "where: production" in state.pending_messages[0].message.text


def test_replacement_card_replaces_the_old_one() -> None:
    state = after_deliveries(after_edit(thread_waiting_for_approval()), "m2")
    assert [c.receipt.ref for c in get_open_request(state).cards] == ["m2"]
    again = after_deliveries(
        after_answer(state, "edit", by=CAROL, edited_call=edited_call("mars").model_copy(update={"digest": "f" * 64})),
        "m3",
    )
    assert [c.receipt.ref for c in get_open_request(again).cards] == ["m3"]


def test_card_updated_in_place_stays_one_card() -> None:
    state = after_deliveries(after_edit(thread_waiting_for_approval()), "m1")
    assert [c.receipt.ref for c in get_open_request(state).cards] == ["m1"]


def test_only_the_last_update_of_a_card_is_sent() -> None:
    again = after_edit(thread_waiting_for_approval(shown_to=(TERMINAL, CAROL_PHONE)))
    state = after_answer(again, "deny", by=CAROL)
    assert [(m.to, m.message.card and m.message.card.status) for m in state.pending_messages] == [
        (TERMINAL, "denied"),
        (CAROL_PHONE, "denied"),
    ]


# Questions and outcomes


def after_request_opened(event: RequestOpened, state: ThreadState | None = None) -> ThreadState:
    """Return the thread after this request was opened."""
    return fold(state or thread(), [event])


def test_answered_question_continues_with_the_model() -> None:
    state = after_request_opened(question_request(thread(), RequestHumanInput(question="Where?"), event_stamp()))
    assert (state.status, state.needs_model) == ("waiting_for_human", False)
    state = after_answer(state, "answer", text="there")
    assert (state.status, state.needs_model) == ("running", True)


def test_answered_help_request_resets_the_failures() -> None:
    stuck = thread().model_copy(update={"failures": 3, "repairs": 3, "retries": 6, "retry_at": seconds_later(60)})
    state = after_answer(
        after_request_opened(help_request(stuck, "Stuck.", event_stamp()), stuck), "answer", text="try again"
    )
    assert (state.failures, state.repairs, state.retries, state.retry_at) == (0, 0, 0, None)
    assert [type(effect).__name__ for effect in next_work(state)] == ["CallModel"]


def thread_with_unknown_outcome() -> ThreadState:
    """Return a thread with a started call whose outcome is unknown."""
    state = after_tool_started(after_step(thread(), CallTool(tool="push", arguments={"where": "staging"}), ALLOW_ALL))
    assert state.current_call is not None
    return after_request_opened(
        outcome_request(state, state.current_call, event_stamp(new_id="9")),
        state.model_copy(update={"current_call": call_awaiting_answer(state)}),
    )


def call_awaiting_answer(state: ThreadState) -> CurrentCall:
    """Return the current call in the phase in which it waits for people."""
    assert state.current_call is not None
    return state.current_call.model_copy(update={"phase": "awaiting_approval"})


def test_unknown_outcome_waits_for_a_person() -> None:
    state = thread_with_unknown_outcome()
    assert (state.status, next_work(state), get_open_request(state).choices) == ("waiting_for_human", (), OUTCOMES)


@pytest.mark.parametrize("text", ["ran", "did not run"])
def test_reported_outcome_goes_to_the_model_without_another_run(text: str) -> None:
    state = after_answer(thread_with_unknown_outcome(), "answer", text=text)
    assert (state.current_call, state.needs_model, state.status) == (None, True, "running")


def test_person_may_retry_the_call_as_another_attempt() -> None:
    before = thread_with_unknown_outcome()
    state = after_answer(before, "answer", text="run again")
    (effect,) = next_work(state)
    assert state.current_call is not None
    assert before.current_call is not None
    assert (state.current_call.phase, state.current_call.call_id) == ("approved", before.current_call.call_id)
    assert effect.key == f"tool:{state.current_call.call_id}:2"


def test_expired_outcome_question_drops_the_call() -> None:
    state = after_settled(thread_with_unknown_outcome(), "expired")
    assert (state.current_call, state.needs_model) == (None, True)


# Budgets


def test_extended_budget_continues_with_the_model() -> None:
    spent = thread(budget={"steps": 3}).model_copy(update={"needs_model": False})
    state = after_request_opened(budget_request(spent, "steps", Policy(people=PEOPLE), event_stamp()), spent)
    state = after_answer(state)
    assert state.budget.steps == 3
    state = fold(state, [BudgetExtended(at=NOW, actor=BOB, kind="steps", by=3)])
    assert (state.budget.steps, state.needs_model, state.status) == (6, True, "running")


# Deliveries


def test_delivered_message_is_no_longer_pending() -> None:
    state = thread_waiting_for_approval(shown_to=())
    (wanted,) = pending_sends(state)
    assert isinstance(wanted, SendMessage)
    (pending,) = state.pending_messages
    assert pending_sends(fold(state, [message_sent(pending)])) == ()


def test_receipt_of_an_unknown_message_changes_nothing() -> None:
    state = thread_waiting_for_approval()
    unknown_message = PendingMessage(
        key="stray", to=CAROL_PHONE, message=render_card(get_open_request(state)), replaces=Receipt(ref="x", digest="y")
    )
    assert fold(state, [message_sent(unknown_message)]).requests == state.requests


# Random deliveries of cards


CARD_ACTIONS = ["deliver", "deliver", "deliver in place", "remind", "escalate", "edit", "record twice"]
MAX_MESSAGES = 500


class DisplayedCards:
    """The cards that people see, and whether each looks open. A channel updates a card in place or posts a new one."""

    def __init__(self, state: ThreadState) -> None:
        self.state = state
        self.is_open: dict[tuple[Address, str], bool] = {}
        self.delivered: list[RequestShown | MessageSent] = []

    def deliver(self, pending: PendingMessage, *, in_place: bool) -> None:
        before = pending.replaces
        ref = before.ref if before and in_place else f"m{len(self.delivered)}"
        if before:
            self.is_open.pop((pending.to, before.ref), None)
        card = pending.message.card
        assert card is not None
        self.is_open[pending.to, ref] = card.status == "open"
        self.record(
            card_shown(pending, card.request_id, ref) if card.status == "open" else message_sent(pending, ref=ref)
        )

    def record(self, event: RequestShown | MessageSent) -> None:
        self.delivered.append(event)
        self.state = fold(self.state, [event])

    def change_request(self, action: str, nth: int) -> None:
        match action:
            case "remind":
                self.state = after_reminder(self.state, nth)
            case "escalate":
                self.state = after_escalation(self.state, CAROL_PHONE, nth=nth)
            case _:
                new_call = edited_call(f"place {nth}").model_copy(update={"digest": f"{nth:x}" * 64})
                self.state = after_answer(self.state, "edit", edited_call=new_call, arguments=new_call.arguments)

    def deny_and_deliver(self) -> None:
        """Deny the request and deliver all pending messages, alternately in place and as new messages."""
        self.state = after_answer(self.state, "deny")
        while self.state.pending_messages and len(self.delivered) < MAX_MESSAGES:
            self.deliver(self.state.pending_messages[0], in_place=len(self.delivered) % 2 == 0)


def card_shown(pending: PendingMessage, request_id: str, ref: str) -> RequestShown:
    fields = {
        "at": NOW,
        "actor": Address("channel:test"),
        "key": pending.key,
        "request_id": request_id,
        "to": pending.to,
    }
    return RequestShown(**fields, receipt=Receipt(ref=ref, digest="s"))


@given(st.lists(st.sampled_from(CARD_ACTIONS), max_size=12), st.data())
def test_no_card_looks_open_after_all_deliveries(actions: list[str], data: st.DataObject) -> None:
    displayed = DisplayedCards(thread_waiting_for_approval(TWO_APPROVALS, shown_to=()))
    for nth, action in enumerate(actions, 1):
        waiting = displayed.state.pending_messages
        if action in ("remind", "escalate", "edit"):
            displayed.change_request(action, nth)
        elif action == "record twice" and displayed.delivered:
            displayed.record(data.draw(st.sampled_from(displayed.delivered)))
        elif waiting:
            displayed.deliver(data.draw(st.sampled_from(waiting)), in_place=action == "deliver in place")
        assert len({pending.key for pending in displayed.state.pending_messages}) == len(
            displayed.state.pending_messages
        )
    displayed.deny_and_deliver()
    assert displayed.state.pending_messages == ()
    assert displayed.is_open
    assert not any(displayed.is_open.values())


@pytest.mark.parametrize(
    "event",
    [
        RequestReminded(at=NOW, actor=CLOCK, request_id="req_none", nth=1),
        RequestEscalated(at=NOW, actor=CLOCK, request_id="req_none", nth=1, to=()),
        RequestExpired(at=NOW, actor=CLOCK, request_id="req_none", on_expire="deny"),
        RequestExpired(at=NOW, actor=CLOCK, request_id="req_none", on_expire="hold"),
        RequestSuperseded(at=NOW, actor=CLOCK, request_id="req_none", reason="never asked"),
    ],
)
def test_events_of_an_unknown_request_change_nothing(event: Any) -> None:
    state = thread_waiting_for_approval()
    after = fold(state, [event])
    assert after.requests == state.requests
    assert (after.status, after.pending_messages) == (state.status, state.pending_messages)


# Conversations started by a message


SLACK_CHANNEL = Address("slack:C0OPS")
STARTED_CONVERSATION = StartedConversation(address=Address("slack:C0OPS:17.1"), conversation_key="T1:C0OPS:17.1")


def thread_with_channel_as_origin() -> ThreadState:
    return thread_waiting_for_approval(shown_to=()).model_copy(update={"origin": SLACK_CHANNEL})


def test_later_messages_follow_the_started_conversation() -> None:
    first = ReplyChosen(at=NOW, actor=BOB, text="one")
    second = first.model_copy(update={"text": "two"})
    state = fold(thread_with_channel_as_origin().model_copy(update={"pending_messages": ()}), [first, second])
    one, two = state.pending_messages
    receipt = Receipt(ref="C0OPS:17.1", digest="d", started=STARTED_CONVERSATION)
    state = fold(state, [MessageSent(at=NOW, actor=BOB, key=one.key, to=one.to, receipt=receipt)])
    assert state.origin == STARTED_CONVERSATION.address
    (redirected,) = state.pending_messages
    assert (redirected.to, redirected.message) == (STARTED_CONVERSATION.address, two.message)
    assert redirected.key != two.key


def test_conversation_at_another_address_keeps_the_origin() -> None:
    state = thread_waiting_for_approval(shown_to=())
    (card,) = state.pending_messages
    receipt = Receipt(ref="D1:17.1", digest="d", started=STARTED_CONVERSATION)
    state_with_another_recipient = state.model_copy(
        update={"pending_messages": (card.model_copy(update={"to": CAROL_PHONE}),)}
    )
    shown_there = RequestShown(at=NOW, actor=BOB, key=card.key, request_id="req_1", to=CAROL_PHONE, receipt=receipt)
    assert fold(state_with_another_recipient, [shown_there]).origin == TERMINAL
