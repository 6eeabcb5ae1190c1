"""Splitting of replies: a sign of a quote by any detector ends the lines in which verdicts may stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.reply_text import DELIMITER, split_reply

VERDICT = "APPROVE K7P2Q"
SIGNS = [
    DELIMITER,
    f"> {DELIMITER}",
    "> text",
    ">",
    "From: Handrail <bot@example.test>",
    "*Von:* Handrail",
    "De : Handrail",
    "-----Original Message-----",
    "-------- Weitergeleitete Nachricht --------",
    "________________________________",
    "On Mon, Nov 30, 2026 at 10:42 AM Handrail <bot@example.test> wrote:",
    "Am 30.11.26 um 10:42 schrieb Handrail:",
    "Handrail wrote:",
    "Begin forwarded message:",
    "bot@example.test",
    "30.11.2026, 10:42",
    "Sent on 30 November 2026 at 10:42",
]
WORDS = st.sampled_from(
    [VERDICT, f"*{VERDICT}*", "DENY M3N4R no", "Hello", "", "-- ", "Why?", "a longer sentence " * 5]
)


@pytest.mark.parametrize("sign", SIGNS)
def test_no_verdict_counts_below_a_sign_of_a_quote(sign: str) -> None:
    assert split_reply(f"Hello\n\n{sign}\n{VERDICT}", None).decision_lines == ("Hello", "")


@pytest.mark.parametrize(
    "start",
    [
        '<div class="gmail_quote">',
        '<div class="moz-cite-prefix">',
        '<div id="divRplyFwdMsg">',
        '<div id="appendonsend"></div><div>',
        '<div id="x_yahoo_quoted_1">',
        '<hr tabindex="-1"><div>',
        '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">',
        "<blockquote>",
        '<blockquote type="cite">',
        '<div name="quote">',
    ],
)
def test_no_verdict_counts_below_a_quote_in_html(start: str) -> None:
    html = f"<div>Hello</div>{start}<div>{VERDICT}</div>"
    assert "".join(split_reply("", html).decision_lines) == "Hello"
    assert "".join(split_reply(f"Hello\n\n{VERDICT}", html).decision_lines) == "Hello"


def test_verdict_must_stand_in_both_forms() -> None:
    assert VERDICT not in split_reply(VERDICT, "<p>Hello</p>").decision_lines
    assert VERDICT not in split_reply("Hello", f"<p>{VERDICT}</p>").decision_lines
    assert VERDICT in split_reply(VERDICT, "<p><b>APPROVE</b> K7P2Q</p>").decision_lines


def test_wrapped_sentence_does_not_begin_a_line_with_a_verdict() -> None:
    text = f"I am not sure at all whether it would be a good idea to say\n{VERDICT} or something else"
    assert split_reply(text, None).decision_lines == (text.replace("\n", " "),)
    assert split_reply(f"Hello,\n{VERDICT}", None).decision_lines == ("Hello,", VERDICT)


def test_wrapped_comment_of_a_verdict_is_one_line() -> None:
    text = "DENY K7P2Q because this tag points to a commit that nobody has\nreviewed"
    assert split_reply(text, None).decision_lines == (text.replace("\n", " "),)


def test_long_mail_is_cut_with_a_notice() -> None:
    reply = split_reply("line\n" * 3000, None)
    assert reply.new_text.endswith("line\n[The rest of this mail was not read.]")
    assert len(reply.decision_lines) == 200


def test_text_behind_the_limit_of_length_does_not_end_in_half_a_line() -> None:
    assert split_reply("a" * 65_530 + "\nEDIT K7P2Q tag=v1.4.1", None).decision_lines == ()


@given(st.lists(WORDS, max_size=12), st.sampled_from(SIGNS), st.lists(st.sampled_from(SIGNS) | WORDS, max_size=12))
def test_quote_never_adds_a_decision_line(own: list[str], sign: str, quote: list[str]) -> None:
    alone = split_reply("\n".join(own), None).decision_lines
    with_quote = split_reply("\n".join([*own, sign, *quote]), None).decision_lines
    assert with_quote == alone[: len(with_quote)]


@given(st.lists(WORDS | st.sampled_from(SIGNS), max_size=12), st.lists(WORDS | st.sampled_from(SIGNS), max_size=12))
def test_html_never_adds_a_decision_line(text: list[str], html: list[str]) -> None:
    shown = "".join(f"<div>{line.replace('<', '&lt;')}</div>" for line in html)
    plain = "".join(split_reply("\n".join(text), None).decision_lines)
    for line in split_reply("\n".join(text), shown).decision_lines:
        assert not any(text) or "".join(filter(str.isalnum, line)) in "".join(filter(str.isalnum, plain))


@given(st.text(max_size=400), st.none() | st.text(max_size=200))
def test_any_text_is_split(text: str, html: str | None) -> None:
    assert len(split_reply(text, html).decision_lines) <= 200
