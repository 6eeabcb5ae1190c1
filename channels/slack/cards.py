"""Messages and cards as Block Kit. Pure: what is drawn depends on what is given and on nothing else.

The limits are those of docs.slack.dev/reference/block-kit. That all blocks together hold some 13 200 characters is not
documented there (github.com/slackapi/bolt-js/issues/2509); we stay below 12 000.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from agents.cards import explained, lines_of
from agents.messages import Card, Message
from agents.visible import cut, visible
from channels.slack.actions import ANSWER, APPROVE, CHOOSE, DENY, EDIT, SHOW
from channels.slack.blocks import LONGEST_SECTION, Block, context, header, plain, when
from channels.slack.escaping import clipped, escaped, inert
from channels.slack.link_spans import MAX_GROWTH, put_links_in_code
from channels.slack.splitting import LONGEST, split

LONGEST_TEXT = 3000
"""What stands for the blocks in notifications: longer texts cannot be put in the place of one (`msg_too_long`)."""

LONGEST_PART = LONGEST - 300
"""One part of a reply leaves room for a line about the whole."""

MOST_BUTTONS = 5
MOST_OPTIONS = 100
_SECTIONS_OF_A_PAGE = 3
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
    for part in _parts(inert(text) if text.strip() else "…"):
        shown = part if part.strip() else "…"  # a block of nothing but blanks is refused
        yield Posting(escaped(shown, LONGEST_TEXT), ({"type": "markdown", "text": shown},))


def _parts(text: str) -> list[str]:
    """Return the text in parts, each without links: a cut through a code span may have bared some."""
    parts = [put_links_in_code(part.shown) for part in split(text, LONGEST_PART)]
    if all(len(part) <= LONGEST_PART for part in parts):
        return parts
    return [put_links_in_code(part.shown) for part in split(text, LONGEST_PART // MAX_GROWTH)]


def beginning(posting: Posting, length: int) -> Posting:
    """Return the first part of a reply, with a line that says how long all of it is."""
    told = f"This is the beginning. The whole reply has {length:,} characters and follows below."
    return Posting(posting.text, (*posting.blocks, context([plain(told)])))


def in_plain(posting: Posting) -> tuple[Block, ...]:
    """All words of a posting in sections that Slack does not read, for words it does not take as markdown."""
    others = (block for block in posting.blocks if block["type"] != "markdown")
    return (*sections_of("".join(b["text"] for b in posting.blocks if b["type"] == "markdown")), *others)


def sections_of(text: str) -> tuple[Block, ...]:
    """Return a text in sections in which nothing works: Slack neither reads it nor makes links in it."""
    pieces = (text[at : at + LONGEST_SECTION] for at in range(0, max(1, len(text)), LONGEST_SECTION))
    return tuple({"type": "section", "text": plain(piece)} for piece in pieces)


def _open(card: Card, reference: str | None) -> tuple[Block, ...]:
    """With all of it and its buttons, or, where not all of it fits, with a way to the whole in place of approving."""
    heading, remarks = _HEADINGS[card.kind], _explained(card)
    below = [*remarks, *_actions(reference, _elements(card, reference or ""))]
    if not card.is_cut and (blocks := _whole(heading, card, below)):
        return blocks
    remarks.append(context([plain("Not all of it fits here: press Show all before you decide.")]))
    below = [*remarks, *_actions(reference, _elements_of_a_part(card, reference or ""))]
    return _framed(heading, card, below)


def _explained(card: Card) -> list[Block]:
    """Why, in the agent's words; who asked, who decides, until when."""
    told, facts = card.explanation, explained(card)
    why = [context([_remark(facts.pop(0))])] if told.why else []
    until = [when("open until ", card.expires_at)] if card.expires_at is not None else []
    until += [_remark(told.afterwards)] if told.afterwards else []
    note = [context([_remark(card.note)])] if card.note else []
    return [*why, context([*map(_remark, facts), *until, _remark(f"code {card.code}")]), *note]


def _actions(reference: str | None, elements: list[Block]) -> list[Block]:
    """A list to choose from has no room for a reference in its options: its block carries it."""
    return [{"type": "actions", "block_id": reference, "elements": elements}] if reference and elements else []


def _settled(card: Card) -> tuple[Block, ...]:
    """Without buttons: it says who, from where and when."""
    settled = [when("", card.settled_at)] if card.settled_at is not None else []
    remarks = [_remark(card.outcome or card.status), *settled, _remark(f"code {card.code}")]
    heading = clipped(visible(card.status).capitalize(), _LONGEST_LABEL)
    return _whole(heading, card, [context(remarks)]) or _framed(heading, card, [context(remarks)])


def _whole(heading: str, card: Card, below: list[Block]) -> tuple[Block, ...]:
    """Return the card with all of its values; nothing where they do not fit."""
    texts = list(section_texts(_lines(card)))
    fits = sum(map(len, texts)) <= _room(heading, below)
    return (header(heading), *map(section_block, texts), *below) if fits else ()


def _framed(heading: str, card: Card, below: list[Block]) -> tuple[Block, ...]:
    """With long values cut, each with its length told."""
    lines = [cut(line, _LONGEST_VALUE) for line in _lines(card)]
    texts = section_texts(_fitting(lines, _room(heading, below)))
    return (header(heading), *map(section_block, texts), *below)


def _room(heading: str, below: list[Block]) -> int:
    return min(_ROOM, LONGEST - _size([header(heading), *below]) - _LONGEST_NAME)


def _lines(card: Card) -> Iterator[str]:
    """What is asked, a line for each fact, and choices that no button can hold."""
    yield from lines_of(card)
    if _numbered(card.choices):
        yield from (f"{number}. {visible(choice)}" for number, choice in enumerate(card.choices, 1))


def _fitting(lines: Iterable[str], room: int) -> Iterator[str]:
    """Those that fit. The others are counted: nobody decides without knowing that."""
    left_out = 0
    for line in lines:
        room -= len(line) + 1
        if room >= 0:
            yield line
        else:
            left_out += 1
    if left_out:
        yield f"… and {left_out} more, which do not fit here: look at all of it elsewhere before you decide."


def section_texts(lines: Iterable[str], longest: int = LONGEST_SECTION) -> Iterator[str]:
    """Return the lines in texts that a section holds.

    A line that goes on in the next one begins with an ellipsis there: no part of a value passes for a line of its own.
    """
    text = ""
    for line in lines:
        if text and len(text) + 1 + len(line) > longest:
            yield text
            text = ""
        text = f"{text}\n{line}" if text else line
        while len(text) > longest:
            yield text[: longest - 1] + "…"
            text = "…" + text[longest - 1 :]
    if text:
        yield text


def section_block(text: str) -> Block:
    """Return the text as a section that Slack does not fold."""
    return {"type": "section", "text": plain(text), "expand": True}


def pages_of(card: Card) -> list[list[str]]:
    """Return all of a card in pages that a modal holds, each a list of texts for sections."""
    texts = list(section_texts(_lines(card)))
    return [texts[at : at + _SECTIONS_OF_A_PAGE] for at in range(0, len(texts), _SECTIONS_OF_A_PAGE)]


def _elements_of_a_part(card: Card, reference: str) -> list[Block]:
    """For a card that is not shown whole: it can be looked at or denied."""
    show = _button(SHOW, "Show all", reference) | {"style": "primary"}
    deny = _button(DENY, "Deny", reference) | {"style": "danger"}
    return [show, deny] if card.kind == "approval" else [show]


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
