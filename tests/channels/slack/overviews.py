"""What somebody may look up, plain and as hostile as it comes, and what of it Slack may read as more than letters."""

import re
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from agents.addresses import Address
from agents.people import Person
from channels.slack.overview import Conversation, Overview, Waiting
from tests.agents.samples import approval, question

AT = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
BY = Address("slack:T0HOME/U0ALICE")
LINK = "https://home.slack.com/archives/C0OPS/p1763726450000100"
HOSTILE = "<!channel> <@U0BOSS> <https://evil.example|docs> & *so* :boom:\n\u202e!"

hostile = st.text() | st.sampled_from([HOSTILE, HOSTILE * 200, " ", ""])
links = st.sampled_from([None, LINK, LINK + "x" * 3000, "javascript:alert(1)", HOSTILE])
channels = st.sampled_from([None, "C0OPS", "D0ALICE", HOSTILE])
asked = st.builds(question, question=hostile) | st.builds(
    approval, arguments=st.dictionaries(hostile, hostile, max_size=3)
)
overviews = st.builds(
    Overview,
    by=st.just(BY),
    person=st.none() | st.builds(Person, key=st.just("alice"), name=hostile, roles=st.tuples(hostile)),
    waiting=st.lists(st.builds(Waiting, asked, channels, links), max_size=30).map(tuple),
    conversations=st.lists(
        st.builds(Conversation, hostile, st.sampled_from(["running", "done"]), hostile, st.just(AT), links), max_size=30
    ).map(tuple),
)

_OURS = re.compile(
    r"(open until |last change )<!date\^\d+\^\{date_short_pretty\} \{time\}\|\d{4}-\d\d-\d\d \d\d:\d\d UTC>"
    r"|look in the thread, in <#C0OPS>"
)


def texts(blocks: Any) -> list[dict[str, Any]]:
    """Every text object, in order."""
    if isinstance(blocks, dict):
        own = [blocks] if blocks.get("type") in ("plain_text", "mrkdwn", "markdown") else []
        return own + [text for value in blocks.values() for text in texts(value)]
    return [text for value in blocks for text in texts(value)] if isinstance(blocks, list) else []


def words(blocks: Any) -> list[str]:
    return [text["text"] for text in texts(blocks)]


def is_inert(blocks: Any) -> bool:
    """Whether Slack reads nothing of what others wrote: only our own dates and channels."""
    return all(
        text == {"type": "mrkdwn", "text": text["text"], "verbatim": True} and _OURS.fullmatch(text["text"])
        if text["type"] != "plain_text"
        else not text["emoji"]
        for text in texts(blocks)
    )
