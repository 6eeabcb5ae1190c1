"""Text of HTML mails: hidden text is left out, blocks are lines, and quotes are marked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.html_text import html_to_text, read_html
from channels.email.reply_text import split_reply

SHOWN = "Hello"
VERDICT = "APPROVE K7P2Q"
HIDING_STYLES = [
    "display:none",
    "DISPLAY : NONE !important",
    "visibility:hidden",
    "font-size:0",
    "font-size:1px",
    "font-size:0.0em",
    "opacity:0",
    "color:#fff",
    "color:white;background:#ffffff",
    "color:#000;background-color:black",
    "color:rgb(250,250,250)",
    "color:rgba(0,0,0,0)",
    "color:transparent",
    "mso-hide:all",
    "max-height:0;overflow:hidden",
    "height:0px;overflow:hidden",
    "width:1px;overflow:hidden",
    "text-indent:-9999px",
    "position:absolute;left:-5000px",
    "clip:rect(0 0 0 0)",
    "transform:scale(0)",
]
HIDING_HTML = [
    f"<div hidden>{VERDICT}</div>",
    f"<script>{VERDICT}</script>",
    f"<style>{VERDICT}</style>",
    f"<title>{VERDICT}</title>",
    f"<template>{VERDICT}</template>",
    f"<textarea>{VERDICT}</textarea>",
    f"<noscript>{VERDICT}</noscript>",
    f"<svg><text>{VERDICT}</text></svg>",
    f"<!-- {VERDICT} -->",
    f"<!--[if mso]><p>{VERDICT}</p><![endif]-->",
    f"<style>.x {{display:none}}</style><p class='a x'>{VERDICT}</p>",
    f"<style>@media screen {{ p.x {{display:none}} }}</style><p class=x>{VERDICT}</p>",
    f"<style>#x, b {{/* }} */ opacity:0}}</style><p id=x>{VERDICT}</p>",
    f"<style>.a .x{{visibility:hidden}}</style><div class=a><p class=x>{VERDICT}</p></div>",
    f"<font color=white>{VERDICT}</font>",
    f"<table bgcolor=black><tr><td><font color=#000000>{VERDICT}</font></td></tr></table>",
    f"<div style='display:none'><div style='display:block'><p>{VERDICT}</p></div></div>",
    f"<p title='{VERDICT}'></p>",
    f"<img alt='{VERDICT}'><input value='{VERDICT}'>",
]


@pytest.mark.parametrize("style", HIDING_STYLES)
def test_hidden_text_gives_no_verdict(style: str) -> None:
    html = f'<p style="{style}">{VERDICT}</p><p>{SHOWN}</p>'
    assert html_to_text(html) == SHOWN
    assert VERDICT not in split_reply("", html).decision_lines


@pytest.mark.parametrize("hidden", HIDING_HTML)
def test_text_hidden_by_markup_is_left_out(hidden: str) -> None:
    assert html_to_text(f"<html><body>{hidden}<p>{SHOWN}</p></body></html>") == SHOWN


@pytest.mark.parametrize(
    "style",
    ["color:#222", "font-size:11pt", "background:white;color:black", "opacity:1", "margin-left:40px", "x:y", ""],
)
def test_visible_text_stays(style: str) -> None:
    assert html_to_text(f'<p style="{style}">{VERDICT}</p>') == VERDICT


def test_text_that_becomes_visible_again_stays() -> None:
    assert (
        html_to_text(f'<table style="font-size:0"><tr><td style="font-size:14px">{VERDICT}</td></tr></table>')
        == VERDICT
    )
    assert html_to_text(f'<div style="background:#000"><p style="color:#fff">{VERDICT}</p></div>') == VERDICT


def test_blocks_are_lines_and_paragraphs_have_space_between() -> None:
    html = "<div>One<br>two</div><div>three</div><p>Four\n  five</p><p>six</p><ul><li>a</li><li>b</li></ul>end"
    assert html_to_text(html) == "One\ntwo\nthree\n\nFour five\n\nsix\n\n- a\n- b\n\nend"


def test_preformatted_text_keeps_its_lines_and_spaces() -> None:
    assert html_to_text("<pre>a\n  b\n\nc</pre>") == "a\n  b\n\nc"
    assert html_to_text("<div style='white-space:pre-wrap'>a\n b</div>") == "a\n b"


def test_a_verdict_inside_a_sentence_stays_inside() -> None:
    assert html_to_text("<p>Should I <b>APPROVE K7P2Q</b> now?</p>") == "Should I APPROVE K7P2Q now?"


def test_addresses_of_links_are_shown_once() -> None:
    html = (
        '<a href="https://a.test/x">this</a> <a href="https://a.test/x">https://a.test/x</a> <a href="mailto:a@b">b</a>'
    )
    assert html_to_text(html) == "this <https://a.test/x> https://a.test/x b"


def test_block_quotes_are_marked_and_mail_programs_quotes_are_found() -> None:
    html = "<p>new</p><blockquote>old<blockquote>older</blockquote></blockquote><p>below</p>"
    assert html_to_text(html).replace("\n\n", "\n").split("\n") == ["new", "> old", "> ", "> > older", "below"]
    starts = [line.text for line in read_html('<p>new</p><div class="gmail_quote">On …</div>') if line.is_quote_start]
    assert starts == ["On …"]


@given(
    st.text()
    | st.lists(
        st.sampled_from([*"<>\"'=/ a&#;-!", "<p>", "</p>", "<style>", "<!--", "</", "{", "}", "\0", "\ud800"])
    ).map("".join)
)
def test_any_html_gives_text(html: str) -> None:
    assert all("\n" not in line.text for line in read_html(html))
    split_reply("", html)
