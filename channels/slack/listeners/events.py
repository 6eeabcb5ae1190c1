"""Listener for the opening of the app's Home tab or Messages tab."""

from dataclasses import dataclass

from channels.base import Runtime
from channels.slack.app_home import render_app_home, suggested_prompts
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.client import SlackClient
from channels.slack.inbound_events import AppHomeOpened, BotIdentity
from channels.slack.overview import OverviewQuery


@dataclass(frozen=True)
class AppHomeListener:
    """Publishes the Home tab when a user opens it, and sets suggested prompts when a user opens the Messages tab."""

    client: SlackClient
    overviews: OverviewQuery
    background_tasks: BackgroundTasks

    async def open_home(self, event: AppHomeOpened, bot: BotIdentity, runtime: Runtime) -> None:
        """Update the opened tab in the background: Slack waits at most three seconds for the acknowledgement."""
        self.background_tasks.spawn(runtime, self._update_tab(event, bot, runtime))

    async def _update_tab(self, event: AppHomeOpened, bot: BotIdentity, runtime: Runtime) -> None:
        """Publish the tab or set the prompts. Raises the errors of SlackClient, and StoreUnavailable."""
        if event.tab == "home":
            view = render_app_home(await self.overviews.load(event.by, bot, runtime.receiver, has_links=True))
            await self.client.call("views.publish", user_id=event.by.id.rpartition("/")[2], view=view)
        elif prompts := suggested_prompts(runtime.receiver.help_texts().example_commands):
            await self.client.call(
                "assistant.threads.setSuggestedPrompts", channel_id=event.channel, prompts=list(prompts)
            )
