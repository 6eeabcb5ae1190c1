"""App Home tab: the user's identity, their pending requests and their threads (docs.slack.dev/surfaces/app-home)."""

from channels.slack.blocks import Block, header, section
from channels.slack.overview import Overview
from channels.slack.overview_blocks import request_blocks, thread_blocks
from channels.slack.user_description import describe_user


def render_app_home(overview: Overview) -> Block:
    """Return the view for `views.publish`, below its limit of 100 blocks."""
    blocks = [
        section(describe_user(overview)),
        header("Waiting for you"),
        *request_blocks(overview.pending_requests),
        header("Your threads"),
        *thread_blocks(overview.threads),
    ]
    return {"type": "home", "blocks": blocks}
