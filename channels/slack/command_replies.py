"""Ephemeral replies to the slash command `/handrail` (docs.slack.dev/interactivity/handling-user-interaction)."""

from typing import Any

from agents.core.visible_text import escape_hidden_characters
from channels.slack.app_home import SlackOverview, describe_user, request_blocks, thread_blocks
from channels.slack.blocks import Block, escape_hidden_except_whitespace, escape_mrkdwn, section, truncate
from channels.slack.cards import MAX_TEXT_LENGTH

EphemeralReply = dict[str, Any]

SUBCOMMANDS = {
    "status": "show your threads and their status",
    "approvals": "show the requests that wait for your decision",
    "whoami": "show your linked person and roles",
    "cancel": "cancel your thread; add its id if you have several",
    "help": "show this list",
}
_MAX_TYPED_LENGTH = 60


def help_reply(agent_help: str = "") -> EphemeralReply:
    """Return a list of the subcommands, followed by the agent's own help."""
    subcommands = "\n".join(f"/handrail {name}: {description}" for name, description in SUBCOMMANDS.items())
    usage = "Mention me in a channel, send me a direct message, or use “Ask Handrail” in the menu of a message."
    return _paragraphs_reply(*filter(None, (subcommands, usage, escape_hidden_except_whitespace(agent_help))))


def unknown_subcommand_reply(typed: str) -> EphemeralReply:
    """Return the reply to an unknown subcommand."""
    shown = truncate(escape_hidden_characters(typed), _MAX_TYPED_LENGTH)
    return _paragraphs_reply(f"Unknown command “{shown}”. Use one of these: {', '.join(SUBCOMMANDS)}.")


def status_reply(overview: SlackOverview) -> EphemeralReply:
    """Return the user's threads and the number of requests that wait for them."""
    requests = _format_count(len(overview.pending_requests), "open request")
    summary = f"{requests} for you, {_format_count(len(overview.threads), 'thread')} of yours"
    return _ephemeral_reply(summary, [section(summary), *thread_blocks(overview.threads)])


def approvals_reply(overview: SlackOverview) -> EphemeralReply:
    """Return the requests that wait for the user."""
    summary = f"{_format_count(len(overview.pending_requests), 'open request')} for you"
    return _ephemeral_reply(summary, [section(summary), *request_blocks(overview.pending_requests)])


def whoami_reply(overview: SlackOverview) -> EphemeralReply:
    """Return the description of the user."""
    return _paragraphs_reply(describe_user(overview))


def cancelled_reply(thread_id: str) -> EphemeralReply:
    """Return the confirmation that a thread was cancelled."""
    return _paragraphs_reply(f"Thread {truncate(escape_hidden_characters(thread_id), _MAX_TYPED_LENGTH)} is cancelled.")


def rejection_reply(error: str) -> EphemeralReply:
    """Return why a command was not carried out."""
    return _paragraphs_reply(escape_hidden_except_whitespace(f"The command was not carried out: {error}"))


def _format_count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _paragraphs_reply(*paragraphs: str) -> EphemeralReply:
    """Return a reply of paragraphs whose hidden characters are already escaped."""
    return _ephemeral_reply("\n\n".join(paragraphs), [section(paragraph) for paragraph in paragraphs])


def _ephemeral_reply(fallback_text: str, blocks: list[Block]) -> EphemeralReply:
    """Return a reply that replaces no other message; clients that cannot show blocks show `fallback_text`."""
    text = escape_mrkdwn(fallback_text, MAX_TEXT_LENGTH)
    return {"response_type": "ephemeral", "replace_original": False, "text": text, "blocks": blocks}
