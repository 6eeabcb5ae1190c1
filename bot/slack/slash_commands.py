"""`/handrail help|status|approvals|whoami|cancel`, answered at once to whoever typed it."""

from dataclasses import dataclass

from agents.command_model import help_text
from agents.errors import InvalidInput, Permanent
from agents.state import ThreadState
from bot.roster import Roster
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
    """Answers commands."""

    overviews: OverviewQuery
    canceller: ThreadCanceller
    roster: Roster

    async def handle(self, command: SlashCommand, bot: BotIdentity) -> EphemeralReply:
        """What Slack shows in answer. Raises Retryable."""
        word, _, rest = command.text.partition(" ")
        match word.lower():
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
                return unknown_subcommand_reply(word)

    async def _cancel(self, command: SlashCommand, requested_id: str, bot: BotIdentity) -> EphemeralReply:
        """The thread that is named, or the one of theirs that goes on: Slack does not tell where a command is typed."""
        who = resolve_user(command.by, bot, self.roster.people)
        try:
            thread_id = requested_id or _only_active_thread(await self.overviews.list_threads(who))
            await self.canceller.cancel_by_id(thread_id, who, IdempotencyClaim(CHANNEL, command.dedup_keys))
        except Permanent as error:
            return rejection_reply(str(error))
        return cancelled_reply(thread_id)


def _only_active_thread(threads: list[ThreadState]) -> str:
    """Raises Invalid when it is not clear which one is meant."""
    going = [state.thread_id for state in threads if state.status not in FINAL_STATUSES]
    if len(going) == 1:
        return going[0]
    raise InvalidInput(
        "say which one: " + ", ".join(f"/handrail cancel {name}" for name in going)
        if going
        else "none of your threads goes on"
    )
