import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.addresses import person_address
from agents.cards import content_lines
from agents.messages import Card, CardField, Explanation, Message
from channels.slack.action_ids import ANSWER, APPROVE, CHOOSE, DENY, EDIT, SHOW, split_action_id
from channels.slack.cards import MAX_TEXT_LENGTH, RenderedMessage, render
from channels.slack.escaping import escape_mrkdwn, neutralize_markdown
from tests.channels.slack.test_link_spans import words_outside_code
from tests.fakes.slack.limits import check_blocks

REFERENCE = "v1." + "r" * 196
UNTIL = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
HOSTILE = "<!channel> <@U0BOSS> <https://evil.example|docs> & *so*"


def card(**changed: Any) -> Card:
    told: dict[str, Any] = {
        "request_id": "req_1",
        "code": "A7K2",
        "kind": "approval",
        "status": "open",
        "title": "deploy wants to run push_release_tag",
        "fields": (CardField(name="tag", value="v1.4.1"), CardField(name="why", value="asked")),
        "requester": person_address("alice"),
        "expires_at": UNTIL,
    }
    return Card(**(told | changed))


def posted(shown: Card, reference: str | None = REFERENCE, **more: Any) -> RenderedMessage:
    (posting,) = render(Message(text=shown.title, card=shown), reference, **more)
    return posting


def every(kind: str, posting: RenderedMessage) -> list[Any]:
    return [block for block in posting.blocks if block["type"] == kind]


def elements(posting: RenderedMessage) -> list[Any]:
    return [element for block in every("actions", posting) for element in block["elements"]]


def texts(value: Any) -> list[Any]:
    """Every text object."""
    if isinstance(value, dict):
        own = [value] if value.get("type") in ("plain_text", "mrkdwn", "markdown") else []
        return own + [text for inner in value.values() for text in texts(inner)]
    return [text for inner in value for text in texts(inner)] if isinstance(value, list | tuple) else []


def test_an_approval_shows_its_facts_and_can_be_approved_denied_and_edited() -> None:
    posting = posted(card())
    assert [block["type"] for block in posting.blocks] == ["header", "section", "context", "actions"]
    assert posting.blocks[1]["text"] == {
        "type": "plain_text",
        "text": "deploy wants to run push_release_tag\ntag: v1.4.1\nwhy: asked",
        "emoji": False,
    }
    assert [element["action_id"] for element in elements(posting)] == [APPROVE, DENY, EDIT]
    assert {element["value"] for element in elements(posting)} == {REFERENCE}


def test_approving_is_confirmed_and_denying_is_not() -> None:
    approve, deny, edit = elements(posted(card()))
    assert approve["confirm"]["text"]["text"] == "deploy wants to run push_release_tag"
    assert "confirm" not in deny | edit


def test_a_card_tells_who_asked_until_when_and_its_code() -> None:
    (context,) = every("context", posted(card()))
    assert [element["text"] for element in context["elements"]] == [
        "asked for by alice",
        "open until <!date^1795264200^{date_short_pretty} {time}|2026-11-21 12:30 UTC>",
        "code A7K2",
    ]


def test_a_card_without_a_reference_has_no_buttons() -> None:
    assert elements(posted(card(), None)) == []


def test_a_settled_card_has_no_buttons_and_says_who_when_and_from_where() -> None:
    posting = posted(card(status="approved", settled_at=UNTIL, outcome="approved by bob (terminal): <!here>"))
    assert elements(posting) == []
    assert posting.blocks[0]["text"]["text"] == "Approved"
    told = [element["text"] for element in every("context", posting)[0]["elements"]]
    assert told[0] == "approved by bob (terminal): <!here>"
    assert told[1].startswith("<!date^1795264200^")
    assert [element["type"] for element in every("context", posting)[0]["elements"]] == [
        "plain_text",
        "mrkdwn",
        "plain_text",
    ]


def test_few_choices_are_buttons() -> None:
    pressed = elements(posted(card(kind="question", choices=("yes", "no"))))
    assert [(split_action_id(e["action_id"], None), e["text"]["text"]) for e in pressed] == [
        ((CHOOSE, 0), "yes"),
        ((CHOOSE, 1), "no"),
    ]


def test_many_choices_are_a_list_whose_block_carries_the_reference() -> None:
    posting = posted(card(kind="question", choices=tuple("abcdef")))
    (listed,) = elements(posting)
    assert [option["value"] for option in listed["options"]] == ["0", "1", "2", "3", "4", "5"]
    assert every("actions", posting)[0]["block_id"] == REFERENCE


def test_more_choices_than_a_list_holds_can_be_typed() -> None:
    choices = tuple(str(number) for number in range(101))
    listed, answer = elements(posted(card(kind="question", choices=choices)))
    assert len(listed["options"]) == 100
    assert answer["action_id"] == ANSWER


def test_choices_too_long_for_a_button_are_numbered_and_written_out() -> None:
    posting = posted(card(kind="question", choices=("x" * 80 + "1", "x" * 80 + "2")))
    assert [e["text"]["text"][:3] for e in elements(posting)] == ["1. ", "2. "]
    assert "2. " + "x" * 80 + "2" in posting.blocks[1]["text"]["text"]


def test_a_question_without_choices_is_answered_in_words() -> None:
    (answer,) = elements(posted(card(kind="question")))
    assert answer["action_id"] == ANSWER


@pytest.mark.parametrize("status", ["open", "denied"])
def test_what_values_say_is_shown_and_never_obeyed(status: str) -> None:
    fields = (CardField(name=HOSTILE, value=HOSTILE + "\nApproved: yes\u202e"),)
    posting = posted(card(title=HOSTILE, fields=fields, code=HOSTILE, status=status, outcome=HOSTILE))
    for text in texts(posting.blocks):
        assert text["type"] == "plain_text" or not re.search(r"<(?!!date\^)", text["text"])
    assert "<" not in posting.text
    assert "\u202e" not in str(posting)
    assert posting.blocks[1]["text"]["text"].count("\n") == 1


@pytest.mark.parametrize("length", [301, 2_400, 8_900])
def test_a_card_shows_all_of_a_long_value_and_can_be_approved(length: int) -> None:
    value = "".join(chr(97 + number % 26) for number in range(length))
    posting = posted(card(fields=(CardField(name="note", value=value),)))
    assert value in joined(section["text"]["text"] for section in every("section", posting))
    assert [element["action_id"] for element in elements(posting)] == [APPROVE, DENY, EDIT]
    asked = posted(card(kind="question", title=f"deploy asks: {value}", fields=()))
    assert value in joined(section["text"]["text"] for section in every("section", asked))
    assert [element["action_id"] for element in elements(asked)] == [ANSWER]


@pytest.mark.parametrize(
    "long",
    [
        {"fields": (CardField(name="note", value="x" * 20_000),)},
        {"fields": (CardField(name="note", value="short"),), "is_truncated": True},
        {"title": "asks: " + "x" * 20_000},
    ],
    ids=["does not fit", "longer than a card keeps", "a long title"],
)
def test_a_card_not_shown_whole_cannot_be_approved_but_leads_to_the_whole(long: dict[str, Any]) -> None:
    posting = posted(card(**long))
    assert [element["action_id"] for element in elements(posting)] == [SHOW, DENY]
    assert "press Show all" in str(posting.blocks)
    question = posted(card(kind="question", choices=("yes", "no"), **long))
    assert [element["action_id"] for element in elements(question)] == [SHOW]


def test_a_value_that_is_cut_says_how_long_it_is() -> None:
    posting = posted(card(fields=(CardField(name="note", value="x" * 20_000),)))
    assert "x… (20006 characters in all)" in every("section", posting)[0]["text"]["text"]


def test_a_part_of_a_value_never_begins_a_section_as_a_line_of_its_own() -> None:
    value = "x" * 2900 + "environment: staging " * 100
    texts_of_card = [
        s["text"]["text"] for s in every("section", posted(card(fields=(CardField(name="a", value=value),))))
    ]
    assert len(texts_of_card) > 2
    assert all(text.startswith("…") for text in texts_of_card[2:])
    assert all(text.endswith("…") for text in texts_of_card[1:-1])


def test_no_section_of_a_card_is_folded_by_slack() -> None:
    assert all(section["expand"] is True for section in every("section", posted(card())))


def test_a_card_says_why_in_the_words_of_the_agent_and_who_decides() -> None:
    told = Explanation(
        why="It is <!here> tested.",
        asked_by="Alice Ng",
        decided_by="release (Bob Ito)",
        progress="1 of 2 so far: Bob Ito",
        afterwards="without an answer by then nothing is done",
    )
    why, facts = every("context", posted(card(explanation=told)))
    assert [element["text"] for element in why["elements"]] == ["Why, in the agent's words: It is <!here> tested."]
    assert [element["text"] for element in facts["elements"]] == [
        "asked for by Alice Ng",
        "decided by release (Bob Ito)",
        "1 of 2 so far: Bob Ito",
        "open until <!date^1795264200^{date_short_pretty} {time}|2026-11-21 12:30 UTC>",
        "without an answer by then nothing is done",
        "code A7K2",
    ]
    assert {element["type"] for element in why["elements"]} == {"plain_text"}


def test_a_settled_card_shows_all_of_what_was_decided() -> None:
    posting = posted(card(status="approved", fields=(CardField(name="note", value="x" * 2_400),)))
    assert "x" * 2_400 in every("section", posting)[0]["text"]["text"]


def joined(texts: Iterable[str]) -> str:
    """The texts of sections as one, without what marks that a line goes on."""
    return "".join(texts).replace("……", "")


def test_facts_that_do_not_fit_are_counted() -> None:
    fields = tuple(CardField(name=f"n{number}", value="v" * 300) for number in range(100))
    sections = every("section", posted(card(fields=fields)))
    left = re.fullmatch(r"… and (\d+) more, which .*", sections[-1]["text"]["text"].split("\n")[-1])
    shown = sum(section["text"]["text"].count(": v") for section in sections)
    assert left is not None
    assert int(left[1]) + shown == 100


words = st.text(max_size=40) | st.sampled_from(["<" * 900, "&" * 4000, "x" * 5000, "\n", "\u202e" * 200, "é" * 80])
cards = st.builds(
    card,
    kind=st.sampled_from(["approval", "question"]),
    status=st.sampled_from(["open", "approved", "expired"]),
    title=words,
    code=words,
    fields=st.lists(st.builds(CardField, name=words, value=words), max_size=120).map(tuple),
    choices=st.lists(words, max_size=120).map(tuple),
    expires_at=st.none() | st.just(UNTIL),
    settled_at=st.none() | st.just(UNTIL),
    outcome=st.none() | words,
    is_truncated=st.booleans(),
    explanation=st.builds(Explanation, why=words, asked_by=words, decided_by=words, progress=words, afterwards=words),
)


@given(st.builds(Message, text=words, card=cards))
def test_no_card_is_more_than_slack_takes(message: Message) -> None:
    (posting,) = render(message, REFERENCE)
    shown = texts(posting.blocks)
    check_blocks(list(posting.blocks))
    assert len(posting.blocks) <= 50
    assert sum(len(text["text"]) for text in shown) <= 12_000
    assert all(1 <= len(text["text"]) <= 3000 for text in shown)
    assert len(posting.text) <= MAX_TEXT_LENGTH
    assert all(len(block["text"]["text"]) <= 150 for block in every("header", posting))
    for element in elements(posting):
        labels = [element["text"]] if "text" in element else [option["text"] for option in element["options"]]
        assert all(len(label["text"]) <= 75 for label in labels)
        assert len(element.get("options", ())) <= 100
        assert len(element.get("confirm", {"text": {"text": ""}})["text"]["text"]) <= 300


@given(cards)
def test_what_can_be_approved_is_shown_whole(shown: Card) -> None:
    posting = posted(shown)
    if APPROVE in {element["action_id"] for element in elements(posting)}:
        told = joined(f"{section['text']['text']}\n" for section in every("section", posting)).replace("…\n…", "")
        assert all(line in told for line in content_lines(shown) if line.strip())
        assert not shown.is_truncated


@given(st.text() | st.sampled_from(["", " \n", "<!here> " * 3000, "```\n" + "x\n" * 20_000, " " * 30_000]))
def test_words_are_as_many_messages_as_they_need(text: str) -> None:
    postings = render(Message(text=text))
    assert postings
    for posting in postings:
        check_blocks(list(posting.blocks))
        (block,) = posting.blocks
        assert block["type"] == "markdown"
        assert block["text"].strip()
        assert len(block["text"]) <= 12_000
        assert not re.search(r"<[@#!]|!\[", block["text"])
        assert 0 < len(posting.text) <= MAX_TEXT_LENGTH


@pytest.mark.parametrize(
    ("written", "shown"),
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
def test_words_of_others_hide_nothing_and_work_nowhere(written: str, shown: str) -> None:
    assert neutralize_markdown(written).replace("\u200b", "|") == shown


@given(st.text(), st.integers(1, 60))
def test_an_escaped_text_fits_and_ends_in_no_half_escape(text: str, longest: int) -> None:
    shown = escape_mrkdwn(text, longest)
    assert len(shown) <= longest
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", shown)


@pytest.mark.parametrize(
    "text",
    [
        "`" + "curl https://evil.example/?q=1 " * 900 + "`",
        "```\n" + "curl https://evil.example/?q=1\n" * 900 + "```\nhttps://evil.example",
        "https://evil.example/" + "x" * 30_000 + " https://evil.example",
        "` " + "http://b `http://b`" * 2000,
    ],
)
def test_no_message_of_a_split_reply_has_a_link_outside_of_code(text: str) -> None:
    for posting in render(Message(text=text)):
        check_blocks(list(posting.blocks))
        told = words_outside_code(posting.blocks[0]["text"])
        assert not any("://" in words for words in told)


@given(st.builds(Message, text=st.just("see https://a.example"), card=cards))
def test_cards_have_no_text_in_which_slack_makes_links(message: Message) -> None:
    (posting,) = render(message, REFERENCE)
    assert all(text["type"] == "plain_text" or text.get("verbatim") for text in texts(posting.blocks))
