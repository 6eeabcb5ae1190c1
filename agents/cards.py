"""Cards: requests as people see them, made from validated facts. What a value says is shown, never obeyed."""

import json
from typing import Any

from agents.explaining import explain
from agents.messages import Card, Field, Message
from agents.outcomes import describe_outcome
from agents.requests import Request
from agents.visible import cut, visible

LONGEST_VALUE = 300
"""Characters of a value in one line of several; a card has all of it."""

MAX_CARD_VALUE = 64_000
"""Characters of a value that a card keeps; what is longer is shown from the request itself."""


def shown(value: Any) -> str:
    """One value on one line among others: visible, and cut with its length told, so that none hides the next."""
    return cut(_text_of(value), LONGEST_VALUE)


def whole(value: Any) -> str:
    """Return all of a value, visible and on one line."""
    return visible(_text_of(value))


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def card_of(request: Request) -> Message:
    """The request as a message, whether it is open or settled."""
    values = {name: whole(value) for name, value in _values(request).items()}
    question = whole(request.question or "")
    card = Card(
        request_id=request.id,
        code=request.code,
        digest=request.digest,
        kind=request.kind,
        status=request.status,
        title=_title(request, cut(question, MAX_CARD_VALUE)),
        fields=tuple(Field(name=name, value=cut(value, MAX_CARD_VALUE)) for name, value in values.items()),
        is_cut=any(len(text) > MAX_CARD_VALUE for text in (question, *values.values())),
        explanation=explain(request),
        choices=choices_of(request),
        editable=request.purpose == "tool",
        requester=request.requester,
        requesters=request.asked_by,
        expires_at=None if request.held else request.expires_at,
        settled_at=request.settled_at,
        outcome=None if request.status == "open" else outcome(request),
        note=_note(request) if request.status == "open" else "",
    )
    return Message(text=_text(request, card), card=card)


def _note(request: Request) -> str:
    """Where nobody could see the request, those who are asked directly learn why."""
    return f"It could not be shown where it was asked: {shown(request.unshown)}" if request.unshown else ""


def choices_of(request: Request) -> tuple[str, ...]:
    """What may be answered, where that is a closed list."""
    return ("yes", "no") if request.format == "yes_no" and not request.choices else request.choices


def outcome(request: Request) -> str:
    """How the request ended, who decided and from where, in one line."""
    return describe_outcome(request.status, request.answers, request.names)


def asked_for_by(card: Card) -> str:
    """Name everybody whose words led to the request."""
    addresses = ", ".join(address.rest for address in card.requesters or (card.requester,))
    return visible(f"asked for by {card.explanation.asked_by or addresses}")


def _values(request: Request) -> dict[str, Any]:
    """Return the arguments; those of a budget are in its question, in words."""
    return {} if request.purpose == "budget" and request.question else request.arguments or {}


def explained(card: Card) -> list[str]:
    """Return why it is asked, by whom, and who decides, a line for each."""
    told = card.explanation
    why = [f"Why, in the agent's words: {visible(told.why)}"] if told.why else []
    decided = [f"decided by {visible(told.decided_by)}"] if told.decided_by else []
    return [*why, asked_for_by(card), *decided, *([visible(told.progress)] if told.progress else [])]


def lines_of(card: Card) -> list[str]:
    """Return what is asked, a line for each fact: no value begins a line of its own."""
    return [visible(card.title), *(f"{visible(field.name)}: {visible(field.value)}" for field in card.fields)]


def _title(request: Request, question: str) -> str:
    if request.purpose == "budget" and question:
        return f"{request.agent} {question}"
    if request.kind == "question":
        return f"{request.agent} asks: {question}"
    return f"{request.agent} wants to run {request.tool}"


def _text(request: Request, card: Card) -> str:
    """Return what stands for the card in a notification: every value is there, and long ones are cut."""
    title = _title(request, shown(request.question or ""))
    lines = [title, *(f"{name}: {shown(value)}" for name, value in _values(request).items())]
    lines += [card.note] if card.note else []
    lines += [asked_for_by(card), f"[{card.code}] {card.outcome or 'waiting for an answer'}"]
    return "\n".join(lines)
