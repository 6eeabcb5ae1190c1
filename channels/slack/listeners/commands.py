"""Listener for `/handrail help|status|approvals|whoami|cancel`, with an immediate ephemeral reply.

Source: docs.slack.dev/interactivity/handling-user-interaction.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from agents.core.errors import InvalidInput, Permanent
from agents.core.state import ThreadState
from agents.core.values import Address
from agents.core.visible_text import escape_hidden_characters
from channels.base import Runtime
from channels.inbound import Arrival, InboundControl
from channels.slack.app_home import (
    MAX_LOADED_ROWS,
    OverviewQuery,
    SlackOverview,
    describe_user,
    request_blocks,
    thread_blocks,
)
from channels.slack.blocks import Block, escape_hidden_except_whitespace, escape_mrkdwn, section, truncate
from channels.slack.cards import MAX_TEXT_LENGTH
from channels.slack.inbound_events import CHANNEL, BotIdentity, SlashCommand, create_sender
from channels.slack.interactions import parse_slash_command

EphemeralReply = dict[str, Any]

SUBCOMMANDS = {
    "status": "show your threads and their status",
    "approvals": "show the approvals and questions that wait for you",
    "whoami": "show who you are in Handrail, and your roles",
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


FINAL_STATUSES = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class CommandListener:
    """Runs the subcommands of `/handrail`."""

    overviews: OverviewQuery

    def register(self, app: AsyncApp) -> None:
        """Register for every command: the app's manifest has only one, whose name an administrator can change."""
        app.command(re.compile(".*"))(self.on_command)

    async def on_command(self, ack: AsyncAck, body: dict[str, Any], bot: BotIdentity, runtime: Runtime) -> None:
        await ack(await self.run_command(parse_slash_command(body), bot, runtime))

    async def run_command(self, command: SlashCommand, bot: BotIdentity, runtime: Runtime) -> EphemeralReply:
        """Run a subcommand and return the reply. Raises Retryable."""
        subcommand, _, rest = command.text.partition(" ")
        match subcommand.lower():
            case "" | "help":
                return help_reply(runtime.receiver.help_texts().help_text)
            case "status":
                return status_reply(await self.overviews.load(command.by, bot, runtime.receiver))
            case "approvals":
                return approvals_reply(await self.overviews.load(command.by, bot, runtime.receiver))
            case "whoami":
                return whoami_reply(await self.overviews.load(command.by, bot, runtime.receiver))
            case "cancel":
                return await _cancel(command, rest.strip(), bot, runtime)
            case _:
                return unknown_subcommand_reply(subcommand)


async def _cancel(command: SlashCommand, requested_id: str, bot: BotIdentity, runtime: Runtime) -> EphemeralReply:
    """Cancel the thread with this id, or the user's only active one: Slack does not report a command's thread."""
    sender, source = create_sender(command.by, bot), Address(f"slack:{command.channel}")
    try:
        thread_id = requested_id or _only_active_thread(
            [thread.state for thread in (await runtime.receiver.overview(sender, MAX_LOADED_ROWS)).threads]
        )
    except Permanent as error:
        return rejection_reply(str(error))
    arrival = Arrival(CHANNEL, command.dedup_keys, sender, source, runtime.now())
    result = await runtime.receiver.control(InboundControl(arrival, "cancel", thread_id=thread_id))
    return cancelled_reply(thread_id) if result.refusal is None else rejection_reply(str(result.refusal.error))


def _only_active_thread(threads: Sequence[ThreadState]) -> str:
    """Return the id of the only active thread. Raises InvalidInput if there is none or more than one."""
    active = [state.thread_id for state in threads if state.status not in FINAL_STATUSES]
    if len(active) == 1:
        return active[0]
    if not active:
        raise InvalidInput("you have no active thread")
    commands = ", ".join(f"/handrail cancel {thread_id}" for thread_id in active)
    raise InvalidInput(f"you have several active threads; choose one: {commands}")
