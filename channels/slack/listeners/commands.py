"""Listener for `/handrail help|status|approvals|whoami|cancel`, with an immediate ephemeral reply."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from agents.core.errors import InvalidInput, Permanent
from agents.core.state import ThreadState
from agents.core.values import Address
from channels.base import Runtime
from channels.inbound import Arrival, InboundControl
from channels.slack.arrivals import CHANNEL, create_sender
from channels.slack.command_replies import (
    EphemeralReply,
    approvals_reply,
    cancelled_reply,
    help_reply,
    rejection_reply,
    status_reply,
    unknown_subcommand_reply,
    whoami_reply,
)
from channels.slack.inbound_events import BotIdentity, SlashCommand
from channels.slack.interactions import parse_slash_command
from channels.slack.overview import MAX_ITEMS, OverviewQuery

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
            [thread.state for thread in (await runtime.receiver.overview(sender, MAX_ITEMS)).threads]
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
