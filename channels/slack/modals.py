"""Modals for the reason of a denial, a text answer, edited arguments and a complete card; without I/O.

Source: docs.slack.dev/surfaces/modals. Slack waits at most 3 seconds for the response to a submission. A response with
`response_action: errors` has an error message for each invalid block.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agents.core.cards import display_full_value
from agents.core.messages import Card
from agents.core.visible_text import escape_and_truncate, escape_hidden_characters
from channels.slack.action_ids import ANSWER, APPROVE, DENY, EDIT, SHOW, ModalContext
from channels.slack.blocks import Block, View, context, escape_hidden_except_whitespace, plain_text, section, truncate
from channels.slack.cards import card_pages, section_block, section_texts
from channels.slack.form_fields import (
    MAX_INPUT_LENGTH,
    MAX_OPTIONS,
    FieldError,
    FormField,
    form_fields,
    parse_value,
    selected_index,
)

TEXT_BLOCK_ID = "text"
"""Id of the input block for a reason or an answer."""

_FIELD_ACTION_ID = "field"
_ARGUMENT_PREFIX = "argument."
_MAX_TITLE_LENGTH = 24
_MAX_CARD_TITLE_LENGTH = 9000
_MAX_HINT_LENGTH = 2000
_MAX_SINGLE_LINE_LENGTH = 80
"""Characters up to which a text gets a field of one line. `_MAX_TITLE_LENGTH` and `_MAX_HINT_LENGTH` are Slack's."""


@dataclass(frozen=True)
class ViewErrors:
    """Errors of a modal submission, by block id."""

    errors: Mapping[str, str]

    @property
    def response(self) -> dict[str, Any]:
        """Body of the HTTP response or acknowledgement that shows the errors in the modal."""
        return {"response_action": "errors", "errors": dict(self.errors)}


def deny_modal(modal_context: ModalContext, card_title: str) -> View:
    """Return a modal for denying a request, with an optional reason."""
    reason = _input_block(TEXT_BLOCK_ID, "Reason (shared with the agent)", _text_element(""), is_optional=True)
    return _modal(DENY, "Deny", "Deny", modal_context, [*_title_sections(card_title), reason])


def answer_modal(modal_context: ModalContext, card_title: str) -> View:
    """Return a modal for a text answer."""
    return _modal(ANSWER, "Answer", "Answer", modal_context, [*_title_sections(card_title), _answer_input()])


def full_card_modal(modal_context: ModalContext, card: Card, *, may_decide: bool) -> View:
    """Return a modal with one page of a card; the last page can be approved or answered if `may_decide`.

    A card whose values are truncated cannot be decided here; the modal says where to read the complete request.
    """
    pages = card_pages(card)
    page = min(modal_context.page, len(pages) - 1)
    blocks = [*map(section_block, pages[page]), context([plain_text(f"page {page + 1} of {len(pages)}")])]
    if page + 1 < len(pages):
        return _modal(SHOW, f"Request {card.code}", "Next page", replace(modal_context, page=page + 1), blocks)
    if card.is_truncated:
        command = f"handrail requests show {escape_hidden_characters(card.code)}"
        blocks.append(section(f"This request is too long for Slack. To read all of it, run: {command}"))
    if card.is_truncated or not may_decide:
        return message_modal(f"Request {card.code}", "") | {"blocks": blocks}
    if card.kind == "approval":
        return _modal(APPROVE, f"Request {card.code}", "Approve", modal_context, blocks)
    return _modal(ANSWER, f"Request {card.code}", "Answer", modal_context, [*blocks, _answer_input(card.choices)])


def edit_modal(
    modal_context: ModalContext, card_title: str, schema: Mapping[str, Any], arguments: Mapping[str, Any]
) -> View:
    """Return a modal for editing arguments. Arguments that no field can hold are shown and stay unchanged."""
    fields = form_fields(schema, arguments)
    blocks = [*_title_sections(card_title), *(_field_block(field) for field in fields if isinstance(field, FormField))]
    unchanged = [
        f"{escape_hidden_characters(field.name)}: {display_full_value(field.value)}"
        for field in fields
        if not isinstance(field, FormField)
    ]
    if unchanged:
        blocks += map(section_block, section_texts(["These cannot be edited here and stay unchanged:", *unchanged]))
    return _modal(EDIT, "Edit", "Approve this", modal_context, blocks)


def message_modal(title: str, text: str) -> View:
    """Return a modal that only shows a text. It can replace a submitted modal (`response_action: update`)."""
    return {
        "type": "modal",
        "title": plain_text(truncate(escape_hidden_characters(title), _MAX_TITLE_LENGTH)),
        "close": plain_text("Close"),
        "blocks": [section(escape_hidden_except_whitespace(text))],
    }


def parse_reason(values: Mapping[str, str | None]) -> str | None:
    """Return the reason, None if there is none."""
    return (values.get(TEXT_BLOCK_ID) or "").strip() or None


def parse_answer(values: Mapping[str, str | None]) -> str | ViewErrors:
    """Return the text answer, or an error if it is empty."""
    return parse_reason(values) or ViewErrors({TEXT_BLOCK_ID: "Write an answer."})


def parse_edit(
    schema: Mapping[str, Any], arguments: Mapping[str, Any], values: Mapping[str, str | None]
) -> dict[str, Any] | ViewErrors:
    """Return the edited arguments, or the errors of the entries."""
    edited, errors = dict(arguments), dict[str, str]()
    editable = (field for field in form_fields(schema, arguments) if isinstance(field, FormField))
    for field in editable:
        block_id = _ARGUMENT_PREFIX + field.name
        if block_id not in values:  # the modal was opened before the tool got this argument
            continue
        value = parse_value(field, values[block_id])
        if isinstance(value, FieldError):
            errors[block_id] = value.message
        else:
            _set_argument(edited, field, value)
    return ViewErrors(errors) if errors else edited


def _set_argument(arguments: dict[str, Any], form_field: FormField, value: Any) -> None:
    """Set the argument. An empty field means an empty string if it was one before, otherwise no argument."""
    if value is not None:
        arguments[form_field.name] = value
    elif form_field.value == "":
        arguments[form_field.name] = ""
    elif form_field.value is not None:
        arguments.pop(form_field.name, None)


def _title_sections(card_title: str) -> list[Block]:
    """Return the title of the request's card as sections.

    A long one is truncated: only an approval needs the complete card.
    """
    return [section_block(text) for text in section_texts([escape_and_truncate(card_title, _MAX_CARD_TITLE_LENGTH)])]


def _answer_input(choices: tuple[str, ...] = ()) -> Block:
    hint = truncate("One of: " + ", ".join(map(escape_hidden_characters, choices)), _MAX_HINT_LENGTH) if choices else ""
    return _input_block(TEXT_BLOCK_ID, "Answer", _text_element(""), hint=hint)


def _modal(callback_id: str, title: str, submit: str, modal_context: ModalContext, blocks: list[Block]) -> View:
    return {
        "type": "modal",
        "callback_id": callback_id,
        "private_metadata": modal_context.to_metadata(),
        "title": plain_text(title),
        "submit": plain_text(submit),
        "close": plain_text("Back"),
        "blocks": blocks,
    }


def _input_block(block_id: str, label: str, element: Block, *, is_optional: bool = False, hint: str = "") -> Block:
    block = {
        "type": "input",
        "block_id": block_id,
        "label": plain_text(label),
        "element": element,
        "optional": is_optional,
    }
    return block | ({"hint": plain_text(hint)} if hint else {})


def _field_block(form_field: FormField) -> Block:
    element = _field_element(form_field)
    return _input_block(
        _ARGUMENT_PREFIX + form_field.name,
        form_field.name,
        element,
        is_optional=form_field.is_optional,
        hint=form_field.hint,
    )


def _field_element(form_field: FormField) -> Block:
    if form_field.kind == "choice":
        return _select_element(form_field)
    if form_field.kind == "text":
        is_single_line = (
            "\n" not in form_field.initial_value and len(form_field.initial_value) <= _MAX_SINGLE_LINE_LENGTH
        )
        return _text_element(form_field.initial_value) | {"multiline": not is_single_line}
    number = {"type": "number_input", "action_id": _FIELD_ACTION_ID, "is_decimal_allowed": form_field.kind == "number"}
    return number | ({"initial_value": form_field.initial_value} if form_field.initial_value else {})


def _text_element(text: str) -> Block:
    field = {
        "type": "plain_text_input",
        "action_id": _FIELD_ACTION_ID,
        "multiline": True,
        "max_length": MAX_INPUT_LENGTH,
    }
    return field | ({"initial_value": text} if text else {})


def _select_element(form_field: FormField) -> Block:
    options = [
        {"text": plain_text(label), "value": str(n)} for n, label in enumerate(form_field.option_labels[:MAX_OPTIONS])
    ]
    element = {"type": "static_select", "action_id": _FIELD_ACTION_ID, "options": options}
    index = selected_index(form_field)
    return element if index is None else element | {"initial_option": options[index]}
