"""Hypothesis strategies for overviews with hostile texts, and checks that Slack formats none of them."""

import re
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from agents.core.people import Person
from agents.core.values import Address
from channels.slack.app_home import PendingRequest, SlackOverview, ThreadRow
from tests.agents.factories import approval, question

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
ALICE_ADDRESS = Address("slack:T0HOME/U0ALICE")
LINK = "https://home.slack.com/archives/C0OPS/p1763726450000100"
HOSTILE = "<!channel> <@U0BOSS> <https://evil.example|docs> & *so* :boom:\n\u202e!"

hostile_texts = st.text() | st.sampled_from([HOSTILE, HOSTILE * 200, " ", ""])
links = st.sampled_from([None, LINK, LINK + "x" * 3000, "javascript:alert(1)", HOSTILE])
channels = st.sampled_from([None, "C0OPS", "D0ALICE", HOSTILE])
open_requests = st.builds(question, question=hostile_texts) | st.builds(
    approval, arguments=st.dictionaries(hostile_texts, hostile_texts, max_size=3)
)
overviews = st.builds(
    SlackOverview,
    by=st.just(ALICE_ADDRESS),
    person=st.none() | st.builds(Person, key=st.just("alice"), name=hostile_texts, roles=st.tuples(hostile_texts)),
    pending_requests=st.lists(st.builds(PendingRequest, open_requests, channels, links), max_size=30).map(tuple),
    threads=st.lists(
        st.builds(
            ThreadRow,
            agent=hostile_texts,
            status=st.sampled_from(["running", "done"]),
            title=hostile_texts,
            updated_at=st.just(NOW),
            permalink=links,
        ),
        max_size=30,
    ).map(tuple),
)

_ALLOWED_MRKDWN = re.compile(
    r"(open until |last change )<!date\^\d+\^\{date_short_pretty\} \{time\}\|\d{4}-\d\d-\d\d \d\d:\d\d UTC>"
    r"|see the thread in <#C0OPS>"
)


def text_objects(blocks: Any) -> list[dict[str, Any]]:
    """Return all text objects, in order."""
    if isinstance(blocks, dict):
        own = [blocks] if blocks.get("type") in ("plain_text", "mrkdwn", "markdown") else []
        return own + [text for value in blocks.values() for text in text_objects(value)]
    return [text for value in blocks for text in text_objects(value)] if isinstance(blocks, list) else []


def visible_texts(blocks: Any) -> list[str]:
    return [text["text"] for text in text_objects(blocks)]


def is_inert(blocks: Any) -> bool:
    """Return whether Slack formats nothing but Handrail's own dates and channel links."""
    return all(
        text == {"type": "mrkdwn", "text": text["text"], "verbatim": True} and _ALLOWED_MRKDWN.fullmatch(text["text"])
        if text["type"] != "plain_text"
        else not text["emoji"]
        for text in text_objects(blocks)
    )
