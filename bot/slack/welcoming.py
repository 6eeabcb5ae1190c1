"""Somebody opened our page, or their conversation with us: they are shown what there is, and what they may say."""

from dataclasses import dataclass

from bot.roster import Roster
from bot.slack.looking import Looking
from channels.slack.client import SlackClient
from channels.slack.facts import Opened, Ourselves
from channels.slack.home import home
from channels.slack.suggestions import suggested_prompts


@dataclass(frozen=True)
class Welcoming:
    """What is drawn here is drawn anew each time somebody looks."""

    client: SlackClient
    looking: Looking
    roster: Roster

    async def opened(self, opened: Opened, us: Ourselves) -> None:
        """Raises what SlackClient raises, and StoreUnavailable."""
        if opened.tab == "home":
            view = home(await self.looking.overview(opened.by, us, linked=True))
            await self.client.call("views.publish", user_id=opened.by.rest.rpartition("/")[2], view=view)
        elif prompts := suggested_prompts(self.roster.agent(None).commands):
            await self.client.call(
                "assistant.threads.setSuggestedPrompts", channel_id=opened.channel, prompts=list(prompts)
            )
