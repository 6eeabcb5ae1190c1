"""Rendering of messages and cards as Block Kit, without I/O.

The limits are those of docs.slack.dev/reference/block-kit. The blocks of a message together can hold about 13 200
characters, an undocumented limit (github.com/slackapi/bolt-js/issues/2509); Handrail stays below 12 000.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from agents.core.cards import content_lines, explanation_lines
from agents.core.messages import Card, Message
from agents.core.visible_text import escape_and_truncate, escape_hidden_characters
from channels.slack.action_ids import ANSWER, APPROVE, CHOOSE, DENY, EDIT, SHOW
from channels.slack.blocks import (
    MAX_SECTION_LENGTH,
    Block,
    context,
    escape_mrkdwn,
    header,
    neutralize_markdown,
    plain_text,
    timestamp,
    truncate,
)
from channels.slack.link_spans import MAX_GROWTH_FACTOR, put_links_in_code
from channels.slack.text_splitter import MAX_MARKDOWN_BLOCK_LENGTH, split_markdown

MAX_TEXT_LENGTH = 3000
"""Characters of the notification text; `chat.update` rejects texts above 4000 (`msg_too_long`)."""

MAX_PART_LENGTH = MAX_MARKDOWN_BLOCK_LENGTH - 300
"""Characters of one part of a reply. 300 are reserved for the line that announces the complete reply."""

MAX_BUTTONS = 5
MAX_OPTIONS = 100
_SECTIONS_PER_PAGE = 3
_MAX_LABEL_LENGTH = 75
_MAX_CARD_TEXT_LENGTH = 12_000
"""Characters in all blocks of a card."""

_RESERVED_LENGTH = 200
"""Characters reserved for the line that counts omitted lines."""

_MAX_VALUE_LENGTH = 1000
_MAX_CONTEXT_LENGTH = 1000
_MAX_BODY_LENGTH = 9000
"""Characters of a value in a truncated card, of a text in the small print, and of all sections of a card."""
_HEADINGS = {"approval": "Approval needed", "question": "A question"}


@dataclass(frozen=True)
class RenderedMessage:
    """One Slack message: its blocks, and the text that notifications show instead of them."""

    text: str
    blocks: tuple[Block, ...]


def render(message: Message, signed_value: str | None = None) -> tuple[RenderedMessage, ...]:
    """Render a message: a card as one Slack message, a text as one or more.

    `signed_value` is the value of the card's buttons (`signing.sign_button_value`); without it a card has no buttons.
    """
    if message.card is None:
        return tuple(_render_text(message.text))
    card = message.card
    text = escape_mrkdwn(message.text, MAX_TEXT_LENGTH)
    if card.status != "open":
        return (RenderedMessage(text, _closed_card_blocks(card)),)
    return (RenderedMessage(text, _open_card_blocks(card, signed_value)),)


def _render_text(text: str) -> Iterator[RenderedMessage]:
    for part in _parts(neutralize_markdown(text) if text.strip() else "…"):
        shown = part if part.strip() else "…"  # Slack rejects a blank block
        yield RenderedMessage(escape_mrkdwn(shown, MAX_TEXT_LENGTH), ({"type": "markdown", "text": shown},))


def _parts(text: str) -> list[str]:
    """Split the text and neutralize links in each part again: a split through a code span can expose links."""
    parts = [put_links_in_code(part.posted_text) for part in split_markdown(text, MAX_PART_LENGTH)]
    if all(len(part) <= MAX_PART_LENGTH for part in parts):
        return parts
    return [put_links_in_code(part.posted_text) for part in split_markdown(text, MAX_PART_LENGTH // MAX_GROWTH_FACTOR)]


def render_beginning(rendered: RenderedMessage, length: int) -> RenderedMessage:
    """Return the first part of a reply with a line that states the length of the complete reply, in characters."""
    remark = f"This is the beginning. The complete reply has {length:,} characters and follows below."
    return RenderedMessage(rendered.text, (*rendered.blocks, context([plain_text(remark)])))


def plain_text_blocks(rendered: RenderedMessage) -> tuple[Block, ...]:
    """Return the message's blocks with its markdown as plain text, for markdown that Slack rejects."""
    others = (block for block in rendered.blocks if block["type"] != "markdown")
    return (*plain_text_sections("".join(b["text"] for b in rendered.blocks if b["type"] == "markdown")), *others)


def plain_text_sections(text: str) -> tuple[Block, ...]:
    """Return a text as plain-text sections, in which Slack formats nothing and makes no links."""
    pieces = (text[at : at + MAX_SECTION_LENGTH] for at in range(0, max(1, len(text)), MAX_SECTION_LENGTH))
    return tuple({"type": "section", "text": plain_text(piece)} for piece in pieces)


def _open_card_blocks(card: Card, signed_value: str | None) -> tuple[Block, ...]:
    """Return the complete card with its buttons; a card that does not fit has "Show all" instead of "Approve"."""
    heading, explanation = _HEADINGS[card.kind], _explanation_blocks(card)
    footer = [*explanation, *_actions_blocks(signed_value, _card_elements(card, signed_value or ""))]
    if not card.is_truncated and (blocks := _complete_blocks(heading, card, footer)):
        return blocks
    explanation.append(
        context([plain_text("This card is truncated. Press Show all to read the complete request before you decide.")])
    )
    footer = [*explanation, *_actions_blocks(signed_value, _partial_card_elements(card, signed_value or ""))]
    return _truncated_blocks(heading, card, footer)


def _explanation_blocks(card: Card) -> list[Block]:
    """Return the agent's reason, the requester, the approvers and the deadline as context blocks."""
    explanation, lines = card.explanation, explanation_lines(card)
    why = [context([_context_text(lines.pop(0))])] if explanation.why else []
    expiry = [timestamp("open until ", card.expires_at)] if card.expires_at is not None else []
    expiry += [_context_text(explanation.afterwards)] if explanation.afterwards else []
    note = [context([_context_text(card.note)])] if card.note else []
    return [*why, context([*map(_context_text, lines), *expiry, _context_text(f"code {card.code}")]), *note]


def _actions_blocks(signed_value: str | None, elements: list[Block]) -> list[Block]:
    """Return the actions block. Its id carries the signed value, which is too long for the options of a select menu."""
    return [{"type": "actions", "block_id": signed_value, "elements": elements}] if signed_value and elements else []


def _closed_card_blocks(card: Card) -> tuple[Block, ...]:
    """Return the card without buttons and with its outcome: who decided, on which channel and when."""
    closed_at = [timestamp("", card.settled_at)] if card.settled_at is not None else []
    footer = [context([_context_text(card.outcome or card.status), *closed_at, _context_text(f"code {card.code}")])]
    heading = truncate(escape_hidden_characters(card.status).capitalize(), _MAX_LABEL_LENGTH)
    return _complete_blocks(heading, card, footer) or _truncated_blocks(heading, card, footer)


def _complete_blocks(heading: str, card: Card, footer: list[Block]) -> tuple[Block, ...]:
    """Return the card with all of its values, or no blocks if they do not fit."""
    texts = list(section_texts(_card_lines(card)))
    if sum(map(len, texts)) > _available_length(heading, footer):
        return ()
    return (header(heading), *map(section_block, texts), *footer)


def _truncated_blocks(heading: str, card: Card, footer: list[Block]) -> tuple[Block, ...]:
    """Return the card with long values truncated, each followed by its full length."""
    lines = [escape_and_truncate(line, _MAX_VALUE_LENGTH) for line in _card_lines(card)]
    texts = section_texts(_fit_lines(lines, _available_length(heading, footer)))
    return (header(heading), *map(section_block, texts), *footer)


def _available_length(heading: str, footer: list[Block]) -> int:
    return min(_MAX_BODY_LENGTH, _MAX_CARD_TEXT_LENGTH - _text_length([header(heading), *footer]) - _RESERVED_LENGTH)


def _card_lines(card: Card) -> Iterator[str]:
    """Yield the lines of the card's content, including choices that are too long for a button."""
    yield from content_lines(card)
    if _needs_numbers(card.choices):
        yield from (f"{number}. {escape_hidden_characters(choice)}" for number, choice in enumerate(card.choices, 1))


def _fit_lines(lines: Iterable[str], available: int) -> Iterator[str]:
    """Yield the lines that fit, and a line with the number of those that do not."""
    omitted_count = 0
    for line in lines:
        available -= len(line) + 1
        if available >= 0:
            yield line
        else:
            omitted_count += 1
    if omitted_count:
        yield f"… {omitted_count} more {'line does' if omitted_count == 1 else 'lines do'} not fit here."


def section_texts(lines: Iterable[str], max_length: int = MAX_SECTION_LENGTH) -> Iterator[str]:
    """Yield the lines in texts of at most `max_length` characters, one for each section.

    The rest of a split line begins with an ellipsis, so that no part of a value can pass for a line of its own.
    """
    text = ""
    for line in lines:
        if text and len(text) + 1 + len(line) > max_length:
            yield text
            text = ""
        text = f"{text}\n{line}" if text else line
        while len(text) > max_length:
            yield text[: max_length - 1] + "…"
            text = "…" + text[max_length - 1 :]
    if text:
        yield text


def section_block(text: str) -> Block:
    """Return the text as a section that Slack shows expanded."""
    return {"type": "section", "text": plain_text(text), "expand": True}


def card_pages(card: Card) -> list[list[str]]:
    """Return the complete card in pages for a modal, each a list of section texts."""
    texts = list(section_texts(_card_lines(card)))
    return [texts[at : at + _SECTIONS_PER_PAGE] for at in range(0, len(texts), _SECTIONS_PER_PAGE)]


def _partial_card_elements(card: Card, signed_value: str) -> list[Block]:
    """Return the buttons of a truncated card: one shows the complete card, and an approval can be denied."""
    show = _button(SHOW, "Show all", signed_value) | {"style": "primary"}
    deny = _button(DENY, "Deny", signed_value) | {"style": "danger"}
    return [show, deny] if card.kind == "approval" else [show]


def _card_elements(card: Card, signed_value: str) -> list[Block]:
    if card.kind == "approval":
        approve = _button(APPROVE, "Approve", signed_value) | {
            "style": "primary",
            "confirm": _confirmation_dialog(card),
        }
        deny = _button(DENY, "Deny", signed_value) | {"style": "danger"}
        edit = [_button(EDIT, "Edit", signed_value)] if card.is_editable else []
        return [approve, deny, *edit] if card.may_approve else [deny]
    answer = _button(ANSWER, "Answer…", signed_value)
    if not card.choices:
        return [answer]
    labels = _choice_labels(card.choices)
    if len(labels) <= MAX_BUTTONS:
        return [_button(f"{CHOOSE}.{number}", label, signed_value) for number, label in enumerate(labels)]
    return [_select_menu(labels), *([answer] if len(labels) > MAX_OPTIONS else [])]


def _choice_labels(choices: tuple[str, ...]) -> list[str]:
    """Return the labels of the choices; if one is too long, all are numbered and the card's text lists them."""
    if not _needs_numbers(choices):
        return [escape_hidden_characters(choice) for choice in choices]
    return [
        truncate(f"{number}. {escape_hidden_characters(choice)}", _MAX_LABEL_LENGTH)
        for number, choice in enumerate(choices, 1)
    ]


def _needs_numbers(choices: tuple[str, ...]) -> bool:
    return any(len(escape_hidden_characters(choice)) > _MAX_LABEL_LENGTH or not choice.strip() for choice in choices)


def _select_menu(labels: list[str]) -> Block:
    options = [{"text": plain_text(label), "value": str(number)} for number, label in enumerate(labels[:MAX_OPTIONS])]
    return {"type": "static_select", "action_id": CHOOSE, "placeholder": plain_text("Choose"), "options": options}


def _button(action_id: str, label: str, signed_value: str) -> Block:
    return {"type": "button", "action_id": action_id, "text": plain_text(label), "value": signed_value}


def _confirmation_dialog(card: Card) -> Block:
    text = truncate(escape_hidden_characters(card.title), 300)
    return {
        "title": plain_text("Approve?"),
        "text": plain_text(text),
        "confirm": plain_text("Approve"),
        "deny": plain_text("Back"),
    }


def _context_text(text: str) -> Block:
    return plain_text(truncate(escape_hidden_characters(text), _MAX_CONTEXT_LENGTH))


def _text_length(value: Any) -> int:
    """Return the number of characters in all strings of blocks, including ids."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_text_length, value.values()))
    return sum(map(_text_length, value)) if isinstance(value, list | tuple) else 0
