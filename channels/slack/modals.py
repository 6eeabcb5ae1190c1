"""Modals: why a request is denied, an answer in words, and the arguments of a call (docs.slack.dev/surfaces/modals).

A modal remembers the card it was opened from. Reading one back is quick and pure: Slack waits for what is wrong with
it, by block (`response_action: errors`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agents.cards import whole
from agents.messages import Card
from agents.visible import cut, visible
from channels.slack.actions import ANSWER, APPROVE, DENY, EDIT, SHOW, Behind
from channels.slack.blanks import LONGEST_INPUT, MOST_OPTIONS, Blank, chosen_at, form
from channels.slack.blocks import Block, context, plain, section
from channels.slack.cards import pages_of, section_block, section_texts
from channels.slack.entries import Mistaken, read
from channels.slack.escaping import clipped, legible

WORDS = "words"
"""The block of a reason or an answer."""

_FIELD = "field"
_ARGUMENT = "argument."
_LONGEST_TITLE = 24
_LONGEST_ASKED = 9000
_LONGEST_HINT = 2000
_ONE_LINE = 80


@dataclass(frozen=True)
class Refusal:
    """What to tell the person who sent a modal, by the block it concerns."""

    errors: Mapping[str, str]

    @property
    def response(self) -> dict[str, Any]:
        """As Slack wants it in answer to the submission."""
        return {"response_action": "errors", "errors": dict(self.errors)}


def deny_modal(behind: Behind, title: str) -> Block:
    """Asks why; saying nothing denies as well."""
    words = _input(WORDS, "Why? The agent is told.", _lines_of_text(""), optional=True)
    return _modal(DENY, "Deny", "Deny", behind, [*_sections(title), words])


def answer_modal(behind: Behind, title: str) -> Block:
    """Asks for an answer in words."""
    return _modal(ANSWER, "Answer", "Answer", behind, [*_sections(title), _answer_input()])


def whole_modal(behind: Behind, card: Card, *, may_decide: bool) -> Block:
    """Shows the page of a card that `behind` leads to. The last one can be approved or answered, by those who may.

    A card that keeps only the beginning of a value says where all of it is, and can be decided there.
    """
    pages = pages_of(card)
    page = min(behind.page, len(pages) - 1)
    blocks = [*map(section_block, pages[page]), context([plain(f"page {page + 1} of {len(pages)}")])]
    if page + 1 < len(pages):
        return _modal(SHOW, f"Request {card.code}", "Next page", replace(behind, page=page + 1), blocks)
    if card.is_cut:
        blocks.append(section(f"There is more. To see all of it: handrail requests show {visible(card.code)}"))
    if card.is_cut or not may_decide:
        return told_modal(f"Request {card.code}", "") | {"blocks": blocks}
    if card.kind == "approval":
        return _modal(APPROVE, f"Request {card.code}", "Approve", behind, blocks)
    return _modal(ANSWER, f"Request {card.code}", "Answer", behind, [*blocks, _answer_input(card.choices)])


def edit_modal(behind: Behind, title: str, schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> Block:
    """Asks for other arguments; what no field can show stays as it is, and is shown."""
    fields = form(schema, arguments)
    blocks = [*_sections(title), *(_blank(field) for field in fields if isinstance(field, Blank))]
    fixed = [f"{visible(field.name)}: {whole(field.value)}" for field in fields if not isinstance(field, Blank)]
    if fixed:
        blocks += map(section_block, section_texts(["These stay as they are:", *fixed]))
    return _modal(EDIT, "Edit", "Approve this", behind, blocks)


def told_modal(title: str, text: str) -> Block:
    """Only tells something, in place of a modal that was sent (`response_action: update`)."""
    shown = clipped(visible(title), _LONGEST_TITLE) or "—"
    return {"type": "modal", "title": plain(shown), "close": plain("Close"), "blocks": [section(legible(text))]}


def reason(values: Mapping[str, str | None]) -> str | None:
    """Why, if it was said."""
    return (values.get(WORDS) or "").strip() or None


def answer(values: Mapping[str, str | None]) -> str | Refusal:
    """The answer in words."""
    return reason(values) or Refusal({WORDS: "Write an answer."})


def edited(
    schema: Mapping[str, Any], arguments: Mapping[str, Any], values: Mapping[str, str | None]
) -> dict[str, Any] | Refusal:
    """The arguments as they were changed, or what is wrong with them."""
    left, errors = dict(arguments), dict[str, str]()
    for blank in (field for field in form(schema, arguments) if isinstance(field, Blank)):
        block = _ARGUMENT + blank.name
        if block not in values:  # the modal is older than this tool
            continue
        found = read(blank, values[block])
        if isinstance(found, Mistaken):
            errors[block] = found.told
        else:
            _put(left, blank, found)
    return Refusal(errors) if errors else left


def _put(arguments: dict[str, Any], blank: Blank, found: Any) -> None:
    """An empty field is an empty text where there was one before, and otherwise no argument at all."""
    if found is not None:
        arguments[blank.name] = found
    elif blank.value == "":
        arguments[blank.name] = ""
    elif blank.value is not None:
        arguments.pop(blank.name, None)


def _sections(title: str) -> list[Block]:
    """What is decided. Only a denial is asked for where a card was not shown whole."""
    return [section_block(text) for text in section_texts([cut(title, _LONGEST_ASKED)])]


def _answer_input(choices: tuple[str, ...] = ()) -> Block:
    hint = clipped("One of: " + ", ".join(map(visible, choices)), _LONGEST_HINT) if choices else ""
    return _input(WORDS, "Answer", _lines_of_text(""), hint=hint)


def _modal(name: str, title: str, submit: str, behind: Behind, blocks: list[Block]) -> Block:
    return {
        "type": "modal",
        "callback_id": name,
        "private_metadata": behind.written(),
        "title": plain(title),
        "submit": plain(submit),
        "close": plain("Back"),
        "blocks": blocks,
    }


def _input(block: str, label: str, element: Block, *, optional: bool = False, hint: str = "") -> Block:
    drawn = {"type": "input", "block_id": block, "label": plain(label), "element": element, "optional": optional}
    return drawn | ({"hint": plain(hint)} if hint else {})


def _blank(blank: Blank) -> Block:
    element = _elements(blank)
    return _input(_ARGUMENT + blank.name, blank.name, element, optional=blank.optional, hint=blank.hint)


def _elements(blank: Blank) -> Block:
    if blank.kind == "choice":
        return _list(blank)
    if blank.kind == "text":
        one_line = "\n" not in blank.written and len(blank.written) <= _ONE_LINE
        return _lines_of_text(blank.written) | {"multiline": not one_line}
    number = {"type": "number_input", "action_id": _FIELD, "is_decimal_allowed": blank.kind == "decimal"}
    return number | ({"initial_value": blank.written} if blank.written else {})


def _lines_of_text(text: str) -> Block:
    field = {"type": "plain_text_input", "action_id": _FIELD, "multiline": True, "max_length": LONGEST_INPUT}
    return field | ({"initial_value": text} if text else {})


def _list(blank: Blank) -> Block:
    options = [{"text": plain(label), "value": str(n)} for n, label in enumerate(blank.labels[:MOST_OPTIONS])]
    element = {"type": "static_select", "action_id": _FIELD, "options": options}
    at = chosen_at(blank)
    return element if at is None else element | {"initial_option": options[at]}
