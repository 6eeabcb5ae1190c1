"""Cards: requests as people see them, made from validated facts. What a value says is shown, never obeyed."""

import json
import unicodedata
from typing import Any

from agents.messages import Card, Field, Message
from agents.requests import GivenAnswer, Request

LONGEST_VALUE = 300
_HIDDEN = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
_DRAWN_AS_NOTHING = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0}
    | {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
)
"""Letters and marks without a shape: Default_Ignorable_Code_Point of Unicode, as far as no hidden category has them."""


def visible(text: str) -> str:
    """The text with control, format and bidirectional characters written out, so that nothing can hide or reorder."""
    return "".join(_written(c) if _hides(c) else c for c in text)


def _hides(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN or ord(character) in _DRAWN_AS_NOTHING


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def shown(value: Any) -> str:
    """One value of a card: visible, on one line, cut with its length told, so that none hides the next."""
    text = visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    if len(text) <= LONGEST_VALUE:
        return text
    return f"{text[:LONGEST_VALUE]}… ({len(text)} characters in all)"


def card_of(request: Request) -> Message:
    """The request as a message, whether it is open or settled."""
    card = Card(
        request_id=request.id,
        code=request.code,
        digest=request.digest,
        kind=request.kind,
        status=request.status,
        title=_title(request),
        fields=_fields(request),
        choices=choices_of(request),
        editable=request.purpose == "tool",
        requester=request.requester,
        requesters=request.asked_by,
        expires_at=None if request.held else request.expires_at,
        settled_at=request.settled_at,
        outcome=None if request.status == "open" else outcome(request),
        note=_note(request) if request.status == "open" else "",
    )
    return Message(text=_text(card), card=card)


def _note(request: Request) -> str:
    """Where nobody could see the request, those who are asked directly learn why."""
    return f"It could not be shown where it was asked: {shown(request.unshown)}" if request.unshown else ""


def choices_of(request: Request) -> tuple[str, ...]:
    """What may be answered, where that is a closed list."""
    return ("yes", "no") if request.format == "yes_no" and not request.choices else request.choices


def outcome(request: Request) -> str:
    """How the request ended, who decided and from where, in one line."""
    if request.status in ("expired", "superseded", "cancelled"):
        return _ENDINGS[request.status]
    last = next((a for a in reversed(request.answers) if a.counted), None)
    return f"{_decided(request, last)}{_circumstances(last)}" if last else request.status


def _decided(request: Request, last: GivenAnswer) -> str:
    """Say who decided it. An edit is named, and so is that nobody but the editor saw what was approved."""
    by, edit = last.by.rest, request.edit
    if request.status != "approved" or edit is None:
        return f"{request.status} by {by}"
    if request.approvers == (edit.by,):
        return f"edited and approved by {by}; nobody else saw this version"
    return f"edited by {edit.by.rest}, approved by {by}"


_ENDINGS = {
    "expired": "nobody answered in time",
    "superseded": "taken back, or replaced by a new instruction",
    "cancelled": "cancelled with its thread",
}


def _circumstances(answer: GivenAnswer) -> str:
    said = answer.comment or answer.text
    entered = f", entered by {answer.entered_by.rest}" if answer.entered_by else ""
    return f" ({answer.channel.scheme}){entered}" + (f": {shown(said)}" if said else "")


def asked_for_by(card: Card) -> str:
    """Name everybody whose words led to the request."""
    return "asked for by " + ", ".join(address.rest for address in card.requesters or (card.requester,))


def _fields(request: Request) -> tuple[Field, ...]:
    """The arguments; those of a budget are in the title, in words."""
    if request.purpose == "budget" and request.question:
        return ()
    return tuple(Field(name=name, value=shown(value)) for name, value in (request.arguments or {}).items())


def _title(request: Request) -> str:
    if request.purpose == "budget" and request.question:
        return f"{request.agent} {shown(request.question)}"
    if request.kind == "question":
        return f"{request.agent} asks: {shown(request.question or '')}"
    return f"{request.agent} wants to run {request.tool}"


def _text(card: Card) -> str:
    lines = [card.title, *(f"{field.name}: {field.value}" for field in card.fields)]
    lines += [card.note] if card.note else []
    lines += [visible(asked_for_by(card)), f"[{card.code}] {card.outcome or 'waiting for an answer'}"]
    return "\n".join(lines)
