"""Quotes are extracted from forwarded messages and attachments, separate from the message's own text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.messages import Quote
from channels.slack.message_text import extract_text
from channels.slack.quotes import describe_author, extract_quotes

TABLE = {"type": "table", "rows": [[{"type": "raw_text", "text": "db-7"}]]}


def rich_text(text: str) -> dict[str, Any]:
    elements = [{"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}]
    return {"blocks": [{"type": "rich_text", "elements": elements}]}


def forwarded_payload(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    blocks = [{"team": "T0HOME", "channel": "C0DEV", "ts": "1.1", "message": message} for message in messages]
    return {"is_share": True, "from_url": "https://x", "author_id": "U0EVE", "message_blocks": blocks, **fields}


@pytest.mark.parametrize(
    ("attachment", "text", "author"),
    [
        (forwarded_payload(rich_text("disk <full>"), author_name="Eve"), "disk <full>", "Eve (U0EVE)"),
        (forwarded_payload(text="a &lt;b&gt;", fallback="no"), "a <b>", "U0EVE"),
        (forwarded_payload(author_id=None, fallback="eve: hi"), "eve: hi", "another person"),
        ({"is_msg_unfurl": True, "from_url": "https://x", "text": "hi", "author_subname": "eve"}, "hi", "eve"),
        ({"fallback": "build failed"}, "build failed", "an app"),
        ({"fallback": "no", "title": "Build", "text": "<https://ci|failed>"}, "Build\nfailed (https://ci)", "an app"),
        ({"fallback": "no", **rich_text("in blocks")}, "in blocks", "an app"),
        (
            forwarded_payload(rich_text("hi"), author_name="Eve\n\u202eevil" + "x" * 200),
            "hi",
            r"Eve\n\u202eevil" + "x" * 84 + "…",
        ),
    ],
)
def test_quote_has_text_and_author(attachment: Any, text: str, author: str) -> None:
    assert extract_quotes({"attachments": [attachment]}) == (Quote(text=text, author=author),)


def test_attachment_of_a_forwarded_message_is_a_quote() -> None:
    alert = {"attachments": [{"title": "Disk full"}]}
    assert extract_quotes({"attachments": [forwarded_payload(alert)]}) == (Quote(text="Disk full", author="U0EVE"),)


def test_link_previews_and_tables_are_not_quotes() -> None:
    preview = {"from_url": "https://example.com", "title": "Example", "text": "A page", "fallback": "Example"}
    table = {"fallback": "[no preview available]", "blocks": [TABLE]}
    message = {"text": "look", "attachments": [preview, table]}
    assert extract_quotes(message) == ()
    assert extract_text(message) == "look\ndb-7"


def test_number_and_depth_of_quotes_are_limited() -> None:
    inner: dict[str, Any] = rich_text("deep")
    for _ in range(100):
        inner = {"attachments": [forwarded_payload(inner)]}
    assert len(extract_quotes({"attachments": [forwarded_payload(inner)] * 100})) <= 5


@pytest.mark.parametrize(
    ("message", "author"),
    [({"username": "jenkins"}, "jenkins"), ({"bot_profile": {"name": "CI"}}, "CI"), ({"bot_profile": []}, "an app")],
)
def test_app_is_described_by_its_name(message: Any, author: str) -> None:
    assert describe_author(message) == author


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "message", "attachments", "blocks", "fields", "value"]), inner)
    ),
    max_leaves=8,
)
attachments = st.dictionaries(
    st.sampled_from(["is_share", "text", "fallback", "fields", "blocks", "message_blocks", "attachments", "author_id"]),
    anything | st.just(True),
)


@given(st.lists(attachments, max_size=3) | anything)
def test_any_attachment_is_accepted(attached: Any) -> None:
    assert all(quote.text and quote.author for quote in extract_quotes({"attachments": attached}))
