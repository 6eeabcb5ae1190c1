"""Dispatch of parsed Slack events to handlers.

Handlers commit durable effects before Slack's request is acknowledged. Best-effort replies follow in the background.
"""

from dataclasses import dataclass
from typing import Any, assert_never

from bot.slack.action_handlers import ActionHandlers
from bot.slack.app_home import AppHome
from bot.slack.background_tasks import BackgroundTasks
from bot.slack.message_handlers import MessageHandlers
from bot.slack.slash_commands import SlashCommands
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

Json = dict[str, Any]


@dataclass(frozen=True)
class SlackEventDispatcher:
    """Dispatches each kind of event to its handler."""

    identity_cache: BotIdentityCache
    message_handlers: MessageHandlers
    action_handlers: ActionHandlers
    slash_commands: SlashCommands
    app_home: AppHome
    background_tasks: BackgroundTasks

    async def dispatch(self, event: SlackEvent, bot: BotIdentity) -> Json | None:
        """Handle an event and return the response's body, None for an empty one.

        Raises Retryable; Slack then sends the event again.
        """
        match event:
            case UrlVerification():
                return {"challenge": event.challenge}
            case BlockAction():
                await self.action_handlers.handle_block_action(event, bot)
            case ViewSubmission():
                return await self.action_handlers.handle_view_submission(event, bot)
            case SlashCommand():
                return await self.slash_commands.handle(event, bot)
            case AppHomeOpened():
                self.background_tasks.spawn(self.app_home.handle_opened(event, bot))
            case SslCheck() | Ignored():
                pass
            case _:
                await self._dispatch_message_event(event, bot)
        return None

    async def _dispatch_message_event(
        self,
        event: MessagePosted | MessageChanged | MessageDeleted | MessageShortcut | SessionStopped,
        bot: BotIdentity,
    ) -> None:
        match event:
            case MessagePosted():
                await self.message_handlers.handle_message(event, bot)
            case MessageChanged() | MessageDeleted():
                await self.message_handlers.handle_edit(event, bot)
            case MessageShortcut():
                await self.message_handlers.handle_shortcut(event, bot)
            case SessionStopped():
                await self.message_handlers.handle_session_stopped(event, bot)
            case _:
                assert_never(event)
