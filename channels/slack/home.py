"""The App Home: who somebody is here, what waits for them, and their threads (docs.slack.dev/surfaces/app-home)."""

from channels.slack.blocks import Block, header, section
from channels.slack.introduction import introduction
from channels.slack.listing import conversations, requests
from channels.slack.overview import Overview


def home(overview: Overview) -> Block:
    """The view for `views.publish`: well below its 100 blocks."""
    blocks = [
        section(introduction(overview)),
        header("Waiting for you"),
        *requests(overview.waiting),
        header("Your threads"),
        *conversations(overview.conversations),
    ]
    return {"type": "home", "blocks": blocks}
