"""Handler for `/handrail help|status|approvals|whoami|cancel`, with an immediate ephemeral reply."""

from dataclasses import dataclass

from agents.core.errors import InvalidInput, Permanent
from agents.core.state import ThreadState
from agents.llm.offline.model import help_text
from bot.services.roster import Roster
from bot.slack.cancellation import ThreadCanceller
from bot.slack.message_handlers import CHANNEL
from bot.slack.overview_query import OverviewQuery
from bot.slack.users import resolve_user
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
from storage.inbox import IdempotencyClaim

FINAL_STATUSES = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class SlashCommands:
    """Handles the subcommands of `/handrail`."""

    overviews: OverviewQuery
    canceller: ThreadCanceller
    roster: Roster

    async def handle(self, command: SlashCommand, bot: BotIdentity) -> EphemeralReply:
        """Run a subcommand and return the reply. Raises Retryable."""
        subcommand, _, rest = command.text.partition(" ")
        match subcommand.lower():
            case "" | "help":
                return help_reply(help_text(self.roster.get_agent(None)))
            case "status":
                return status_reply(await self.overviews.load_overview(command.by, bot))
            case "approvals":
                return approvals_reply(await self.overviews.load_overview(command.by, bot))
            case "whoami":
                return whoami_reply(await self.overviews.load_overview(command.by, bot))
            case "cancel":
                return await self._cancel(command, rest.strip(), bot)
            case _:
                return unknown_subcommand_reply(subcommand)

    async def _cancel(self, command: SlashCommand, requested_id: str, bot: BotIdentity) -> EphemeralReply:
        """Cancel the thread with this id, or the user's only active one: Slack does not report a command's thread."""
        user = resolve_user(command.by, bot, self.roster.people)
        try:
            thread_id = requested_id or _only_active_thread(await self.overviews.list_threads(user))
            await self.canceller.cancel_by_id(thread_id, user, IdempotencyClaim(CHANNEL, command.dedup_keys))
        except Permanent as error:
            return rejection_reply(str(error))
        return cancelled_reply(thread_id)


def _only_active_thread(threads: list[ThreadState]) -> str:
    """Return the id of the only active thread. Raises InvalidInput if there is none or more than one."""
    active = [state.thread_id for state in threads if state.status not in FINAL_STATUSES]
    if len(active) == 1:
        return active[0]
    if not active:
        raise InvalidInput("you have no active thread")
    commands = ", ".join(f"/handrail cancel {thread_id}" for thread_id in active)
    raise InvalidInput(f"you have several active threads; choose one: {commands}")
