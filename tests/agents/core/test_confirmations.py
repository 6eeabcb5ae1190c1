"""Cards whose delivery must be confirmed: a missing receipt moves the request on, a receipt ends the wait."""

from datetime import timedelta

import pytest

from agents.core.deadlines import due_events, next_deadline
from agents.core.events import DeliveryConfirmed, MessageUndeliverable, RequestEscalated, RequestShown
from agents.core.messages import Receipt
from agents.core.policy import EscalationStep
from agents.core.reducer import fold
from agents.core.state import ThreadState
from agents.core.values import CLOCK, Address
from tests.agents.factories import NOW, RELEASE_TERMS, thread_waiting_for_approval
from tests.histories import CAROL_PHONE, PEOPLE

CONFIRM_BY = NOW + timedelta(minutes=2)
CHANNEL = Address("channel:sms")
TERMS = RELEASE_TERMS.model_copy(
    update={
        "escalate": (
            EscalationStep(after=0, to=CAROL_PHONE),
            EscalationStep(after=3600, to=Address("slack:C0OPS")),
        )
    }
)


def thread_with_sent_card() -> ThreadState:
    """Return a thread whose request was sent to Carol's phone and is not confirmed yet."""
    state = thread_waiting_for_approval(TERMS)
    request = state.open_request
    assert request is not None
    for event in due_events(state, NOW, PEOPLE):
        state = fold(state, [event])
    pending = next(m for m in state.pending_messages if m.to == CAROL_PHONE)
    receipt = Receipt(ref="SM1", digest=request.digest, confirm_by=CONFIRM_BY)
    shown = RequestShown(at=NOW, actor=CHANNEL, key=pending.key, request_id=request.id, to=CAROL_PHONE, receipt=receipt)
    return fold(state, [shown])


def confirmed(state: ThreadState, ref: str = "SM1") -> ThreadState:
    request = state.open_request
    assert request is not None
    return fold(state, [DeliveryConfirmed(at=NOW, actor=CHANNEL, request_id=request.id, to=CAROL_PHONE, ref=ref)])


def test_missing_receipt_is_due_at_its_time_and_calls_the_next_step() -> None:
    state = thread_with_sent_card()
    assert next_deadline(state) == CONFIRM_BY
    assert due_events(state, CONFIRM_BY - timedelta(microseconds=1), PEOPLE) == ()
    undeliverable, *rest = due_events(state, CONFIRM_BY, PEOPLE)
    assert isinstance(undeliverable, MessageUndeliverable)
    assert (undeliverable.to, undeliverable.actor, undeliverable.receipt) == (
        CAROL_PHONE,
        CLOCK,
        Receipt(ref="SM1", digest=undeliverable.receipt.digest, confirm_by=CONFIRM_BY),
    )
    assert [event.nth for event in rest if isinstance(event, RequestEscalated)] == [2]
    for event in (undeliverable, *rest):
        state = fold(state, [event])
    assert next_deadline(state) != CONFIRM_BY
    assert not any(isinstance(event, MessageUndeliverable) for event in due_events(state, CONFIRM_BY, PEOPLE))


def test_receipt_ends_the_wait() -> None:
    state = confirmed(thread_with_sent_card())
    assert next_deadline(state) != CONFIRM_BY
    assert due_events(state, CONFIRM_BY, PEOPLE) == ()
    request = state.open_request
    assert request is not None
    [card] = [card for card in request.cards if card.address == CAROL_PHONE]
    assert (card.confirmed_at, card.confirm_by) == (NOW, None)


@pytest.mark.parametrize("ref", ["SM2", ""])
def test_receipt_of_another_message_changes_nothing(ref: str) -> None:
    state = thread_with_sent_card()
    assert confirmed(state, ref).requests == state.requests
