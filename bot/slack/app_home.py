"""Handler for the opening of the app's Home tab or Messages tab."""

from dataclasses import dataclass

from bot.services.roster import Roster
from bot.slack.overview_query import OverviewQuery
from channels.slack.app_home import render_app_home, suggested_prompts
from channels.slack.client import SlackClient
from channels.slack.inbound_events import AppHomeOpened, BotIdentity


@dataclass(frozen=True)
class AppHome:
    """Publishes the Home tab when a user opens it, and sets suggested prompts when a user opens the Messages tab."""

    client: SlackClient
    overviews: OverviewQuery
    roster: Roster

    async def handle_opened(self, event: AppHomeOpened, bot: BotIdentity) -> None:
        """Publish the tab or set the prompts. Raises the errors of SlackClient, and StoreUnavailable."""
        if event.tab == "home":
            view = render_app_home(await self.overviews.load_overview(event.by, bot, has_links=True))
            await self.client.call("views.publish", user_id=event.by.id.rpartition("/")[2], view=view)
        elif prompts := suggested_prompts(self.roster.get_agent(None).commands):
            await self.client.call(
                "assistant.threads.setSuggestedPrompts", channel_id=event.channel, prompts=list(prompts)
            )
