"""Messages as plain text: whole, or truncated without a way to approve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.cards import MAX_CARD_VALUE_LENGTH, render_card
from agents.core.event_truncation import MAX_TEXT_BYTES
from agents.core.messages import Message
from channels.base import Capabilities
from channels.rest import RestChannel
from channels.terminal import TerminalChannel
from channels.text import answer_hint, answer_instructions, format_error, to_plain_text
from tests.agents.factories import approval, question

SMALL = Capabilities(
    max_length=1_600, reply_instructions=("/approve {code}", "/edit {code} json", "/deny {code} REASON")
)


@pytest.mark.parametrize("length", [2_400, 20_000])
def test_channel_with_a_high_length_limit_shows_the_whole_card(length: int) -> None:
    text = to_plain_text(render_card(approval(arguments={"note": "x" * length})), TerminalChannel.capabilities)
    assert "x" * length in text
    assert "/approve ABCDE" in text


def test_truncated_card_names_the_command_that_shows_it_all() -> None:
    text = to_plain_text(render_card(approval(arguments={"note": "x" * 2_400})), SMALL)
    assert "(2400 characters in all)" in text
    assert "handrail requests show ABCDE" in text
    assert "/deny ABCDE REASON" in text
    assert "/approve" not in text
    assert "/edit" not in text


def test_value_too_long_for_a_card_cannot_be_approved() -> None:
    text = to_plain_text(
        render_card(approval(arguments={"note": "x" * (MAX_CARD_VALUE_LENGTH + 1)})), TerminalChannel.capabilities
    )
    assert "/approve" not in text
    assert "handrail requests show ABCDE" in text


def test_short_card_can_be_approved_by_text() -> None:
    text = to_plain_text(render_card(approval()), SMALL)
    assert text.split("\n")[:2] == ["walker wants to run push", "where: staging"]
    assert "/approve ABCDE" in text


def test_truncated_reply_states_its_full_length() -> None:
    assert to_plain_text(Message(text="x" * 2_000), SMALL).endswith("… (2000 characters in all)")


@pytest.mark.parametrize("capabilities", [TerminalChannel.capabilities, RestChannel.capabilities])
def test_pull_channels_get_a_reply_of_maximum_length_whole(capabilities: Capabilities) -> None:
    reply = "x" * MAX_TEXT_BYTES
    assert to_plain_text(Message(text=reply), capabilities) == reply


@given(st.text(max_size=3_000), st.integers(400, 3_000))
def test_text_fits_the_channel_limit(value: str, max_length: int) -> None:
    small = Capabilities(max_length=max_length, reply_instructions=SMALL.reply_instructions)
    for request in (approval(arguments={"note": value}), question(question=value, choices=("yes", "no"))):
        assert len(to_plain_text(render_card(request), small)) <= max_length


@pytest.mark.parametrize("message", ["the request is closed", "The request is closed."])
def test_sentence_of_an_error_ends_with_one_full_stop(message: str) -> None:
    assert format_error(ValueError(message)) == f"{message.removesuffix('.')}."


UPPER_CASE = Capabilities(reply_instructions=("APPROVE {code}", "DENY {code} REASON", "ANSWER {code} TEXT"))


def test_instructions_fit_the_kind_of_card_in_any_spelling() -> None:
    cards = [render_card(request).card for request in (approval(), question())]
    assert [answer_instructions(card, UPPER_CASE)[:-1] for card in cards] == [
        ["APPROVE ABCDE", "DENY ABCDE REASON"],
        ["ANSWER ABCDE TEXT"],
    ]
    assert answer_instructions(cards[0], UPPER_CASE, is_complete=False)[:-1] == ["DENY ABCDE REASON"]


@pytest.mark.parametrize("capabilities", [UPPER_CASE, TerminalChannel.capabilities])
def test_hint_names_the_command_for_the_request(capabilities: Capabilities) -> None:
    for request, verb in ((approval(), "approve"), (question(), "answer")):
        assert answer_hint(request, capabilities).lower().removeprefix("/").startswith(f"{verb} abcde")
