"""Tests of messages and cards in Slack's format: blocks, lengths and escaped text."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.cards import content_lines
from agents.core.messages import Card, CardField, Explanation, Message
from agents.core.values import person_address
from channels.slack.action_ids import ANSWER, APPROVE, CHOOSE, DENY, EDIT, SHOW, split_action_id
from channels.slack.blocks import escape_mrkdwn, neutralize_markdown
from channels.slack.cards import MAX_TEXT_LENGTH, RenderedMessage, render
from tests.channels.slack.test_link_spans import texts_outside_code
from tests.fakes.slack.limits import check_blocks

SIGNED_VALUE = "v1." + "r" * 196
EXPIRES_AT = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
HOSTILE = "<!channel> <@U0BOSS> <https://evil.example|docs> & *so*"


def card(**fields: Any) -> Card:
    defaults: dict[str, Any] = {
        "request_id": "req_1",
        "code": "A7K2",
        "kind": "approval",
        "status": "open",
        "title": "deploy wants to run push_release_tag",
        "fields": (CardField(name="tag", value="v1.4.1"), CardField(name="why", value="asked")),
        "requester": person_address("alice"),
        "expires_at": EXPIRES_AT,
    }
    return Card(**(defaults | fields))


def render_one(message_card: Card, signed_value: str | None = SIGNED_VALUE) -> RenderedMessage:
    (rendered,) = render(Message(text=message_card.title, card=message_card), signed_value)
    return rendered


def blocks_of_type(kind: str, rendered: RenderedMessage) -> list[Any]:
    return [block for block in rendered.blocks if block["type"] == kind]


def elements(rendered: RenderedMessage) -> list[Any]:
    return [element for block in blocks_of_type("actions", rendered) for element in block["elements"]]


def texts(value: Any) -> list[Any]:
    """Return all text objects."""
    if isinstance(value, dict):
        own = [value] if value.get("type") in ("plain_text", "mrkdwn", "markdown") else []
        return own + [text for inner in value.values() for text in texts(inner)]
    return [text for inner in value for text in texts(inner)] if isinstance(value, list | tuple) else []


def test_approval_card_has_fields_and_three_buttons() -> None:
    rendered = render_one(card())
    assert [block["type"] for block in rendered.blocks] == ["header", "section", "context", "actions"]
    assert rendered.blocks[1]["text"] == {
        "type": "plain_text",
        "text": "deploy wants to run push_release_tag\ntag: v1.4.1\nwhy: asked",
        "emoji": False,
    }
    assert [element["action_id"] for element in elements(rendered)] == [APPROVE, DENY, EDIT]
    assert {element["value"] for element in elements(rendered)} == {SIGNED_VALUE}


def test_only_approving_asks_for_confirmation() -> None:
    approve, deny, edit = elements(render_one(card()))
    assert approve["confirm"]["text"]["text"] == "deploy wants to run push_release_tag"
    assert "confirm" not in deny | edit


def test_card_shows_requester_deadline_and_code() -> None:
    (context,) = blocks_of_type("context", render_one(card()))
    assert [element["text"] for element in context["elements"]] == [
        "asked for by alice",
        "open until <!date^1795264200^{date_short_pretty} {time}|2026-11-21 12:30 UTC>",
        "code A7K2",
    ]


def test_card_without_a_signed_value_has_no_buttons() -> None:
    assert elements(render_one(card(), None)) == []


def test_closed_card_shows_its_outcome_without_buttons() -> None:
    rendered = render_one(card(status="approved", settled_at=EXPIRES_AT, outcome="approved by bob (terminal): <!here>"))
    assert elements(rendered) == []
    assert rendered.blocks[0]["text"]["text"] == "Approved"
    footer = [element["text"] for element in blocks_of_type("context", rendered)[0]["elements"]]
    assert footer[0] == "approved by bob (terminal): <!here>"
    assert footer[1].startswith("<!date^1795264200^")
    assert [element["type"] for element in blocks_of_type("context", rendered)[0]["elements"]] == [
        "plain_text",
        "mrkdwn",
        "plain_text",
    ]


def test_few_choices_are_buttons() -> None:
    buttons = elements(render_one(card(kind="question", choices=("yes", "no"))))
    assert [(split_action_id(e["action_id"], None), e["text"]["text"]) for e in buttons] == [
        ((CHOOSE, 0), "yes"),
        ((CHOOSE, 1), "no"),
    ]


def test_many_choices_are_a_menu_with_the_signed_value_as_block_id() -> None:
    rendered = render_one(card(kind="question", choices=tuple("abcdef")))
    (menu,) = elements(rendered)
    assert [option["value"] for option in menu["options"]] == ["0", "1", "2", "3", "4", "5"]
    assert blocks_of_type("actions", rendered)[0]["block_id"] == SIGNED_VALUE


def test_more_choices_than_a_menu_holds_can_be_typed() -> None:
    choices = tuple(str(number) for number in range(101))
    menu, answer = elements(render_one(card(kind="question", choices=choices)))
    assert len(menu["options"]) == 100
    assert answer["action_id"] == ANSWER


def test_long_choices_are_numbered_and_listed() -> None:
    rendered = render_one(card(kind="question", choices=("x" * 80 + "1", "x" * 80 + "2")))
    assert [e["text"]["text"][:3] for e in elements(rendered)] == ["1. ", "2. "]
    assert "2. " + "x" * 80 + "2" in rendered.blocks[1]["text"]["text"]


def test_question_without_choices_has_an_answer_button() -> None:
    (answer,) = elements(render_one(card(kind="question")))
    assert answer["action_id"] == ANSWER


@pytest.mark.parametrize("status", ["open", "denied"])
def test_markup_in_values_is_shown_as_text(status: str) -> None:
    fields = (CardField(name=HOSTILE, value=HOSTILE + "\nApproved: yes\u202e"),)
    rendered = render_one(card(title=HOSTILE, fields=fields, code=HOSTILE, status=status, outcome=HOSTILE))
    for text in texts(rendered.blocks):
        assert text["type"] == "plain_text" or not re.search(r"<(?!!date\^)", text["text"])
    assert "<" not in rendered.text
    assert "\u202e" not in str(rendered)
    assert rendered.blocks[1]["text"]["text"].count("\n") == 1


@pytest.mark.parametrize("length", [301, 2_400, 8_900])
def test_long_value_that_fits_is_shown_completely(length: int) -> None:
    value = "".join(chr(97 + number % 26) for number in range(length))
    rendered = render_one(card(fields=(CardField(name="note", value=value),)))
    assert value in join_sections(section["text"]["text"] for section in blocks_of_type("section", rendered))
    assert [element["action_id"] for element in elements(rendered)] == [APPROVE, DENY, EDIT]
    question = render_one(card(kind="question", title=f"deploy asks: {value}", fields=()))
    assert value in join_sections(section["text"]["text"] for section in blocks_of_type("section", question))
    assert [element["action_id"] for element in elements(question)] == [ANSWER]


@pytest.mark.parametrize(
    "long",
    [
        {"fields": (CardField(name="note", value="x" * 20_000),)},
        {"fields": (CardField(name="note", value="short"),), "is_truncated": True},
        {"title": "asks: " + "x" * 20_000},
    ],
    ids=["long value", "truncated card", "long title"],
)
def test_truncated_card_can_be_shown_in_full_but_not_approved(long: dict[str, Any]) -> None:
    rendered = render_one(card(**long))
    assert [element["action_id"] for element in elements(rendered)] == [SHOW, DENY]
    assert "Press Show all" in str(rendered.blocks)
    question = render_one(card(kind="question", choices=("yes", "no"), **long))
    assert [element["action_id"] for element in elements(question)] == [SHOW]


def test_truncated_value_shows_its_length() -> None:
    rendered = render_one(card(fields=(CardField(name="note", value="x" * 20_000),)))
    assert "x… (20006 characters in all)" in blocks_of_type("section", rendered)[0]["text"]["text"]


def test_split_values_are_marked_with_ellipses() -> None:
    value = "x" * 2900 + "environment: staging " * 100
    texts_of_card = [
        s["text"]["text"]
        for s in blocks_of_type("section", render_one(card(fields=(CardField(name="a", value=value),))))
    ]
    assert len(texts_of_card) > 2
    assert all(text.startswith("…") for text in texts_of_card[2:])
    assert all(text.endswith("…") for text in texts_of_card[1:-1])


def test_sections_are_shown_expanded() -> None:
    assert all(section["expand"] is True for section in blocks_of_type("section", render_one(card())))


def test_card_shows_the_reason_and_the_approvers() -> None:
    explanation = Explanation(
        why="It is <!here> tested.",
        asked_by="Alice Ng",
        decided_by="release (Bob Ito)",
        progress="1 of 2 so far: Bob Ito",
        afterwards="without an answer by then nothing is done",
    )
    why, details = blocks_of_type("context", render_one(card(explanation=explanation)))
    assert [element["text"] for element in why["elements"]] == ["Why, in the agent's words: It is <!here> tested."]
    assert [element["text"] for element in details["elements"]] == [
        "asked for by Alice Ng",
        "can be decided by release (Bob Ito)",
        "1 of 2 so far: Bob Ito",
        "open until <!date^1795264200^{date_short_pretty} {time}|2026-11-21 12:30 UTC>",
        "without an answer by then nothing is done",
        "code A7K2",
    ]
    assert {element["type"] for element in why["elements"]} == {"plain_text"}


def test_closed_card_shows_complete_values() -> None:
    rendered = render_one(card(status="approved", fields=(CardField(name="note", value="x" * 2_400),)))
    assert "x" * 2_400 in blocks_of_type("section", rendered)[0]["text"]["text"]


def join_sections(texts: Iterable[str]) -> str:
    """Return the texts of sections as one, without the ellipses of split lines."""
    return "".join(texts).replace("……", "")


def test_lines_that_do_not_fit_are_counted() -> None:
    fields = tuple(CardField(name=f"n{number}", value="v" * 300) for number in range(100))
    sections = blocks_of_type("section", render_one(card(fields=fields)))
    left_out = re.fullmatch(r"… (\d+) more lines .*", sections[-1]["text"]["text"].split("\n")[-1])
    shown_count = sum(section["text"]["text"].count(": v") for section in sections)
    assert left_out is not None
    assert int(left_out[1]) + shown_count == 100


any_text = st.text(max_size=40) | st.sampled_from(["<" * 900, "&" * 4000, "x" * 5000, "\n", "\u202e" * 200, "é" * 80])
cards = st.builds(
    card,
    kind=st.sampled_from(["approval", "question"]),
    status=st.sampled_from(["open", "approved", "expired"]),
    title=any_text,
    code=any_text,
    fields=st.lists(st.builds(CardField, name=any_text, value=any_text), max_size=120).map(tuple),
    choices=st.lists(any_text, max_size=120).map(tuple),
    expires_at=st.none() | st.just(EXPIRES_AT),
    settled_at=st.none() | st.just(EXPIRES_AT),
    outcome=st.none() | any_text,
    is_truncated=st.booleans(),
    explanation=st.builds(
        Explanation, why=any_text, asked_by=any_text, decided_by=any_text, progress=any_text, afterwards=any_text
    ),
)


@given(st.builds(Message, text=any_text, card=cards))
def test_any_card_is_within_slack_limits(message: Message) -> None:
    (rendered,) = render(message, SIGNED_VALUE)
    text_objects = texts(rendered.blocks)
    check_blocks(list(rendered.blocks))
    assert len(rendered.blocks) <= 50
    assert sum(len(text["text"]) for text in text_objects) <= 12_000
    assert all(1 <= len(text["text"]) <= 3000 for text in text_objects)
    assert len(rendered.text) <= MAX_TEXT_LENGTH
    assert all(len(block["text"]["text"]) <= 150 for block in blocks_of_type("header", rendered))
    for element in elements(rendered):
        labels = [element["text"]] if "text" in element else [option["text"] for option in element["options"]]
        assert all(len(label["text"]) <= 75 for label in labels)
        assert len(element.get("options", ())) <= 100
        assert len(element.get("confirm", {"text": {"text": ""}})["text"]["text"]) <= 300


@given(cards)
def test_approvable_card_shows_every_line(card: Card) -> None:
    rendered = render_one(card)
    if APPROVE in {element["action_id"] for element in elements(rendered)}:
        sections = (f"{section['text']['text']}\n" for section in blocks_of_type("section", rendered))
        text = join_sections(sections).replace("…\n…", "")
        assert all(line in text for line in content_lines(card) if line.strip())
        assert not card.is_truncated


@given(st.text() | st.sampled_from(["", " \n", "<!here> " * 3000, "```\n" + "x\n" * 20_000, " " * 30_000]))
def test_text_is_split_into_valid_messages(text: str) -> None:
    messages = render(Message(text=text))
    assert messages
    for rendered in messages:
        check_blocks(list(rendered.blocks))
        (block,) = rendered.blocks
        assert block["type"] == "markdown"
        assert block["text"].strip()
        assert len(block["text"]) <= 12_000
        assert not re.search(r"<[@#!]|!\[", block["text"])
        assert 0 < len(rendered.text) <= MAX_TEXT_LENGTH


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("see https://a.example and a<b", "see `https://a.example` and a<b"),
        ("[docs](https://a.example)", "[docs]|(`https://a.example`)"),
        ("[docs]( <https://a.example>)", "[docs]|( <|`https://a.example`>)"),
        ("[docs](evil.example) [x](//evil.example)", "[docs]|(evil.example) [x]|(//evil.example)"),
        ("[docs][1]\n\n [1]: https://evil.example", "[docs][1]\n\n [1]|: `https://evil.example`"),
        ("<https://a.example|docs> <mailto:a@b.example>", "<|`https://a.example`|docs> <|`mailto:a@b.example`>"),
        ("![x](https://a.example/?q=secret)", "!|[x]|(`https://a.example/?q=secret`)"),
        ("<!channel> <@U1> <#C1>", "<|!channel> <|@U1> <|#C1>"),
        ("call(f[0](x), List<int>)", "call(f[0](x), List<int>)"),
        ("a\u202eb\u200bc\x1b[0m\r\n\tx", r"a\u202eb\u200bc\x1b[0m" + "\n\tx"),
    ],
)
def test_untrusted_markdown_is_neutralized(markdown: str, expected: str) -> None:
    assert neutralize_markdown(markdown).replace("\u200b", "|") == expected


@given(st.text(), st.integers(1, 60))
def test_escaped_text_fits_and_keeps_escapes_intact(text: str, max_length: int) -> None:
    escaped = escape_mrkdwn(text, max_length)
    assert len(escaped) <= max_length
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", escaped)


@pytest.mark.parametrize(
    "text",
    [
        "`" + "curl https://evil.example/?q=1 " * 900 + "`",
        "```\n" + "curl https://evil.example/?q=1\n" * 900 + "```\nhttps://evil.example",
        "https://evil.example/" + "x" * 30_000 + " https://evil.example",
        "` " + "http://b `http://b`" * 2000,
    ],
)
def test_split_reply_has_no_link_outside_code(text: str) -> None:
    for rendered in render(Message(text=text)):
        check_blocks(list(rendered.blocks))
        outside = texts_outside_code(rendered.blocks[0]["text"])
        assert not any("://" in part for part in outside)


@given(st.builds(Message, text=st.just("see https://a.example"), card=cards))
def test_cards_have_no_text_that_slack_links(message: Message) -> None:
    (rendered,) = render(message, SIGNED_VALUE)
    assert all(text["type"] == "plain_text" or text.get("verbatim") for text in texts(rendered.blocks))
