"""`/handrail help|status|approvals|whoami|cancel`, answered at once to whoever typed it."""

from dataclasses import dataclass

from agents.command_model import menu
from agents.errors import Invalid, Permanent
from agents.state import ThreadState
from bot.roster import Roster
from bot.slack.hearing import CHANNEL
from bot.slack.looking import Looking
from bot.slack.stopping import Stopping
from bot.slack.who import somebody
from channels.slack.facts import Commanded, Ourselves
from channels.slack.notices import (
    Notice,
    approvals_notice,
    cancelled_notice,
    help_notice,
    refusal_notice,
    status_notice,
    unknown_notice,
    whoami_notice,
)
from storage.inbox import Claim

ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Commanding:
    """Answers commands."""

    looking: Looking
    stopping: Stopping
    roster: Roster

    async def commanded(self, typed: Commanded, us: Ourselves) -> Notice:
        """What Slack shows in answer. Raises Retryable."""
        word, _, rest = typed.text.partition(" ")
        match word.lower():
            case "" | "help":
                return help_notice(menu(self.roster.agent(None)))
            case "status":
                return status_notice(await self.looking.overview(typed.by, us))
            case "approvals":
                return approvals_notice(await self.looking.overview(typed.by, us))
            case "whoami":
                return whoami_notice(await self.looking.overview(typed.by, us))
            case "cancel":
                return await self._cancelled(typed, rest.strip(), us)
            case _:
                return unknown_notice(word)

    async def _cancelled(self, typed: Commanded, named: str, us: Ourselves) -> Notice:
        """The thread that is named, or the one of theirs that goes on: Slack does not tell where a command is typed."""
        who = somebody(typed.by, us, self.roster.people)
        try:
            thread_id = named or _only(await self.looking.threads(who))
            await self.stopping.stop(thread_id, who, Claim(CHANNEL, typed.keys))
        except Permanent as error:
            return refusal_notice(str(error))
        return cancelled_notice(thread_id)


def _only(threads: list[ThreadState]) -> str:
    """Raises Invalid when it is not clear which one is meant."""
    going = [state.thread_id for state in threads if state.status not in ENDED]
    if len(going) == 1:
        return going[0]
    raise Invalid(
        "say which one: " + ", ".join(f"/handrail cancel {name}" for name in going)
        if going
        else "none of your threads goes on"
    )
