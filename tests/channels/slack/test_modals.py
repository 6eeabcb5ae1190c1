import json
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agents.addresses import person_address
from agents.errors import InvalidInput
from agents.messages import Card
from agents.messages import CardField as Line
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
from channels.slack.parser import parse_http
from tests.channels.slack.overview_strategies import hostile_texts, is_inert, visible_texts
from tests.channels.slack.recorded_payloads import BOT, encode_http, load_payload
from tests.fakes.slack.limits import MAX_VIEW_BLOCKS, check_blocks
from tests.fakes.slack.view import check_view

BEHIND = ModalContext("v1.req_1.seal", "C0OPS", "1763726450.000100", "1763726400.000100")


class Where(StrEnum):
    HERE = "here"
    THERE = "there"


class Arguments(BaseModel):
    tag: str = Field(min_length=2, max_length=20, description="Which tag")
    times: int = Field(ge=1, le=5)
    share: float = Field(gt=0)
    loud: bool
    size: Literal["s", "m"]
    where: Where = Where.HERE
    note: str | None = None
    hosts: list[str] = []


SCHEMA = Arguments.model_json_schema()
GIVEN: dict[str, Any] = {
    "tag": "v1.4.1", "times": 2, "share": 0.5, "loud": False, "size": "m", "where": "there", "hosts": ["a", "b"],
}  # fmt: skip


def view(schema: Any = SCHEMA, arguments: Any = GIVEN) -> dict[str, Any]:
    return edit_modal(BEHIND, "deploy wants to run it", schema, arguments)


def inputs(shown: dict[str, Any]) -> dict[str, Any]:
    return {block["block_id"]: block for block in shown["blocks"] if block["type"] == "input"}


def entries(shown: dict[str, Any]) -> dict[str, str | None]:
    """What a modal holds before anybody changed it, as its submission tells it."""
    elements = {name: block["element"] for name, block in inputs(shown).items()}
    return {
        name: element["initial_option"]["value"] if "initial_option" in element else element.get("initial_value")
        for name, element in elements.items()
    }


def sent(**changed: str | None) -> dict[str, str | None]:
    return entries(view()) | {f"argument.{name}": value for name, value in changed.items()}


def submitted(shown: dict[str, Any], values: dict[str, Any]) -> ViewSubmission:
    body = load_payload("modal")
    told = {block: {"field": {"type": "plain_text_input", "value": value}} for block, value in values.items()}
    kept = {name: shown[name] for name in ("callback_id", "private_metadata")}
    body["view"] |= {**kept, "state": {"values": told}}
    fact = parse_http(*encode_http("modal", body), BOT)
    assert isinstance(fact, ViewSubmission)
    return fact


@pytest.mark.parametrize(
    ("shown", "name"),
    [(deny_modal(BEHIND, "x"), DENY), (answer_modal(BEHIND, "x"), ANSWER), (view(), EDIT)],
)
def test_a_modal_sent_leads_back_to_its_card(shown: dict[str, Any], name: str) -> None:
    fact = submitted(shown, {"words": "because"})
    assert (fact.callback_id, fact.signed_value, fact.message_ts) == (name, BEHIND.signed_value, BEHIND.message_ts)
    assert (fact.thread_ref.channel, fact.thread_ref.thread_ts) == (BEHIND.channel, BEHIND.thread_ts)
    assert parse_reason(fact.values) == "because"


@pytest.mark.parametrize(
    "metadata", ["", "{}", "[]", "{", json.dumps({"reference": "x", "channel": "no", "message": "1.1"})]
)
def test_a_modal_that_remembers_no_card_is_not_understood(metadata: str) -> None:
    with pytest.raises(InvalidInput):
        ModalContext.from_metadata(metadata)


def test_denying_needs_no_reason_and_answering_needs_words() -> None:
    assert parse_reason({"words": None}) is None
    assert parse_reason({"words": "  "}) is None
    assert parse_answer({"words": " b "}) == "b"
    assert parse_answer({}) == ViewErrors({"words": "Write an answer."})
    assert inputs(deny_modal(BEHIND, "x"))["words"]["optional"] is True
    assert inputs(answer_modal(BEHIND, "x"))["words"]["optional"] is False


def test_each_kind_of_argument_has_its_field() -> None:
    assert {name: block["element"]["type"] for name, block in inputs(view()).items()} == {
        "argument.tag": "plain_text_input",
        "argument.times": "number_input",
        "argument.share": "number_input",
        "argument.loud": "static_select",
        "argument.size": "static_select",
        "argument.where": "static_select",
        "argument.note": "plain_text_input",
    }
    assert inputs(view())["argument.tag"]["hint"]["text"] == "Which tag"


def test_what_no_field_can_show_is_shown_and_stays() -> None:
    assert view()["blocks"][-1]["text"]["text"] == 'These stay as they are:\nhosts: ["a", "b"]'


def test_a_modal_sent_unchanged_changes_nothing() -> None:
    assert parse_edit(SCHEMA, GIVEN, sent()) == GIVEN


def test_what_was_changed_is_read_as_what_it_is() -> None:
    changed = parse_edit(
        SCHEMA, GIVEN, sent(tag="v2", times="5", share="1.25", loud="0", size="0", where="0", note="hm")
    )
    assert changed == GIVEN | {
        "tag": "v2", "times": 5, "share": 1.25, "loud": True, "size": "s", "where": "here", "note": "hm",
    }  # fmt: skip


def test_an_optional_argument_left_empty_is_left_out() -> None:
    given_note = GIVEN | {"note": "x"}
    assert parse_edit(SCHEMA, given_note, sent(note=None)) == GIVEN


def test_an_empty_text_stays_one() -> None:
    schema = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
    shown = view(schema, {"a": ""})
    assert inputs(shown)["argument.a"]["optional"] is True
    assert parse_edit(schema, {"a": ""}, entries(shown)) == {"a": ""}


@pytest.mark.parametrize(
    ("name", "entry", "told"),
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
def test_what_is_wrong_is_told_at_its_field(name: str, entry: str | None, told: str) -> None:
    wrong = parse_edit(SCHEMA, GIVEN, sent(**{name: entry}))
    assert wrong == ViewErrors({f"argument.{name}": told})
    assert wrong.response == {"response_action": "errors", "errors": {f"argument.{name}": told}}


def test_5_point_0_is_the_whole_number_5() -> None:
    found = parse_edit(SCHEMA, GIVEN, sent(times="5.0"))
    assert isinstance(found, dict)
    assert (found["times"], type(found["times"])) == (5, int)


def test_a_modal_older_than_its_tool_changes_what_both_know() -> None:
    assert parse_edit(SCHEMA, GIVEN, {"argument.tag": "v9", "argument.gone": "x"}) == GIVEN | {"tag": "v9"}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "array"}, {"type": "object"}, {}, [], {"const": "x", "type": "string"}, {"type": ["string", "null"]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"$ref": "#/$defs/Nothing"}, {"enum": [["x"]]},
        {"enum": [f"{n}" for n in range(101)]}, {"type": "integer"}, {"type": "number"}, {"type": "boolean"},
    ],
)  # fmt: skip
def test_an_argument_that_does_not_fit_a_field_stays_as_it_is(part: Any) -> None:
    schema = {"properties": {"a": part}}
    shown = view(schema, {"a": "x"})
    assert inputs(shown) == {}
    assert parse_edit(schema, {"a": "x"}, {"argument.a": "y"}) == {"a": "x"}


def test_true_is_not_one() -> None:
    schema = {"properties": {"a": {"enum": [1, True, 0]}}}
    assert inputs(view(schema, {"a": True}))["argument.a"]["element"]["initial_option"]["value"] == "1"


def test_long_options_are_numbered() -> None:
    schema = {"properties": {"a": {"enum": ["x" * 90 + "1", "x" * 90 + "2"]}}}
    options = inputs(view(schema, {}))["argument.a"]["element"]["options"]
    assert [option["text"]["text"][:3] for option in options] == ["1. ", "2. "]


def test_more_arguments_than_a_modal_holds_stay_as_they_are() -> None:
    many = {f"a{number}": "x" for number in range(150)}
    schema = {"properties": {name: {"type": "string"} for name in many}}
    shown = view(schema, many)
    assert len(shown["blocks"]) <= 100
    assert parse_edit(schema, many, entries(shown)) == many


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


@given(described=st.dictionaries(names, parts, max_size=6), given=st.dictionaries(names, values, max_size=6))
def test_any_modal_sent_unchanged_changes_nothing(described: dict[str, Any], given: dict[str, Any]) -> None:
    schema = {"properties": described, "$defs": SCHEMA["$defs"]}
    shown = view(schema, given)
    same = parse_edit(schema, given, entries(shown))
    assert isinstance(same, ViewErrors) or same == given
    check_blocks(shown["blocks"], max_blocks=MAX_VIEW_BLOCKS)
    assert len(shown["title"]["text"]) <= 24
    for block in shown["blocks"]:
        assert len(block.get("block_id", "")) <= 255
        assert 1 <= len(block.get("label", {"text": "x"})["text"]) <= 2000
        assert 1 <= len(block.get("text", {"text": "x"})["text"]) <= 3000
        for option in block.get("element", {}).get("options", ()):
            assert 1 <= len(option["text"]["text"]) <= 75


@given(
    st.dictionaries(st.sampled_from(sorted(sent())), st.none() | st.text() | st.sampled_from(["1", "1e5", "-0", "."]))
)
def test_whatever_is_entered_is_read_or_told_at_its_field(entered: dict[str, str | None]) -> None:
    found = parse_edit(SCHEMA, GIVEN, sent() | entered)
    if isinstance(found, ViewErrors):
        assert set(found.errors) <= set(entered)
    else:
        Arguments.model_validate(found, strict=False)


def test_a_modal_may_only_tell_something() -> None:
    shown = message_modal("Too late", "It was denied by bob.\nNothing runs.")
    assert visible_texts([shown["title"], shown["blocks"]]) == ["Too late", "It was denied by bob.\nNothing runs."]
    assert "submit" not in shown


@given(hostile_texts, hostile_texts)
def test_any_text_can_be_told_in_a_modal(title: str, text: str) -> None:
    shown = check_view(message_modal(title, text), "modal")
    assert is_inert([shown["title"], shown["blocks"]])


def long_card(length: int, **changed: Any) -> Card:
    """An approval of a call with one argument of this length."""
    told: dict[str, Any] = {"request_id": "req_1", "code": "A7K2", "kind": "approval", "status": "open"}
    told |= {"title": "deploy wants to run it", "requester": person_address("alice")}
    return Card(**(told | {"fields": (Line(name="note", value="x" * length),)} | changed))


def paged(card: Card, *, may_decide: bool = True) -> list[dict[str, Any]]:
    """The modals somebody sees who goes on to the last page."""
    modals = [full_card_modal(BEHIND, card, may_decide=may_decide)]
    while modals[-1]["callback_id"] == SHOW:
        behind = ModalContext.from_metadata(modals[-1]["private_metadata"])
        modals.append(full_card_modal(behind, card, may_decide=may_decide))
    return modals


@pytest.mark.parametrize("length", [10, 20_000, 64_000])
def test_all_of_a_card_is_shown_before_it_can_be_approved(length: int) -> None:
    modals = paged(long_card(length))
    for modal in modals:
        check_view(modal, "modal")
        check_blocks(modal["blocks"], max_blocks=MAX_VIEW_BLOCKS)
    sections = [block["text"]["text"] for modal in modals for block in modal["blocks"] if block["type"] == "section"]
    assert sum(text.count("x") for text in sections) == length
    assert [modal["callback_id"] for modal in modals] == [SHOW] * (len(modals) - 1) + [APPROVE]
    assert modals[-1]["blocks"][-1]["elements"][0]["text"] == f"page {len(modals)} of {len(modals)}"


def test_a_long_question_is_answered_on_its_last_page() -> None:
    asked = long_card(0, kind="question", title="y" * 20_000, fields=(), choices=("yes", "no"))
    modal = paged(asked)[-1]
    assert modal["callback_id"] == ANSWER
    assert inputs(modal)["words"]["hint"]["text"] == "One of: yes, no"


def test_somebody_who_may_not_decide_sees_all_of_it_and_no_button() -> None:
    told = full_card_modal(BEHIND, long_card(10), may_decide=False)
    assert "submit" not in told


def test_what_is_longer_than_a_card_keeps_is_not_approved_in_a_modal() -> None:
    told = full_card_modal(BEHIND, long_card(10, is_truncated=True), may_decide=True)
    assert "submit" not in told
    assert "handrail requests show A7K2" in str(told["blocks"])


def test_an_edit_shows_all_of_what_stays_as_it_is() -> None:
    told = view({"properties": {}}, {"hosts": ["h" * 5_000]})
    sections = [block["text"]["text"] for block in told["blocks"] if block["type"] == "section"]
    assert sum(text.count("h") for text in sections) >= 5_000
    check_blocks(told["blocks"], max_blocks=MAX_VIEW_BLOCKS)
