from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.slack.reading import from_mrkdwn, text_of


def rich(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"blocks": [{"type": "rich_text", "elements": list(parts)}], "text": "not this"}


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("&amp;lt;", "&lt;"),
        ("<@U1>, <@U1|bob>, <#C1|ops>, <#C1>", "@U1, @bob, #ops, #C1"),
        ("<https://a.example/?q=1&amp;r=2>", "https://a.example/?q=1&r=2"),
        ("<https://a.example|docs> <mailto:a@b.example|a@b.example>", "docs (https://a.example) a@b.example"),
        ("<!here> <!subteam^S1|@oncall> <!subteam^S1> <!date^1^{time}|noon>", "@here @oncall @subteam noon"),
        ("1 < 2 <", "1 < 2 <"),
    ],
)
def test_escapes_of_slack_are_undone(written: str, read: str) -> None:
    assert from_mrkdwn(written) == read


def test_blocks_are_read_before_the_text() -> None:
    parts = {"type": "rich_text_section", "elements": [said("<@U9> & "), {"type": "user", "user_id": "U1"}]}
    assert text_of(rich(parts)) == "<@U9> & @U1"


def test_lists_code_and_quotes_keep_their_form() -> None:
    item = {"type": "rich_text_section", "elements": [said("one")]}
    numbered = {"type": "rich_text_list", "style": "ordered", "indent": 1, "elements": [item, item]}
    code = {"type": "rich_text_preformatted", "elements": [said("x = 1")]}
    quote = {"type": "rich_text_quote", "elements": [said("so\nhe said")]}
    assert text_of(rich(numbered, code, quote)) == "  1. one\n  2. one\n```\nx = 1\n```\n> so\n> he said".strip()


def test_links_say_where_they_lead() -> None:
    link = {"type": "link", "url": "https://a.example", "text": "bank"}
    bare = {"type": "link", "url": "https://a.example"}
    mark = {"type": "emoji", "name": "tada"}
    parts = {
        "type": "rich_text_section",
        "elements": [link, said(" "), bare, mark, {"type": "broadcast", "range": "here"}],
    }
    assert text_of(rich(parts)) == "bank (https://a.example) https://a.example:tada:@here"


def test_what_apps_write_in_sections_is_read() -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "A & B"}},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "&lt;1&gt;"},
            "fields": [{"type": "mrkdwn", "text": "f"}],
        },
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "c"}, {"type": "image", "image_url": "x"}]},
        {"type": "markdown", "text": "**m**"},
        {"type": "divider"},
    ]
    assert text_of({"blocks": blocks}) == "A & B\n<1>\nf\nc\n**m**"


def test_without_readable_blocks_the_text_is_read() -> None:
    assert text_of({"blocks": [{"type": "unheard_of"}], "text": "a &amp; b"}) == "a & b"


def test_rich_text_without_an_end_is_read_as_far_as_anybody_would() -> None:
    inner: dict[str, Any] = {"type": "rich_text_section", "elements": [said("deep")]}
    for _ in range(500):
        inner = {"type": "rich_text_list", "elements": [inner]}
    assert "deep" not in text_of(rich(inner))


def test_a_nul_is_no_character_anybody_typed() -> None:
    assert text_of({"text": "a\x00b"}) == "a\ufffdb"


@given(st.text())
def test_escaped_text_reads_as_what_was_meant(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert from_mrkdwn(escaped) == text
