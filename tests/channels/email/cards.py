"""Cards for tests of outgoing mail."""

from datetime import UTC, datetime
from typing import Any

from agents.core.messages import Card, CardField, Explanation, Message
from agents.core.values import Address

ALICE = Address("email:alice@corp.test")


def create_card(**changes: Any) -> Card:
    """Return an open approval card, with changes of its fields."""
    values = {
        "request_id": "req_0123456789",
        "code": "K7P2Q",
        "digest": "ab" * 32,
        "kind": "approval",
        "status": "open",
        "title": "deploy wants to run push_release_tag",
        "fields": (CardField(name="tag", value="v1.4.0"), CardField(name="note", value="fixes <b>login</b> & more")),
        "explanation": Explanation(
            why="Alice asked for it",
            asked_by="Alice Ng",
            decided_by="release (Bob Ito)",
            progress="1 of 2 so far: Carol",
            afterwards="without an answer by then nothing is done",
        ),
        "requester": ALICE,
        "expires_at": datetime(2026, 1, 3, 9, 0, tzinfo=UTC),
        "note": "This could not be shown in its conversation: archived",
        "link": "https://handrail.test/a/secret-token",
    }
    return Card(**(values | changes))


def create_question(**changes: Any) -> Card:
    """Return an open question."""
    return create_card(**({"kind": "question", "title": "deploy asks: Which region?", "fields": ()} | changes))


def message_with(card: Card) -> Message:
    return Message(text=f"{card.title}\n[{card.code}] waiting for an answer", card=card)
