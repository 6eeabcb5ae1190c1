"""Listeners for the stop button and for the opening of the app's Home tab or Messages tab."""

from dataclasses import dataclass
from typing import Any

from slack_bolt.app.async_app import AsyncApp

from channels.base import Runtime
from channels.inbound import InboundControl
from channels.slack.app_home import render_app_home, suggested_prompts
from channels.slack.arrivals import conversation_key, create_arrival
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.client import SlackClient
from channels.slack.ephemeral import EphemeralMessages
from channels.slack.events_api import parse_app_home_opened, parse_session_stopped
from channels.slack.inbound_events import AppHomeOpened, BotIdentity, SessionStopped
from channels.slack.overview import OverviewQuery


@dataclass(frozen=True)
class EventListeners:
    """Cancels threads whose stop button is pressed, and updates the tabs of the app."""

    client: SlackClient
    ephemeral: EphemeralMessages
    overviews: OverviewQuery
    background_tasks: BackgroundTasks

    def register(self, app: AsyncApp) -> None:
        app.event("agent_session_stopped")(self.on_session_stopped)
        app.event("app_home_opened")(self.on_app_home_opened)

    async def on_session_stopped(self, body: dict[str, Any], bot: BotIdentity, runtime: Runtime) -> None:
        await self.cancel_session(parse_session_stopped(body), bot, runtime)

    async def on_app_home_opened(self, body: dict[str, Any], bot: BotIdentity, runtime: Runtime) -> None:
        await self.open_home(parse_app_home_opened(body), bot, runtime)

    async def cancel_session(self, event: SessionStopped, bot: BotIdentity, runtime: Runtime) -> None:
        """Cancel the thread of a conversation. A user who may not cancel it gets an ephemeral message."""
        arrival = create_arrival(event, event.by, event.at, bot)
        keys = (conversation_key(event.thread_ref, bot),)
        result = await runtime.receiver.control(InboundControl(arrival, "cancel", conversation_keys=keys))
        if result.refusal is not None:
            self.background_tasks.spawn(runtime, self.ephemeral.post(event.thread_ref, event.by, result.refusal.text))

    async def open_home(self, event: AppHomeOpened, bot: BotIdentity, runtime: Runtime) -> None:
        """Update the opened tab in the background: Slack waits at most three seconds for the acknowledgement."""
        self.background_tasks.spawn(runtime, self._update_tab(event, bot, runtime))

    async def _update_tab(self, event: AppHomeOpened, bot: BotIdentity, runtime: Runtime) -> None:
        """Publish the Home tab, or set the suggested prompts of the Messages tab.

        Raises the errors of SlackClient, and StoreUnavailable.
        """
        if event.tab == "home":
            view = render_app_home(await self.overviews.load(event.by, bot, runtime.receiver, has_links=True))
            await self.client.call("views.publish", user_id=event.by.id.rpartition("/")[2], view=view)
        elif prompts := suggested_prompts(runtime.receiver.help_texts().example_commands):
            await self.client.call(
                "assistant.threads.setSuggestedPrompts", channel_id=event.channel, prompts=list(prompts)
            )
