"""Cards: requests as people see them, made from validated facts. What a value says is shown, never obeyed."""

import json
from typing import Any

from agents.explanation import explain
from agents.messages import Card, CardField, Message
from agents.outcomes import describe_outcome
from agents.requests import Request
from agents.visible_text import escape_and_truncate, escape_hidden_characters

MAX_LINE_VALUE_LENGTH = 300
"""Characters of a value in one line of several; a card has all of it."""

MAX_CARD_VALUE_LENGTH = 64_000
"""Characters of a value that a card keeps; what is longer is shown from the request itself."""


def display_value(value: Any) -> str:
    """One value on one line among others: visible, and cut with its length told, so that none hides the next."""
    return escape_and_truncate(_value_to_text(value), MAX_LINE_VALUE_LENGTH)


def display_full_value(value: Any) -> str:
    """Return all of a value, visible and on one line."""
    return escape_hidden_characters(_value_to_text(value))


def _value_to_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def render_card(request: Request) -> Message:
    """The request as a message, whether it is open or settled."""
    values = {name: display_full_value(value) for name, value in _displayed_arguments(request).items()}
    question = display_full_value(request.question or "")
    card = Card(
        request_id=request.id,
        code=request.code,
        digest=request.digest,
        kind=request.kind,
        status=request.status,
        title=_render_title(request, escape_and_truncate(question, MAX_CARD_VALUE_LENGTH)),
        fields=tuple(
            CardField(name=name, value=escape_and_truncate(value, MAX_CARD_VALUE_LENGTH))
            for name, value in values.items()
        ),
        is_truncated=any(len(text) > MAX_CARD_VALUE_LENGTH for text in (question, *values.values())),
        explanation=explain(request),
        choices=allowed_choices(request),
        is_editable=request.purpose == "tool",
        requester=request.requester,
        requesters=request.all_requesters,
        expires_at=None if request.is_kept_open else request.expires_at,
        settled_at=request.settled_at,
        outcome=None if request.status == "open" else describe_request_outcome(request),
        note=_describe_delivery_problem(request) if request.status == "open" else "",
    )
    return Message(text=_render_plain_text(request, card), card=card)


def _describe_delivery_problem(request: Request) -> str:
    """Where nobody could see the request, those who are asked directly learn why."""
    return f"It could not be shown where it was asked: {display_value(request.unshown)}" if request.unshown else ""


def allowed_choices(request: Request) -> tuple[str, ...]:
    """What may be answered, where that is a closed list."""
    return ("yes", "no") if request.format == "yes_no" and not request.choices else request.choices


def describe_request_outcome(request: Request) -> str:
    """How the request ended, who decided and from where, in one line."""
    return describe_outcome(request.status, request.answers, request.names)


def describe_requesters(card: Card) -> str:
    """Name everybody whose words led to the request."""
    addresses = ", ".join(address.id for address in card.requesters or (card.requester,))
    return escape_hidden_characters(f"asked for by {card.explanation.asked_by or addresses}")


def _displayed_arguments(request: Request) -> dict[str, Any]:
    """Return the arguments; those of a budget are in its question, in words."""
    return {} if request.purpose == "budget" and request.question else request.arguments or {}


def explanation_lines(card: Card) -> list[str]:
    """Return why it is asked, by whom, and who decides, a line for each."""
    told = card.explanation
    why = [f"Why, in the agent's words: {escape_hidden_characters(told.why)}"] if told.why else []
    decided = [f"decided by {escape_hidden_characters(told.decided_by)}"] if told.decided_by else []
    return [
        *why,
        describe_requesters(card),
        *decided,
        *([escape_hidden_characters(told.progress)] if told.progress else []),
    ]


def content_lines(card: Card) -> list[str]:
    """Return what is asked, a line for each fact: no value begins a line of its own."""
    return [
        escape_hidden_characters(card.title),
        *(f"{escape_hidden_characters(field.name)}: {escape_hidden_characters(field.value)}" for field in card.fields),
    ]


def _render_title(request: Request, question: str) -> str:
    if request.purpose == "budget" and question:
        return f"{request.agent} {question}"
    if request.kind == "question":
        return f"{request.agent} asks: {question}"
    return f"{request.agent} wants to run {request.tool}"


def _render_plain_text(request: Request, card: Card) -> str:
    """Return what stands for the card in a notification: every value is there, and long ones are cut."""
    title = _render_title(request, display_value(request.question or ""))
    lines = [title, *(f"{name}: {display_value(value)}" for name, value in _displayed_arguments(request).items())]
    lines += [card.note] if card.note else []
    lines += [describe_requesters(card), f"[{card.code}] {card.outcome or 'waiting for an answer'}"]
    return "\n".join(lines)
