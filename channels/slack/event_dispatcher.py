"""Dispatch of parsed Slack events to handlers.

Handlers commit durable effects before Slack's request is acknowledged. Best-effort replies follow in the background.
"""

from dataclasses import dataclass
from typing import Any, assert_never

from channels.base import Runtime
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.identity import BotIdentityCache
from channels.slack.inbound_events import (
    AppHomeOpened,
    BlockAction,
    BotIdentity,
    Ignored,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    MessageShortcut,
    SessionStopped,
    SlackEvent,
    SlashCommand,
    SslCheck,
    UrlVerification,
    ViewSubmission,
)
from channels.slack.listeners.actions import ActionListener
from channels.slack.listeners.commands import CommandListener
from channels.slack.listeners.events import AppHomeListener
from channels.slack.listeners.messages import MessageListeners
from channels.slack.listeners.views import ViewListener

Json = dict[str, Any]


@dataclass(frozen=True)
class SlackEventDispatcher:
    """Dispatches each kind of event to its handler."""

    identity_cache: BotIdentityCache
    messages: MessageListeners
    actions: ActionListener
    views: ViewListener
    commands: CommandListener
    app_home: AppHomeListener
    background_tasks: BackgroundTasks

    async def dispatch(self, event: SlackEvent, bot: BotIdentity, runtime: Runtime) -> Json | None:
        """Handle an event and return the response's body, None for an empty one.

        Raises Retryable; Slack then sends the event again.
        """
        match event:
            case UrlVerification():
                return {"challenge": event.challenge}
            case BlockAction():
                await self.actions.handle_click(event, bot, runtime)
            case ViewSubmission():
                return await self.views.handle_submission(event, bot, runtime)
            case SlashCommand():
                return await self.commands.run_command(event, bot, runtime)
            case AppHomeOpened():
                await self.app_home.open_home(event, bot, runtime)
            case SslCheck() | Ignored():
                pass
            case _:
                await self._dispatch_message_event(event, bot, runtime)
        return None

    async def _dispatch_message_event(
        self,
        event: MessagePosted | MessageChanged | MessageDeleted | MessageShortcut | SessionStopped,
        bot: BotIdentity,
        runtime: Runtime,
    ) -> None:
        match event:
            case MessagePosted():
                await self.messages.post_message(event, bot, runtime)
            case MessageChanged() | MessageDeleted():
                await self.messages.edit_message(event, bot, runtime)
            case MessageShortcut():
                await self.messages.post_shortcut(event, bot, runtime)
            case SessionStopped():
                await self.messages.cancel_session(event, bot, runtime)
            case _:
                assert_never(event)
