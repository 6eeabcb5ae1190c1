"""Tests of the modals that edit, answer, deny and show a request."""

import json
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agents.core.errors import InvalidInput
from agents.core.messages import Card, CardField
from agents.core.values import person_address
from channels.slack.action_ids import ANSWER, APPROVE, DENY, EDIT, SHOW, ModalContext
from channels.slack.inbound_events import ViewSubmission
from channels.slack.modals import (
    ViewErrors,
    answer_modal,
    deny_modal,
    edit_modal,
    full_card_modal,
    message_modal,
    parse_answer,
    parse_edit,
    parse_reason,
)
from tests.channels.slack.overview_strategies import hostile_texts, is_inert, visible_texts
from tests.channels.slack.recorded_payloads import encode_http, load_payload, parse_http
from tests.fakes.slack.limits import MAX_VIEW_BLOCKS, check_blocks
from tests.fakes.slack.view import check_view

MODAL_CONTEXT = ModalContext("v1.req_1.seal", "C0OPS", "1763726450.000100", "1763726400.000100")


class Location(StrEnum):
    HERE = "here"
    THERE = "there"


class Arguments(BaseModel):
    tag: str = Field(min_length=2, max_length=20, description="Which tag")
    times: int = Field(ge=1, le=5)
    share: float = Field(gt=0)
    loud: bool
    size: Literal["s", "m"]
    where: Location = Location.HERE
    note: str | None = None
    hosts: list[str] = []


SCHEMA = Arguments.model_json_schema()
ARGUMENTS: dict[str, Any] = {
    "tag": "v1.4.1", "times": 2, "share": 0.5, "loud": False, "size": "m", "where": "there", "hosts": ["a", "b"],
}  # fmt: skip


def edit_view(schema: Any = SCHEMA, arguments: Any = ARGUMENTS) -> dict[str, Any]:
    return edit_modal(MODAL_CONTEXT, "deploy wants to run it", schema, arguments)


def inputs(modal: dict[str, Any]) -> dict[str, Any]:
    return {block["block_id"]: block for block in modal["blocks"] if block["type"] == "input"}


def entries(modal: dict[str, Any]) -> dict[str, str | None]:
    """Return the initial entries of a modal, as they are in a submission without changes."""
    elements = {name: block["element"] for name, block in inputs(modal).items()}
    return {
        name: element["initial_option"]["value"] if "initial_option" in element else element.get("initial_value")
        for name, element in elements.items()
    }


def edited_entries(**changed: str | None) -> dict[str, str | None]:
    return entries(edit_view()) | {f"argument.{name}": value for name, value in changed.items()}


def submit(modal: dict[str, Any], values: dict[str, Any]) -> ViewSubmission:
    body = load_payload("modal")
    state = {block: {"field": {"type": "plain_text_input", "value": value}} for block, value in values.items()}
    metadata = {name: modal[name] for name in ("callback_id", "private_metadata")}
    body["view"] |= {**metadata, "state": {"values": state}}
    event = parse_http(*encode_http("modal", body))
    assert isinstance(event, ViewSubmission)
    return event


@pytest.mark.parametrize(
    ("modal", "name"),
    [(deny_modal(MODAL_CONTEXT, "x"), DENY), (answer_modal(MODAL_CONTEXT, "x"), ANSWER), (edit_view(), EDIT)],
)
def test_submission_names_its_card(modal: dict[str, Any], name: str) -> None:
    event = submit(modal, {"text": "because"})
    assert (event.callback_id, event.signed_value, event.message_ts) == (
        name,
        MODAL_CONTEXT.signed_value,
        MODAL_CONTEXT.message_ts,
    )
    assert (event.thread_ref.channel, event.thread_ref.thread_ts) == (MODAL_CONTEXT.channel, MODAL_CONTEXT.thread_ts)
    assert parse_reason(event.values) == "because"


@pytest.mark.parametrize(
    "metadata",
    ["", "{}", "[]", "{", json.dumps({"signed_value": "x", "channel": "no", "message_ts": "1.1", "thread_ts": "1.1"})],
)
def test_invalid_metadata_raises_invalid_input(metadata: str) -> None:
    with pytest.raises(InvalidInput):
        ModalContext.from_metadata(metadata)


def test_reason_is_optional_and_answer_is_required() -> None:
    assert parse_reason({"text": None}) is None
    assert parse_reason({"text": "  "}) is None
    assert parse_answer({"text": " b "}) == "b"
    assert parse_answer({}) == ViewErrors({"text": "Write an answer."})
    assert inputs(deny_modal(MODAL_CONTEXT, "x"))["text"]["optional"] is True
    assert inputs(answer_modal(MODAL_CONTEXT, "x"))["text"]["optional"] is False


def test_each_argument_type_has_its_field() -> None:
    assert {name: block["element"]["type"] for name, block in inputs(edit_view()).items()} == {
        "argument.tag": "plain_text_input",
        "argument.times": "number_input",
        "argument.share": "number_input",
        "argument.loud": "static_select",
        "argument.size": "static_select",
        "argument.where": "static_select",
        "argument.note": "plain_text_input",
    }
    assert inputs(edit_view())["argument.tag"]["hint"]["text"] == "Which tag"


def test_argument_without_a_field_is_shown_read_only() -> None:
    assert (
        edit_view()["blocks"][-1]["text"]["text"]
        == 'These cannot be edited here and stay unchanged:\nhosts: ["a", "b"]'
    )


def test_unchanged_submission_keeps_the_arguments() -> None:
    assert parse_edit(SCHEMA, ARGUMENTS, edited_entries()) == ARGUMENTS


def test_edited_values_are_parsed_by_type() -> None:
    changed = parse_edit(
        SCHEMA, ARGUMENTS, edited_entries(tag="v2", times="5", share="1.25", loud="0", size="0", where="0", note="hm")
    )
    assert changed == ARGUMENTS | {
        "tag": "v2", "times": 5, "share": 1.25, "loud": True, "size": "s", "where": "here", "note": "hm",
    }  # fmt: skip


def test_empty_optional_argument_is_removed() -> None:
    given_note = ARGUMENTS | {"note": "x"}
    assert parse_edit(SCHEMA, given_note, edited_entries(note=None)) == ARGUMENTS


def test_empty_string_argument_is_kept() -> None:
    schema = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
    modal = edit_view(schema, {"a": ""})
    assert inputs(modal)["argument.a"]["optional"] is True
    assert parse_edit(schema, {"a": ""}, entries(modal)) == {"a": ""}


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("tag", "v", "Write at least 2 characters."),
        ("tag", "v" * 21, "Write at most 20 characters."),
        ("tag", None, "Fill this in."),
        ("times", "1.5", "Write a whole number."),
        ("times", "six", "Write a whole number."),
        ("times", "0", "Write a number that is at least 1."),
        ("times", "6", "Write a number that is at most 5."),
        ("share", "0", "Write a number that is more than 0."),
        ("share", "0.0", "Write a number that is more than 0."),
        ("share", "nan", "Write a number."),
        ("share", "1e999", "Write a number."),
        ("size", "2", "Choose from the list."),
        ("size", "s", "Choose from the list."),
    ],
)
def test_invalid_entry_has_an_error_at_its_field(name: str, entry: str | None, message: str) -> None:
    wrong = parse_edit(SCHEMA, ARGUMENTS, edited_entries(**{name: entry}))
    assert wrong == ViewErrors({f"argument.{name}": message})
    assert wrong.response == {"response_action": "errors", "errors": {f"argument.{name}": message}}


def test_number_5_0_is_accepted_as_an_integer() -> None:
    found = parse_edit(SCHEMA, ARGUMENTS, edited_entries(times="5.0"))
    assert isinstance(found, dict)
    assert (found["times"], type(found["times"])) == (5, int)


def test_submission_without_some_fields_keeps_their_arguments() -> None:
    assert parse_edit(SCHEMA, ARGUMENTS, {"argument.tag": "v9", "argument.gone": "x"}) == ARGUMENTS | {"tag": "v9"}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "array"}, {"type": "object"}, {}, [], {"const": "x", "type": "string"}, {"type": ["string", "null"]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"$ref": "#/$defs/Nothing"}, {"enum": [["x"]]},
        {"enum": [f"{n}" for n in range(101)]}, {"type": "integer"}, {"type": "number"}, {"type": "boolean"},
    ],
)  # fmt: skip
def test_argument_that_fits_no_field_is_unchanged(part: Any) -> None:
    schema = {"properties": {"a": part}}
    modal = edit_view(schema, {"a": "x"})
    assert inputs(modal) == {}
    assert parse_edit(schema, {"a": "x"}, {"argument.a": "y"}) == {"a": "x"}


def test_boolean_value_does_not_select_the_option_1() -> None:
    schema = {"properties": {"a": {"enum": [1, True, 0]}}}
    assert inputs(edit_view(schema, {"a": True}))["argument.a"]["element"]["initial_option"]["value"] == "1"


def test_long_options_are_numbered() -> None:
    schema = {"properties": {"a": {"enum": ["x" * 90 + "1", "x" * 90 + "2"]}}}
    options = inputs(edit_view(schema, {}))["argument.a"]["element"]["options"]
    assert [option["text"]["text"][:3] for option in options] == ["1. ", "2. "]


def test_arguments_beyond_the_modal_limit_are_unchanged() -> None:
    many = {f"a{number}": "x" for number in range(150)}
    schema = {"properties": {name: {"type": "string"} for name in many}}
    modal = edit_view(schema, many)
    assert len(modal["blocks"]) <= 100
    assert parse_edit(schema, many, entries(modal)) == many


values = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    | st.lists(st.text(), max_size=2)
)  # fmt: skip
parts = st.sampled_from(
    [
        *SCHEMA["properties"].values(),
        {"type": "string"},
        {"type": "number"},
        {"type": "integer"},
        {"enum": ["", "a", 1]},
    ]
)
names = st.text(max_size=5) | st.sampled_from(["a", "b", "x" * 200])


@given(properties=st.dictionaries(names, parts, max_size=6), arguments=st.dictionaries(names, values, max_size=6))
def test_any_unchanged_submission_keeps_the_arguments(properties: dict[str, Any], arguments: dict[str, Any]) -> None:
    schema = {"properties": properties, "$defs": SCHEMA["$defs"]}
    modal = edit_view(schema, arguments)
    unchanged = parse_edit(schema, arguments, entries(modal))
    assert isinstance(unchanged, ViewErrors) or unchanged == arguments
    check_blocks(modal["blocks"], max_blocks=MAX_VIEW_BLOCKS)
    assert len(modal["title"]["text"]) <= 24
    for block in modal["blocks"]:
        assert len(block.get("block_id", "")) <= 255
        assert 1 <= len(block.get("label", {"text": "x"})["text"]) <= 2000
        assert 1 <= len(block.get("text", {"text": "x"})["text"]) <= 3000
        for option in block.get("element", {}).get("options", ()):
            assert 1 <= len(option["text"]["text"]) <= 75


@given(
    st.dictionaries(
        st.sampled_from(sorted(edited_entries())), st.none() | st.text() | st.sampled_from(["1", "1e5", "-0", "."])
    )
)
def test_any_entry_is_parsed_or_has_an_error(entries_by_block: dict[str, str | None]) -> None:
    found = parse_edit(SCHEMA, ARGUMENTS, edited_entries() | entries_by_block)
    if isinstance(found, ViewErrors):
        assert set(found.errors) <= set(entries_by_block)
    else:
        Arguments.model_validate(found, strict=False)


def test_message_modal_has_no_submit_button() -> None:
    modal = message_modal("Too late", "It was denied by bob.\nNothing runs.")
    assert visible_texts([modal["title"], modal["blocks"]]) == ["Too late", "It was denied by bob.\nNothing runs."]
    assert "submit" not in modal


@given(hostile_texts, hostile_texts)
def test_message_modal_accepts_any_text(title: str, text: str) -> None:
    modal = check_view(message_modal(title, text), "modal")
    assert is_inert([modal["title"], modal["blocks"]])


def long_card(length: int, **fields: Any) -> Card:
    """Return an approval card of a call with one argument of this length."""
    defaults: dict[str, Any] = {"request_id": "req_1", "code": "A7K2", "kind": "approval", "status": "open"}
    defaults |= {"title": "deploy wants to run it", "requester": person_address("alice")}
    return Card(**(defaults | {"fields": (CardField(name="note", value="x" * length),)} | fields))


def all_pages(card: Card, *, may_decide: bool = True) -> list[dict[str, Any]]:
    """Return the modals of all pages, up to the last one."""
    modals = [full_card_modal(MODAL_CONTEXT, card, may_decide=may_decide)]
    while modals[-1]["callback_id"] == SHOW:
        modal_context = ModalContext.from_metadata(modals[-1]["private_metadata"])
        modals.append(full_card_modal(modal_context, card, may_decide=may_decide))
    return modals


@pytest.mark.parametrize("length", [10, 20_000, 64_000])
def test_card_is_shown_completely_before_it_can_be_approved(length: int) -> None:
    modals = all_pages(long_card(length))
    for modal in modals:
        check_view(modal, "modal")
        check_blocks(modal["blocks"], max_blocks=MAX_VIEW_BLOCKS)
    sections = [block["text"]["text"] for modal in modals for block in modal["blocks"] if block["type"] == "section"]
    assert sum(text.count("x") for text in sections) == length
    assert [modal["callback_id"] for modal in modals] == [SHOW] * (len(modals) - 1) + [APPROVE]
    assert modals[-1]["blocks"][-1]["elements"][0]["text"] == f"page {len(modals)} of {len(modals)}"


def test_long_question_is_answered_on_its_last_page() -> None:
    question = long_card(0, kind="question", title="y" * 20_000, fields=(), choices=("yes", "no"))
    modal = all_pages(question)[-1]
    assert modal["callback_id"] == ANSWER
    assert inputs(modal)["text"]["hint"]["text"] == "One of: yes, no"


def test_user_who_may_not_decide_has_no_submit_button() -> None:
    modal = full_card_modal(MODAL_CONTEXT, long_card(10), may_decide=False)
    assert "submit" not in modal


def test_truncated_card_cannot_be_approved_in_a_modal() -> None:
    modal = full_card_modal(MODAL_CONTEXT, long_card(10, is_truncated=True), may_decide=True)
    assert "submit" not in modal
    assert "handrail requests show A7K2" in str(modal["blocks"])


def test_edit_modal_shows_unchanged_arguments_completely() -> None:
    modal = edit_view({"properties": {}}, {"hosts": ["h" * 5_000]})
    sections = [block["text"]["text"] for block in modal["blocks"] if block["type"] == "section"]
    assert sum(text.count("h") for text in sections) >= 5_000
    check_blocks(modal["blocks"], max_blocks=MAX_VIEW_BLOCKS)
