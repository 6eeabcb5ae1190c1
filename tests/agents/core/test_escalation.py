"""The thread gets notices about the people who were asked in an escalation or could not be reached."""

import pytest

from agents.core.deadlines import due_events, next_deadline
from agents.core.escalation import display_name_at, escalation_follow_ups
from agents.core.events import KnownEvent, MessageUndeliverable, NoticeGiven, RequestEscalated
from agents.core.messages import Receipt
from agents.core.next_step import SendMessage, pending_sends
from agents.core.policy import ApprovalTerms, EscalationStep
from agents.core.reducer import fold
from agents.core.state import ThreadState
from agents.core.values import Address
from bot.services.delivery_events import sent_event, undeliverable_event
from tests.agents.factories import NOW, TERMINAL, get_open_request, seconds_later, thread_waiting_for_approval
from tests.harness.people import CAROL
from tests.histories import CAROL_PHONE, PEOPLE

EMAIL, ONCALL_MAILBOX = "email", Address("email:oncall@example.com")
NO_EMAIL_NOTICE = "Carol could not be reached by email about {code}: no such address is configured."


def terms_with_steps(*steps: tuple[Address, str | None]) -> ApprovalTerms:
    escalate = tuple(EscalationStep(after=60 * nth, to=to, via=via) for nth, (to, via) in enumerate(steps, 1))
    return ApprovalTerms(roles=("release",), escalate=escalate)


def notice_texts(events: tuple[KnownEvent, ...]) -> list[str]:
    return [e.text for e in events if isinstance(e, NoticeGiven)]


def escalation_numbers(events: tuple[KnownEvent, ...]) -> list[int]:
    return [e.nth for e in events if isinstance(e, RequestEscalated)]


def after_escalation(ask: ApprovalTerms, seconds: float = 60) -> tuple[ThreadState, tuple[KnownEvent, ...]]:
    state = thread_waiting_for_approval(ask)
    events = due_events(state, seconds_later(seconds), PEOPLE)
    return fold(state, events), events


def pending_card(state: ThreadState, to: Address) -> SendMessage:
    return next(m for m in pending_sends(state) if m.to == to and m.message.card)


def after_delivery(state: ThreadState, to: Address) -> tuple[ThreadState, tuple[KnownEvent, ...]]:
    event = sent_event(pending_card(state, to), Receipt(ref=f"r-{to}", digest="d"), seconds_later(61))
    events = (event, *escalation_follow_ups(state, event, PEOPLE))
    return fold(state, events), events


def after_failed_delivery(
    state: ThreadState, to: Address, reason: str = "no channel here takes messages to it"
) -> tuple[ThreadState, tuple[KnownEvent, ...]]:
    event = undeliverable_event(pending_card(state, to), reason, seconds_later(61))
    events = (event, *escalation_follow_ups(state, event, PEOPLE))
    return fold(state, events), events


def after_bounce(state: ThreadState, to: Address) -> tuple[ThreadState, tuple[KnownEvent, ...]]:
    """Let the card at an address fail after its channel had accepted it."""
    request = get_open_request(state)
    card = next(card for card in request.cards if card.address == to)
    event = MessageUndeliverable(
        at=seconds_later(70),
        actor=CAROL,
        key=f"card:{request.id}:{request.digest[:8]}{':escalation1' if to == CAROL_PHONE else ''}:{to}",
        to=to,
        reason="mailbox is full",
        request_id=request.id,
        receipt=card.receipt,
    )
    events = (event, *escalation_follow_ups(state, event, PEOPLE))
    return fold(state, events), events


def test_notice_waits_for_delivery_of_the_escalation_card() -> None:
    state, events = after_escalation(terms_with_steps((CAROL, "sms")))
    assert (escalation_numbers(events), notice_texts(events)) == ([1], [])
    state, events = after_delivery(state, CAROL_PHONE)
    assert notice_texts(events) == [f"{get_open_request(state).code} has no answer yet; I asked Carol by SMS."]


@pytest.mark.parametrize("reason", ["no channel here takes messages to it", f"{CAROL_PHONE.id} is not in service"])
def test_undeliverable_card_gives_a_notice_and_the_next_step(reason: str) -> None:
    state, _ = after_escalation(terms_with_steps((CAROL, "sms"), (Address("person:bob"), None)))
    state, events = after_failed_delivery(state, CAROL_PHONE, reason)
    (notice,) = notice_texts(events)
    assert notice.startswith(f"Carol could not be reached by SMS about {get_open_request(state).code}: ")
    assert CAROL_PHONE.id not in notice
    assert (escalation_numbers(events), get_open_request(state).escalated) == ([2], 2)
    _, events = after_delivery(state, Address("terminal:bob"))
    assert notice_texts(events) == [f"{get_open_request(state).code} has no answer yet; I asked Bob in the terminal."]


def test_person_without_address_gives_a_notice_and_the_next_step() -> None:
    state, events = after_escalation(terms_with_steps((CAROL, EMAIL), (CAROL, "sms")))
    assert escalation_numbers(events) == [1, 2]
    assert notice_texts(events) == [NO_EMAIL_NOTICE.format(code=get_open_request(state).code)]
    assert [m.to for m in state.pending_messages if m.message.card] == [CAROL_PHONE]


def test_one_delivered_card_is_enough_for_a_step() -> None:
    two_recipients = terms_with_steps((Address("role:release"), "terminal"), (CAROL, "sms"))
    state, _ = after_escalation(two_recipients)
    state, _ = after_delivery(state, Address("terminal:bob"))
    state, events = after_failed_delivery(state, Address("terminal:carol"))
    code = get_open_request(state).code
    assert escalation_numbers(events) == []
    assert notice_texts(events) == [
        f"Carol could not be reached in the terminal about {code}: no channel here takes messages to it."
    ]
    other, _ = after_escalation(two_recipients)
    other, events = after_failed_delivery(other, Address("terminal:bob"))
    assert escalation_numbers(events) == []
    _, events = after_failed_delivery(other, Address("terminal:carol"))
    assert escalation_numbers(events) == [2]


def test_role_without_people_gives_a_notice() -> None:
    state, events = after_escalation(terms_with_steps((Address("role:ghosts"), "sms")))
    assert notice_texts(events) == [
        f"{get_open_request(state).code} has no answer yet, and no person is configured for role:ghosts."
    ]


def test_unknown_private_address_is_not_shown() -> None:
    state, _ = after_escalation(terms_with_steps((ONCALL_MAILBOX, None)))
    _, events = after_failed_delivery(state, ONCALL_MAILBOX)
    (notice,) = notice_texts(events)
    assert "oncall@" not in notice
    assert notice.startswith("An address of no known person could not be reached by email")


def test_escalation_ends_after_the_last_undeliverable_step() -> None:
    state, _ = after_escalation(terms_with_steps((CAROL, "sms")))
    state, events = after_failed_delivery(state, CAROL_PHONE)
    assert escalation_numbers(events) == []
    assert next_deadline(state) == get_open_request(state).expires_at


def test_undeliverable_card_is_recorded_until_a_delivery() -> None:
    state, _ = after_escalation(terms_with_steps((CAROL, "sms")))
    again = fold(state, [undeliverable_event(pending_card(state, CAROL_PHONE), "gone", NOW)])
    assert [(card.address, card.reason) for card in get_open_request(again).undeliverable_cards] == [
        (CAROL_PHONE, "gone")
    ]
    assert [card.address for card in get_open_request(again).cards] == [TERMINAL]


def test_card_that_bounces_gives_a_notice_and_the_next_step() -> None:
    state, _ = after_escalation(terms_with_steps((CAROL, "sms"), (Address("person:bob"), None)))
    state, _ = after_delivery(state, CAROL_PHONE)
    state, events = after_bounce(state, CAROL_PHONE)
    request = get_open_request(state)
    assert notice_texts(events) == [f"Carol could not be reached by SMS about {request.code}: mailbox is full."]
    assert (escalation_numbers(events), request.escalated) == ([2], 2)
    assert [card.address for card in request.cards] == [TERMINAL]
    assert [(card.address, card.reason) for card in request.undeliverable_cards] == [(CAROL_PHONE, "mailbox is full")]


def test_bounce_of_a_step_that_others_received_does_not_escalate() -> None:
    state, _ = after_escalation(terms_with_steps((Address("role:release"), "sms"), (CAROL, "terminal")))
    for address in [m.to for m in pending_sends(state) if m.message.card]:
        state, _ = after_delivery(state, address)
    with_other = get_open_request(state).model_copy(update={"escalated": 2})
    _, events = after_bounce(state.model_copy(update={"requests": (with_other,)}), CAROL_PHONE)
    assert escalation_numbers(events) == []


def test_bounce_of_the_only_card_escalates_in_its_commit() -> None:
    state = thread_waiting_for_approval(terms_with_steps((CAROL, "sms")))
    state, events = after_bounce(state, TERMINAL)
    request = get_open_request(state)
    assert (escalation_numbers(events), notice_texts(events)) == ([1], [])
    assert (request.cards, request.unshown) == ((), "mailbox is full")
    assert [m.to for m in state.pending_messages if m.message.card] == [CAROL_PHONE]


def test_bounce_of_an_updated_card_belongs_to_its_step() -> None:
    state, _ = after_escalation(terms_with_steps((CAROL, "sms"), (Address("person:bob"), None)))
    state, _ = after_delivery(state, CAROL_PHONE)
    card = next(card for card in get_open_request(state).cards if card.address == CAROL_PHONE)
    event = MessageUndeliverable(
        at=NOW,
        actor=CAROL,
        key=f"card:updated:{CAROL_PHONE}:{card.receipt.ref}",
        to=CAROL_PHONE,
        reason="gone",
        request_id=get_open_request(state).id,
        receipt=card.receipt,
    )
    assert escalation_numbers(escalation_follow_ups(state, event, PEOPLE)) == [2]


def test_undeliverable_event_of_an_older_version_is_not_recorded() -> None:
    state, _ = after_escalation(terms_with_steps((CAROL, "sms")))
    card = pending_card(state, CAROL_PHONE)
    older = MessageUndeliverable(at=NOW, actor=CAROL, key=card.key, to=CAROL_PHONE, reason="gone")
    assert get_open_request(fold(state, [older])).undeliverable_cards == ()


def test_people_are_named_at_each_of_their_addresses() -> None:
    addresses = (CAROL_PHONE, Address("terminal:bob"), CAROL, Address("slack:C0OPS"))
    assert [display_name_at(at, PEOPLE) for at in addresses] == ["Carol", "Bob", "Carol", "C0OPS"]
