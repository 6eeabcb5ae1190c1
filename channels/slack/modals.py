"""Modals: why a request is denied, an answer in words, and the arguments of a call (docs.slack.dev/surfaces/modals).

A modal remembers the card it was opened from. Reading one back is quick and pure: Slack waits for what is wrong with
it, by block (`response_action: errors`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.cards import shown, visible
from channels.slack.actions import ANSWER, DENY, EDIT, Behind
from channels.slack.blanks import LONGEST_INPUT, MOST_OPTIONS, Blank, chosen_at, form
from channels.slack.blocks import Block, plain, section
from channels.slack.entries import Mistaken, read
from channels.slack.escaping import clipped, legible

WORDS = "words"
"""The block of a reason or an answer."""

_FIELD = "field"
_ARGUMENT = "argument."
_LONGEST_TITLE = 24
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
    return _modal(DENY, "Deny", "Deny", behind, [section(visible(title)), words])


def answer_modal(behind: Behind, title: str) -> Block:
    """Asks for an answer in words."""
    return _modal(
        ANSWER, "Answer", "Answer", behind, [section(visible(title)), _input(WORDS, "Answer", _lines_of_text(""))]
    )


def edit_modal(behind: Behind, title: str, schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> Block:
    """Asks for other arguments; what no field can show stays as it is, and is shown."""
    fields = form(schema, arguments)
    blocks = [section(visible(title)), *(_blank(field) for field in fields if isinstance(field, Blank))]
    fixed = [f"{visible(field.name)}: {shown(field.value)}" for field in fields if not isinstance(field, Blank)]
    if fixed:
        blocks.append(section("These stay as they are:\n" + "\n".join(fixed)))
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
