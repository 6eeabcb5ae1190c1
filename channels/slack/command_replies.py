"""What one person alone is told: answers to `/handrail`, and why a click did not count.

As answers to a slash command, or posted to a `response_url` (docs.slack.dev/interactivity/handling-user-interaction).
"""

from typing import Any

from agents.cards import describe_request_outcome
from agents.requests import Request
from agents.visible_text import escape_hidden_characters
from channels.slack.blocks import Block, section
from channels.slack.cards import MAX_TEXT_LENGTH
from channels.slack.escaping import escape_hidden_except_whitespace, escape_mrkdwn, truncate
from channels.slack.overview import Overview
from channels.slack.overview_blocks import request_blocks, thread_blocks
from channels.slack.user_description import describe_user

EphemeralReply = dict[str, Any]

SUBCOMMANDS = {
    "status": "your threads, and what they are doing",
    "approvals": "what waits for your decision",
    "whoami": "who you are to me",
    "cancel": "end a thread of yours; name it if several go on",
    "help": "this list",
}
_MAX_TYPED_LENGTH = 60


def help_reply(agent_help: str = "") -> EphemeralReply:
    """What can be typed, and what the agent understands: `menu` is its own words for that."""
    typed = "\n".join(f"/handrail {name}: {does}" for name, does in SUBCOMMANDS.items())
    ways = "Mention me in a channel, write to me, or use “Ask Handrail” in the menu of a message."
    return _paragraphs_reply(*filter(None, (typed, ways, escape_hidden_except_whitespace(agent_help))))


def unknown_subcommand_reply(typed: str) -> EphemeralReply:
    """For a subcommand there is not."""
    said = truncate(escape_hidden_characters(typed), _MAX_TYPED_LENGTH)
    return _paragraphs_reply(f"I do not know “{said}”. There are: {', '.join(SUBCOMMANDS)}.")


def status_reply(overview: Overview) -> EphemeralReply:
    """Their threads, and how many requests wait for them."""
    told = (
        f"{_format_count(len(overview.pending_requests), 'request')} for you, {len(overview.threads)} of your threads"
    )
    return _ephemeral_reply(told, [section(told), *thread_blocks(overview.threads)])


def approvals_reply(overview: Overview) -> EphemeralReply:
    """What waits for them."""
    told = f"{_format_count(len(overview.pending_requests), 'request')} for you"
    return _ephemeral_reply(told, [section(told), *request_blocks(overview.pending_requests)])


def whoami_reply(overview: Overview) -> EphemeralReply:
    """Who they are to us."""
    return _paragraphs_reply(describe_user(overview))


def cancelled_reply(thread_id: str) -> EphemeralReply:
    """That a thread is over."""
    return _paragraphs_reply(f"Thread {truncate(escape_hidden_characters(thread_id), _MAX_TYPED_LENGTH)} is cancelled.")


def rejection_reply(error: str, request: Request | None = None) -> EphemeralReply:
    """Why a click did not count, from the words of the error, and how the request ended if it did."""
    ended = "" if request is None or request.status == "open" else f"It ended so: {describe_request_outcome(request)}."
    return _paragraphs_reply(
        *filter(
            None,
            (f"This did not count: {escape_hidden_except_whitespace(error)}", escape_hidden_except_whitespace(ended)),
        )
    )


def _format_count(number: int, noun: str) -> str:
    return f"{number} open {noun}" + ("" if number == 1 else "s")


def _paragraphs_reply(*paragraphs: str) -> EphemeralReply:
    """Each paragraph was made visible before."""
    return _ephemeral_reply("\n\n".join(paragraphs), [section(paragraph) for paragraph in paragraphs])


def _ephemeral_reply(fallback_text: str, blocks: list[Block]) -> EphemeralReply:
    """Beside the card, never in its place; `told` stands for the blocks where they cannot be drawn."""
    text = escape_mrkdwn(fallback_text, MAX_TEXT_LENGTH)
    return {"response_type": "ephemeral", "replace_original": False, "text": text, "blocks": blocks}
