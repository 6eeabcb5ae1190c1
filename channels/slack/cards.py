"""Messages and cards as Block Kit. Pure: what is drawn depends on what is given and on nothing else.

The limits are those of docs.slack.dev/reference/block-kit. That all blocks together hold some 13 200 characters is not
documented there (github.com/slackapi/bolt-js/issues/2509); we stay below 12 000.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from agents.cards import asked_for_by, visible
from agents.messages import Card, Message
from channels.slack.actions import ANSWER, APPROVE, CHOOSE, DENY, EDIT
from channels.slack.blocks import Block, context, plain, when
from channels.slack.escaping import clipped, escaped, inert
from channels.slack.splitting import LONGEST, split

LONGEST_TEXT = 3000
"""What stands for the blocks in notifications: longer texts cannot be put in the place of one (`msg_too_long`)."""

MOST_BUTTONS = 5
MOST_OPTIONS = 100
_LONGEST_SECTION = 3000
_LONGEST_LABEL = 75
_LONGEST_NAME = 200
_LONGEST_VALUE = 1000
_LONGEST_REMARK = 1000
_ROOM = 9000
_HEADINGS = {"approval": "Approval needed", "question": "A question"}


@dataclass(frozen=True)
class Posting:
    """One message as Slack takes it: blocks, and the text that stands for them in notifications."""

    text: str
    blocks: tuple[Block, ...]


def drawn(message: Message, reference: str | None = None) -> tuple[Posting, ...]:
    """The message: a card is always one posting, words are as many as they need.

    Without a reference a card has no buttons.
    """
    if message.card is None:
        return tuple(_words(message.text))
    card = message.card
    text = escaped(message.text, LONGEST_TEXT)
    if card.status != "open":
        return (Posting(text, _settled(card)),)
    return (Posting(text, _open(card, reference)),)


def _words(text: str) -> Iterator[Posting]:
    for piece in split(inert(text) if text.strip() else "…", LONGEST):
        # A block of nothing but blanks is refused.
        shown = piece.shown if piece.shown.strip() else "…"
        yield Posting(escaped(shown, LONGEST_TEXT), ({"type": "markdown", "text": shown},))


def in_plain(posting: Posting) -> tuple[Block, ...]:
    """All words of a posting in sections that Slack does not read, for words it does not take as markdown."""
    text = "".join(block["text"] for block in posting.blocks)
    pieces = (text[at : at + _LONGEST_SECTION] for at in range(0, len(text), _LONGEST_SECTION))
    return tuple({"type": "section", "text": plain(piece)} for piece in pieces)


def _open(card: Card, reference: str | None) -> tuple[Block, ...]:
    until = [when("open until ", card.expires_at)] if card.expires_at is not None else []
    below = [context([_remark(asked_for_by(card)), *until, _remark(f"code {card.code}")])]
    if card.note:
        below.append(context([_remark(card.note)]))
    if reference is not None and (elements := _elements(card, reference)):
        # A list to choose from has no room for a reference in its options: its block carries it.
        below.append({"type": "actions", "block_id": reference, "elements": elements})
    return _framed(_HEADINGS[card.kind], card, below)


def _settled(card: Card) -> tuple[Block, ...]:
    """Without buttons: it says who, from where and when."""
    settled = [when("", card.settled_at)] if card.settled_at is not None else []
    remarks = [_remark(card.outcome or card.status), *settled, _remark(f"code {card.code}")]
    return _framed(clipped(visible(card.status).capitalize(), _LONGEST_LABEL), card, [context(remarks)])


def _framed(heading: str, card: Card, below: list[Block]) -> tuple[Block, ...]:
    header = {"type": "header", "text": plain(heading)}
    room = min(_ROOM, LONGEST - _size([header, *below]) - _LONGEST_NAME)
    sections = ({"type": "section", "text": plain(text)} for text in _sections(_lines(card), room))
    return (header, *sections, *below)


def _lines(card: Card) -> Iterator[str]:
    """What is asked, a line for each fact. No value can begin a line of its own."""
    yield clipped(visible(card.title), _LONGEST_VALUE)
    for field in card.fields:
        yield f"{clipped(visible(field.name), _LONGEST_NAME)}: {clipped(visible(field.value), _LONGEST_VALUE)}"
    if _numbered(card.choices):
        for number, choice in enumerate(card.choices, 1):
            yield f"{number}. {clipped(visible(choice), _LONGEST_VALUE)}"


def _sections(lines: Iterable[str], room: int) -> Iterator[str]:
    """The lines in texts a section holds. What has no room is counted: nobody decides without knowing that."""
    section, left_out = "", 0
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            left_out += 1
        elif len(section) + len(line) + 1 > _LONGEST_SECTION:
            yield section
            section = line
        else:
            section = f"{section}\n{line}".lstrip("\n")
    yield section
    if left_out:
        yield f"… and {left_out} more, which do not fit here: look at all of it elsewhere before you decide."


def _elements(card: Card, reference: str) -> list[Block]:
    if card.kind == "approval":
        approve = _button(APPROVE, "Approve", reference) | {"style": "primary", "confirm": _confirmation(card)}
        deny = _button(DENY, "Deny", reference) | {"style": "danger"}
        edit = [_button(EDIT, "Edit", reference)] if card.editable else []
        return [approve, deny, *edit] if card.may_approve else [deny]
    answer = _button(ANSWER, "Answer…", reference)
    if not card.choices:
        return [answer]
    labels = _labels(card.choices)
    if len(labels) <= MOST_BUTTONS:
        return [_button(f"{CHOOSE}.{number}", label, reference) for number, label in enumerate(labels)]
    return [_list(labels), *([answer] if len(labels) > MOST_OPTIONS else [])]


def _labels(choices: tuple[str, ...]) -> list[str]:
    """Choices that do not fit a button are numbered, and written out above."""
    if not _numbered(choices):
        return [visible(choice) for choice in choices]
    return [clipped(f"{number}. {visible(choice)}", _LONGEST_LABEL) for number, choice in enumerate(choices, 1)]


def _numbered(choices: tuple[str, ...]) -> bool:
    return any(len(visible(choice)) > _LONGEST_LABEL or not choice.strip() for choice in choices)


def _list(labels: list[str]) -> Block:
    options = [{"text": plain(label), "value": str(number)} for number, label in enumerate(labels[:MOST_OPTIONS])]
    return {"type": "static_select", "action_id": CHOOSE, "placeholder": plain("Choose"), "options": options}


def _button(action: str, label: str, reference: str) -> Block:
    return {"type": "button", "action_id": action, "text": plain(label), "value": reference}


def _confirmation(card: Card) -> Block:
    text = clipped(visible(card.title), 300)
    return {
        "title": plain("Approve?"),
        "text": plain(text),
        "confirm": plain("Approve"),
        "deny": plain("Back"),
    }


def _remark(text: str) -> Block:
    return plain(clipped(visible(text), _LONGEST_REMARK))


def _size(value: Any) -> int:
    """Characters of all texts in blocks, also of those nobody sees."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 0
