"""Tests of the plain text that is extracted from Slack messages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.slack.message_text import extract_text, mrkdwn_to_text


def rich_text(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"blocks": [{"type": "rich_text", "elements": list(parts)}], "text": "not this"}


def text_element(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("message", "expected"),
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
def test_mrkdwn_is_decoded(message: str, expected: str) -> None:
    assert mrkdwn_to_text(message) == expected


def test_blocks_take_precedence_over_text() -> None:
    parts = {"type": "rich_text_section", "elements": [text_element("<@U9> & "), {"type": "user", "user_id": "U1"}]}
    assert extract_text(rich_text(parts)) == "<@U9> & @U1"


def mention(user: str = "U0BOT") -> dict[str, Any]:
    return {"type": "user", "user_id": user}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("list tags <@U0BOT>", "list tags"),
        ("hey <@U0BOT> list tags", "hey list tags"),
        ("<@U0BOT|handrail> list tags", "list tags"),
        ("hey <@U0BOT|handrail>, list tags", "hey list tags"),
        ("<@U0BOT>: list tags", "list tags"),
        ("<@U0BOT> :tada: list tags", ":tada: list tags"),
        ("list tags, <@U0BOT>!", "list tags!"),
        ("<@U0BOT> <@U0BOT> list <@U0BOT> tags <@U0BOT>", "list tags"),
        ("one <@U0BOT>\n<@U0BOT> two", "one\ntwo"),
        ("ask <@U0BOB|bob> or <@U0BOTTOM>", "ask @bob or @U0BOTTOM"),
        ("list `@U0BOT`", "list `@U0BOT`"),
        ("<@U0BOT>", ""),
    ],
)
def test_mentions_of_the_bot_are_removed(message: str, expected: str) -> None:
    assert extract_text({"text": message}, "U0BOT") == expected


def test_mentions_of_the_bot_are_removed_from_rich_text() -> None:
    parts = {
        "type": "rich_text_section",
        "elements": [text_element("hey "), mention(), text_element(" list tags "), mention("U0BOB")],
    }
    assert extract_text(rich_text(parts), "U0BOT") == "hey list tags @U0BOB"


@pytest.mark.parametrize(
    ("url", "label", "expected"),
    [
        ("http://api.example.com", "api.example.com", "api.example.com"),
        ("https://api.example.com/", "https://api.example.com", "https://api.example.com"),
        ("http://API.example.com/v1", "API.example.com/v1", "API.example.com/v1"),
        ("http://deploy.sh", "deploy.sh", "deploy.sh"),
        ("http://10.0.0.7", "10.0.0.7", "10.0.0.7"),
        ("tel:+15551234567", "+1 (555) 123-4567", "+1 (555) 123-4567"),
        ("tel:5551234", "5551234", "5551234"),
        ("mailto:bob@example.com", "bob@example.com", "bob@example.com"),
        ("https://evil.example", "api.example.com", "api.example.com (https://evil.example)"),
        ("https://api.example.com/evil", "api.example.com", "api.example.com (https://api.example.com/evil)"),
        ("tel:+15551234567", "call me", "call me (tel:+15551234567)"),
    ],
)
def test_autolinked_text_reads_as_typed(url: str, label: str, expected: str) -> None:
    assert extract_text({"text": f"ping <{url}|{label}> now"}) == f"ping {expected} now"
    link = {"type": "link", "url": url, "text": label}
    assert (
        extract_text(rich_text({"type": "rich_text_section", "elements": [text_element("ping "), link]}))
        == f"ping {expected}"
    )


@pytest.mark.parametrize("text", ["⚠️ careful", "\u0645\u06cc\u200c\u062e\u0648", "👩\u200d💻", "❤️\u200d🔥"])
def test_joiners_and_variation_selectors_are_kept(text: str) -> None:
    assert extract_text({"text": text}) == text
    assert extract_text(rich_text({"type": "rich_text_section", "elements": [text_element(text)]})) == text


def test_lists_code_and_quotes_keep_their_markup() -> None:
    item = {"type": "rich_text_section", "elements": [text_element("one")]}
    numbered = {"type": "rich_text_list", "style": "ordered", "indent": 1, "elements": [item, item]}
    code = {"type": "rich_text_preformatted", "elements": [text_element("x = 1")]}
    quote = {"type": "rich_text_quote", "elements": [text_element("so\nhe said")]}
    assert (
        extract_text(rich_text(numbered, code, quote)) == "  1. one\n  2. one\n```\nx = 1\n```\n> so\n> he said".strip()
    )


def test_links_show_their_url() -> None:
    link = {"type": "link", "url": "https://a.example", "text": "bank"}
    bare = {"type": "link", "url": "https://a.example"}
    mark = {"type": "emoji", "name": "tada"}
    parts = {
        "type": "rich_text_section",
        "elements": [link, text_element(" "), bare, mark, {"type": "broadcast", "range": "here"}],
    }
    assert extract_text(rich_text(parts)) == "bank (https://a.example) https://a.example:tada:@here"


def test_text_of_app_blocks_is_extracted() -> None:
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
    assert extract_text({"blocks": blocks}) == "A & B\n<1>\nf\nc\n**m**"


def test_text_is_used_without_known_blocks() -> None:
    assert extract_text({"blocks": [{"type": "unknown"}], "text": "a &amp; b"}) == "a & b"


def test_nesting_of_rich_text_is_limited() -> None:
    inner: dict[str, Any] = {"type": "rich_text_section", "elements": [text_element("deep")]}
    for _ in range(500):
        inner = {"type": "rich_text_list", "elements": [inner]}
    assert "deep" not in extract_text(rich_text(inner))


def test_nul_is_replaced() -> None:
    assert extract_text({"text": "a\x00b"}) == "a\ufffdb"


@given(st.lists(st.sampled_from(["<@U0BOT>", "<@U0BOT|x>", " ", "a", ":", ",", "\n", "!", "<@U1>"]), max_size=12))
def test_removing_mentions_keeps_other_text(parts: list[str]) -> None:
    text = extract_text({"text": "".join(parts)}, "U0BOT")
    assert "U0BOT" not in text
    assert text.count("a") == parts.count("a")
    assert text.count("@U1") == parts.count("<@U1>")


@given(st.text())
def test_escaped_text_round_trips(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert mrkdwn_to_text(escaped) == text.replace("\x00", "\ufffd")
