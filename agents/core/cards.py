"""Render requests as cards, and explain them to people. Cards are built from validated data only."""

import json
from typing import Any

from agents.core.messages import Assurance, Card, CardField, Explanation, Message
from agents.core.outcomes import describe_outcome
from agents.core.people import name_in
from agents.core.policy import OnExpire
from agents.core.requests import Deciders, RecordedAnswer, Request
from agents.core.values import Address
from agents.core.visible_text import escape_and_truncate, escape_hidden_characters

MAX_LINE_VALUE_LENGTH = 300
"""Limit in characters for a value in a plain-text line; the card shows more of it (MAX_CARD_VALUE_LENGTH)."""

MAX_CARD_VALUE_LENGTH = 64_000
"""Limit in characters for a value on a card; the API returns the whole value of a longer one."""


def display_value(value: Any) -> str:
    """Return a value on one line, with hidden characters escaped. A long value is truncated and its length appended."""
    return escape_and_truncate(_value_to_text(value), MAX_LINE_VALUE_LENGTH)


def display_full_value(value: Any) -> str:
    """Return the whole value on one line, with hidden characters escaped."""
    return escape_hidden_characters(_value_to_text(value))


def _value_to_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def render_card(request: Request) -> Message:
    """Return the message with the card of an open or settled request."""
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
        min_assurance=request.terms.min_assurance if request.kind == "approval" else Assurance.NONE,
    )
    return Message(text=_render_plain_text(request, card), card=card)


def _describe_delivery_problem(request: Request) -> str:
    """Return why the thread's conversation could not show the request, for people who are asked directly instead."""
    return f"This could not be shown in its conversation: {display_value(request.unshown)}" if request.unshown else ""


def allowed_choices(request: Request) -> tuple[str, ...]:
    """Return the allowed answers of a question that has a fixed list of them, else an empty tuple."""
    return ("yes", "no") if request.format == "yes_no" and not request.choices else request.choices


def describe_request_outcome(request: Request) -> str:
    """Describe in one line how the request ended, who decided it and on which channel."""
    return describe_outcome(request.status, request.answers, request.names)


def describe_requesters(card: Card) -> str:
    """Name the people whose messages led to the request."""
    addresses = ", ".join(address.id for address in card.requesters or (card.requester,))
    return escape_hidden_characters(f"asked for by {card.explanation.asked_by or addresses}")


def _displayed_arguments(request: Request) -> dict[str, Any]:
    """Return the arguments to display; a request for more budget states them in its question."""
    return {} if request.purpose == "budget" and request.question else request.arguments or {}


def explanation_lines(card: Card) -> list[str]:
    """Return one line each for the reason, the requesters, the deciders and the progress."""
    explanation = card.explanation
    reason = [f"Why, in the agent's words: {escape_hidden_characters(explanation.why)}"] if explanation.why else []
    deciders = (
        [f"can be decided by {escape_hidden_characters(explanation.decided_by)}"] if explanation.decided_by else []
    )
    return [
        *reason,
        describe_requesters(card),
        *deciders,
        *([escape_hidden_characters(explanation.progress)] if explanation.progress else []),
    ]


def content_lines(card: Card) -> list[str]:
    """Return the title and one line per argument. Values never start a line, so they cannot imitate one."""
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
    """Return the plain-text version of the card for notifications; long values are truncated."""
    title = _render_title(request, display_value(request.question or ""))
    lines = [title, *(f"{name}: {display_value(value)}" for name, value in _displayed_arguments(request).items())]
    lines += [card.note] if card.note else []
    lines += [describe_requesters(card), f"[{card.code}] {card.outcome or 'waiting for an answer'}"]
    return "\n".join(lines)


MAX_REASON_LENGTH = 300
"""Limit in characters for the agent's reasoning on a card."""

_EXPIRY_CONSEQUENCES: dict[OnExpire, str] = {
    "deny": "without an answer by then nothing is done",
    "hold": "it stays open after that",
    "halt": "without an answer by then the thread stops",
}


def explain(request: Request) -> Explanation:
    """Return the explanation of a request in its current state."""
    return Explanation(
        why=escape_and_truncate(" ".join(request.reasoning.split()), MAX_REASON_LENGTH),
        asked_by=_join_words([display_name(request, address) for address in request.all_requesters], "and"),
        decided_by=describe_deciders(request),
        progress=describe_progress(request),
        afterwards="" if request.is_kept_open else _EXPIRY_CONSEQUENCES[request.terms.on_expire],
    )


def describe_deciders(request: Request) -> str:
    """Return who may decide: roles with the names of their members, and people who are named individually."""
    groups = request.deciders or tuple(Deciders(role=role) for role in request.terms.roles)
    return _join_words([_describe_group(request, group) for group in groups], "or") or "no person"


def describe_progress(request: Request) -> str:
    """Return how many people have approved and their names; empty if one approval is enough."""
    if request.kind == "question" or request.terms.quorum == 1:
        return ""
    approvers = {answer.by: _describe_approver(request, answer) for answer in request.approvals}
    names = f": {', '.join(approvers.values())}" if approvers else ""
    return f"{len(approvers)} of {request.terms.quorum} so far{names}"


def _describe_approver(request: Request, answer: RecordedAnswer) -> str:
    """Return the name of the approver and, if another person entered the answer, that person's name."""
    entered = f" (entered by {display_name(request, answer.entered_by)})" if answer.entered_by else ""
    return f"{display_name(request, answer.by)}{entered}"


def display_name(request: Request, address: Address) -> str:
    """Return the name of a person in a request, or the id in their address."""
    return name_in(request.names, address)


def _describe_group(request: Request, group: Deciders) -> str:
    names = [display_name(request, address) for address in group.people]
    names += [f"{group.more} more"] if group.more else []
    if group.role is None:
        return ", ".join(names)
    if group.role == "*":
        return "any known person"
    return (
        f"{escape_hidden_characters(group.role)} ({', '.join(names)})"
        if names
        else f"{escape_hidden_characters(group.role)}"
    )


def _join_words(words: list[str], conjunction: str) -> str:
    return f" {conjunction} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
