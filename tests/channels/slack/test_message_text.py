from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.slack.message_text import extract_text, mrkdwn_to_text


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
    assert mrkdwn_to_text(written) == read


def test_blocks_are_read_before_the_text() -> None:
    parts = {"type": "rich_text_section", "elements": [said("<@U9> & "), {"type": "user", "user_id": "U1"}]}
    assert extract_text(rich(parts)) == "<@U9> & @U1"


def mention(user: str = "U0BOT") -> dict[str, Any]:
    return {"type": "user", "user_id": user}


@pytest.mark.parametrize(
    ("written", "read"),
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
def test_the_own_name_of_the_bot_is_left_out_anywhere(written: str, read: str) -> None:
    assert extract_text({"text": written}, "U0BOT") == read


def test_the_own_name_is_left_out_of_rich_text() -> None:
    parts = {"type": "rich_text_section", "elements": [said("hey "), mention(), said(" list tags "), mention("U0BOB")]}
    assert extract_text(rich(parts), "U0BOT") == "hey list tags @U0BOB"


@pytest.mark.parametrize(
    ("url", "label", "read"),
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
def test_a_link_that_slack_made_reads_as_it_was_typed(url: str, label: str, read: str) -> None:
    assert extract_text({"text": f"ping <{url}|{label}> now"}) == f"ping {read} now"
    link = {"type": "link", "url": url, "text": label}
    assert extract_text(rich({"type": "rich_text_section", "elements": [said("ping "), link]})) == f"ping {read}"


@pytest.mark.parametrize("text", ["⚠️ careful", "\u0645\u06cc\u200c\u062e\u0648", "👩\u200d💻", "❤️\u200d🔥"])
def test_joiners_and_variation_selectors_are_read_as_they_are(text: str) -> None:
    assert extract_text({"text": text}) == text
    assert extract_text(rich({"type": "rich_text_section", "elements": [said(text)]})) == text


def test_lists_code_and_quotes_keep_their_form() -> None:
    item = {"type": "rich_text_section", "elements": [said("one")]}
    numbered = {"type": "rich_text_list", "style": "ordered", "indent": 1, "elements": [item, item]}
    code = {"type": "rich_text_preformatted", "elements": [said("x = 1")]}
    quote = {"type": "rich_text_quote", "elements": [said("so\nhe said")]}
    assert extract_text(rich(numbered, code, quote)) == "  1. one\n  2. one\n```\nx = 1\n```\n> so\n> he said".strip()


def test_links_say_where_they_lead() -> None:
    link = {"type": "link", "url": "https://a.example", "text": "bank"}
    bare = {"type": "link", "url": "https://a.example"}
    mark = {"type": "emoji", "name": "tada"}
    parts = {
        "type": "rich_text_section",
        "elements": [link, said(" "), bare, mark, {"type": "broadcast", "range": "here"}],
    }
    assert extract_text(rich(parts)) == "bank (https://a.example) https://a.example:tada:@here"


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
    assert extract_text({"blocks": blocks}) == "A & B\n<1>\nf\nc\n**m**"


def test_without_readable_blocks_the_text_is_read() -> None:
    assert extract_text({"blocks": [{"type": "unheard_of"}], "text": "a &amp; b"}) == "a & b"


def test_rich_text_without_an_end_is_read_as_far_as_anybody_would() -> None:
    inner: dict[str, Any] = {"type": "rich_text_section", "elements": [said("deep")]}
    for _ in range(500):
        inner = {"type": "rich_text_list", "elements": [inner]}
    assert "deep" not in extract_text(rich(inner))


def test_a_nul_is_no_character_anybody_typed() -> None:
    assert extract_text({"text": "a\x00b"}) == "a\ufffdb"


@given(st.lists(st.sampled_from(["<@U0BOT>", "<@U0BOT|x>", " ", "a", ":", ",", "\n", "!", "<@U1>"]), max_size=12))
def test_wherever_the_own_name_stands_the_words_are_kept(parts: list[str]) -> None:
    read = extract_text({"text": "".join(parts)}, "U0BOT")
    assert "U0BOT" not in read
    assert read.count("a") == parts.count("a")
    assert read.count("@U1") == parts.count("<@U1>")


@given(st.text())
def test_escaped_text_reads_as_what_was_meant(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert mrkdwn_to_text(escaped) == text.replace("\x00", "\ufffd")
