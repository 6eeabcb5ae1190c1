"""A mail shows what every card shows, and no part of it can become a verdict in a reply."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.messages import Assurance, CardField, Explanation, Message
from channels.email.inert_text import make_inert
from channels.email.markdown_html import render_markdown
from channels.email.rendering import render_mail
from channels.email.reply_text import DELIMITER
from channels.email.verdicts import parse_verdicts
from channels.stored_input import ThreadContext
from tests.channels.email.cards import create_card, create_question, message_with
from tests.channels.email.command_texts import TEXTS, both_texts, commands_in
from tests.harness.time_limits import promised_seconds

GOLDEN_FOLDER = Path(__file__).parents[2] / "payloads" / "email" / "rendered"


@pytest.mark.parametrize("text_of", [0, 1], ids=["text", "html"])
def test_card_shows_everything_that_other_channels_show(text_of):
    text = both_texts(render_mail(message_with(create_card()), None))[text_of]
    for part in (
        "deploy wants to run push_release_tag",
        "tag: v1.4.0",
        "note: fixes <b>login</b> & more",
        "This could not be shown in its conversation: archived",
        "Why, in the agent's words: Alice asked for it",
        "asked for by Alice Ng",
        "can be decided by release (Bob Ito)",
        "1 of 2 so far: Carol",
        "Open until 2026-01-03 09:00 UTC; without an answer by then nothing is done.",
        "Code: K7P2Q",
        "“APPROVE K7P2Q” to approve",
        "“DENY K7P2Q” to deny",
        "“EDIT K7P2Q name=value”",
    ):
        assert part in " ".join(text.split()), part


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("approval", message_with(create_card())),
        ("question", message_with(create_question(choices=("eu", "us")))),
        ("message", Message(text="Done: **v1.4.0** is tagged.\n\n- [log](https://ci.test/1)\n- `make test`")),
    ],
)
def test_mail_equals_its_golden_files(name, message):
    mail = render_mail(message, None)
    assert mail.text == (GOLDEN_FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert mail.html == (GOLDEN_FOLDER / f"{name}.html").read_text(encoding="utf-8")


def test_first_line_of_text_and_html_is_the_delimiter():
    for message in (message_with(create_card()), Message(text="hello")):
        text, html = both_texts(render_mail(message, None))
        assert text.split("\n")[0] == html.strip().split("\n")[0] == DELIMITER


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_truncated": True}, "too long for a mail. Read all of it on the page below"),
        ({"is_truncated": True, "link": ""}, "too long for a mail. Read all of it with `handrail requests show K7P2Q`"),
        ({"min_assurance": Assurance.HIGH}, "proof of who you are to approve this. Approve it with a click in Slack"),
        ({"min_assurance": Assurance.HIGH, "may_approve": False}, "Approve it with a click in Slack"),
        ({"may_approve": False}, "“DENY K7P2Q”"),
        ({"fields": tuple(CardField(name=f"f{n}", value="x" * 50_000) for n in range(5))}, "too long for a mail"),
    ],
)
def test_card_that_mail_cannot_approve_offers_only_to_deny(changes, reason):
    for text in both_texts(render_mail(message_with(create_card(**changes)), None)):
        assert reason in " ".join(text.split())
        assert "“DENY K7P2Q” to deny" in text
        assert "APPROVE" not in text
        assert "EDIT" not in text
        assert len(text) < 100_000


def test_card_that_needs_medium_assurance_can_be_approved():
    text = render_mail(message_with(create_card(min_assurance=Assurance.MEDIUM, is_editable=False)), None).text
    assert "“APPROVE K7P2Q”" in text
    assert "EDIT" not in text


def test_question_lists_numbered_choices():
    for text in both_texts(render_mail(message_with(create_question(choices=("yes", "no"))), None)):
        assert "1. yes\n2. no" in text
        assert "“ANSWER K7P2Q 1”" in text
        assert "APPROVE" not in text


@given(title=TEXTS, value=TEXTS, why=TEXTS, choice=TEXTS, kind=st.sampled_from(["approval", "question"]))
def test_no_wrapping_of_a_card_makes_a_command(title, value, why, choice, kind):
    card = create_card(
        kind=kind,
        title=title or "x",
        fields=(CardField(name=title or "x", value=value),),
        explanation=Explanation(why=why, asked_by=value, decided_by=why, progress=title),
        choices=(choice, value),
        note=why,
    )
    mail = render_mail(message_with(card), None)
    for text in (*both_texts(mail), mail.subject):
        assert commands_in(text) == []


@given(TEXTS, TEXTS)
def test_no_wrapping_of_a_message_makes_a_command(text, title):
    mail = render_mail(Message(text=text), ThreadContext("thr_1", title, ("<a@b>",)))
    for part in (*both_texts(mail), mail.subject):
        assert commands_in(part) == []
        assert parse_verdicts(part.split("\n")).verdicts == ()


@given(st.text())
def test_inert_text_differs_only_by_quotation_marks_and_escapes(text):
    assert make_inert(make_inert(text)).replace("“", "").replace("”", "") == make_inert(text).replace("“", "").replace(
        "”", ""
    )


@pytest.mark.parametrize(
    ("markdown", "forbidden"),
    [
        ("<script>alert(1)</script>", "<script"),
        ("![x](https://evil.test/pixel.png)", "<img"),
        ("[x](javascript:alert(1))", 'javascript:alert(1)"'),
        ("<a href='https://evil.test'>bank</a>", "<a href='"),
        ("[x](data:text/html,1)", 'href="data:'),
        ("<style>body{}</style>", "<style"),
    ],
)
def test_html_of_a_model_is_not_active(markdown, forbidden):
    assert forbidden not in render_markdown(markdown)


def test_long_text_is_not_formatted_and_many_links_are_fast():
    assert render_markdown("**a** " * 20_000).startswith("<pre>")
    started_at = time.perf_counter()
    assert render_markdown("[a](http://x) " * 7_000).count("<a ") == 7_000
    assert time.perf_counter() - started_at < promised_seconds(3)


def test_link_shows_where_it_leads():
    assert render_markdown("[bank](https://evil.test/?a=1&b)").strip() == (
        '<p><a href="https://evil.test/?a=1&amp;b" rel="noopener noreferrer">bank</a> (https://evil.test/?a=1&amp;b)</p>'
    )
    assert "(" not in render_markdown("<https://good.test>")


@pytest.mark.parametrize(
    ("title", "references", "card", "subject"),
    [
        ("Deploy v1.4.0", ("<a@b>",), None, "Re: Deploy v1.4.0"),
        ("Re: RE: AW: Deploy", ("<a@b>",), None, "Re: Deploy"),
        ("Re: Deploy", ("<a@b>",), create_card(), "Re: Deploy"),
        ("Deploy", (), create_card(), "[K7P2Q] deploy wants to run push_release_tag"),
        (None, ("<a@b>",), create_card(), "[K7P2Q] deploy wants to run push_release_tag"),
        ("Deploy", (), None, "Re: Deploy"),
        (None, (), None, "first line"),
        ("Re:", (), None, "Re: Re:"),
        ("Regarding: x", (), None, "Re: Regarding: x"),
    ],
)
def test_subject_is_that_of_the_thread(title, references, card, subject):
    message = message_with(card) if card else Message(text="\n first line \nsecond")
    assert render_mail(message, ThreadContext("thr_1", title, references)).subject == subject


def test_settled_card_is_plain_text_without_answers():
    card = create_card(status="approved", outcome="approved by Bob")
    for text in both_texts(render_mail(Message(text="tag: v1\n[K7P2Q] approved by Bob", card=card), None)):
        assert "[K7P2Q] approved by Bob" in text
        assert "DENY" not in text
