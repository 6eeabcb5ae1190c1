"""Requests as short messages."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.messages import CardField
from channels.sms.answer_handler import INCOMPLETE_DIGEST
from channels.sms.answers import parse_text
from channels.sms.rendering import MAX_PARTS, MAX_SEGMENTS, render_card_text, render_reply
from channels.sms.segments import fits
from tests.channels.sms.test_channel import CLOCK, card

NOW = CLOCK.now()


def test_card_shows_the_code_first_and_all_that_is_needed_to_answer() -> None:
    rendered = render_card_text(card(), NOW)
    assert rendered.text == (
        "K7P2Q deploy wants to run push_release_tag: environment=production, tag=v1.4.2? (asked for by alice) "
        f"Reply K7P2Q OK or K7P2Q NO. 30 min. {card().link}"
    )
    assert rendered.digest == card().digest


def test_call_that_does_not_fit_offers_no_approval() -> None:
    long = card(fields=(CardField(name="tag", value="v1"), CardField(name="note", value="x" * 300)))
    rendered = render_card_text(long, NOW)
    assert "tag=v1..." in rendered.text
    assert "K7P2Q OK" not in rendered.text
    assert long.link in rendered.text
    assert "K7P2Q NO" in rendered.text
    assert rendered.digest == INCOMPLETE_DIGEST


def test_truncated_card_offers_no_approval() -> None:
    rendered = render_card_text(card(is_truncated=True), NOW)
    assert ("K7P2Q OK" in rendered.text, rendered.digest) == (False, INCOMPLETE_DIGEST)


def test_question_numbers_its_choices() -> None:
    question = card(kind="question", title="deploy asks: Where to?", fields=(), choices=("prod", "staging"))
    assert "Reply K7P2Q and a number: 1 prod, 2 staging." in render_card_text(question, NOW).text


def test_reader_who_may_not_approve_is_shown_what_works() -> None:
    assert "You may deny it: reply K7P2Q NO." in render_card_text(card(may_approve=False), NOW).text
    weak = render_card_text(card(may_approve=False, min_assurance="medium"), NOW).text
    assert "Approve it in Slack or by mail, or reply K7P2Q NO." in weak


@pytest.mark.parametrize(("minutes", "expected"), [(0, "1 min."), (119, "119 min."), (600, "10 h."), (4320, "3 d.")])
def test_time_left_is_rounded(minutes: int, expected: str) -> None:
    assert expected in render_card_text(card(expires_at=NOW + timedelta(minutes=minutes)), NOW).text


def test_settled_request_says_how_it_ended() -> None:
    settled = card(status="approved", outcome="approved by Carol")
    assert render_card_text(settled, NOW).text == "K7P2Q is settled: approved by Carol."


values = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=400)


@given(st.lists(values, max_size=6), st.sampled_from(["approval", "question"]), st.booleans(), st.booleans())
def test_card_fits_and_an_incomplete_one_is_not_approved_by_it(
    shown: list[str], kind: str, has_link: bool, may_approve: bool
) -> None:
    fields = tuple(CardField(name=f"name{number}", value=value) for number, value in enumerate(shown))
    changes = {"link": card().link if has_link else "", "may_approve": may_approve, "kind": kind}
    rendered = render_card_text(card(fields=fields, **changes), NOW)
    assert fits(rendered.text, MAX_SEGMENTS)
    assert rendered.text.startswith("K7P2Q")
    is_complete = all(f"{field.name}={field.value}" in rendered.text for field in fields)
    assert rendered.digest == INCOMPLETE_DIGEST or is_complete
    assert parse_text(rendered.text).answers == () or parse_text(rendered.text).answers[0].verb is None


@given(st.text(max_size=6000))
def test_reply_fits_into_its_messages(text: str) -> None:
    parts = render_reply(text)
    assert 1 <= len(parts) <= MAX_PARTS
    assert all(fits(part, MAX_SEGMENTS) for part in parts)


def test_reply_that_is_too_long_says_that_it_is_shortened() -> None:
    parts = render_reply("word " * 2000)
    assert parts[-1].endswith("... (shortened)")
