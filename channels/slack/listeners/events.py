"""Listeners for messages, edits and deletions, for the stop button, and for the opening of the app's tabs."""

from dataclasses import dataclass
from typing import Any

from slack_bolt.app.async_app import AsyncApp

from channels.base import Runtime
from channels.inbound import InboundControl, InboundEdit, InboundMessage
from channels.slack.app_home import OverviewQuery, render_app_home, suggested_prompts
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.client import SlackClient
from channels.slack.ephemeral import EphemeralMessages
from channels.slack.events_api import (
    USER_SUBTYPES,
    parse_app_home_opened,
    parse_message,
    parse_message_changed,
    parse_message_deleted,
    parse_session_stopped,
)
from channels.slack.inbound_events import (
    AppHomeOpened,
    BotIdentity,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    SessionStopped,
    ThreadRef,
    conversation_key,
    create_arrival,
)


@dataclass(frozen=True)
class MessageListeners:
    """Reports messages to the receiver. It sends refusals to their authors as ephemeral messages."""

    ephemeral: EphemeralMessages
    background_tasks: BackgroundTasks

    def register(self, app: AsyncApp) -> None:
        """Register the listeners. Slack sends a mention as two events, which share their deduplication keys."""
        app.event("app_mention")(self.on_message)
        app.event({"type": "message", "subtype": USER_SUBTYPES})(self.on_message)
        app.event({"type": "message", "subtype": "message_changed"})(self.on_message_changed)
        app.event({"type": "message", "subtype": "message_deleted"})(self.on_message_deleted)

    async def on_message(self, body: dict[str, Any], bot: BotIdentity, runtime: Runtime) -> None:
        if (message := parse_message(body, bot)) is not None:
            await self.post_message(message, bot, runtime)

    async def on_message_changed(self, body: dict[str, Any], bot: BotIdentity, runtime: Runtime) -> None:
        if (edit := parse_message_changed(body, bot)) is not None:
            await self.edit_message(edit, bot, runtime)

    async def on_message_deleted(self, body: dict[str, Any], bot: BotIdentity, runtime: Runtime) -> None:
        if (deletion := parse_message_deleted(body, bot)) is not None:
            await self.edit_message(deletion, bot, runtime)

    async def post_message(self, message: MessagePosted, bot: BotIdentity, runtime: Runtime) -> None:
        """Post a message to the thread of its conversation. A mention or a direct message may open a thread."""
        inbound = InboundMessage(
            arrival=create_arrival(message, message.by, message.at, bot),
            text=message.text,
            conversation_keys=(conversation_key(message.thread_ref, bot),),
            may_open=message.kind != "reply",
            is_first=message.ts == message.thread_ref.thread_ts,
            may_name_agent=True,
            ref=_message_ref(message.thread_ref, message.ts),
            quotes=message.quotes,
            file_names=tuple(file.name or file.id for file in message.files),
        )
        posted = await runtime.receiver.post_message(inbound)
        if posted.refusal is not None:
            text = posted.refusal.text
            ephemeral = self.ephemeral.post(message.thread_ref, message.by, text, about_ts=message.ts)
            self.background_tasks.spawn(runtime, ephemeral)

    async def edit_message(self, edit: MessageChanged | MessageDeleted, bot: BotIdentity, runtime: Runtime) -> None:
        """Record an edit or deletion by the author of the message: Slack does not report who deleted a message."""
        if edit.by is None:
            return
        inbound = InboundEdit(
            arrival=create_arrival(edit, edit.by, edit.at, bot),
            ref=_message_ref(edit.thread_ref, edit.ts),
            text=edit.text if isinstance(edit, MessageChanged) else None,
            conversation_keys=(conversation_key(edit.thread_ref, bot),),
            may_name_agent=True,
        )
        await runtime.receiver.edit_message(inbound)


def _message_ref(thread_ref: ThreadRef, ts: str) -> str:
    return f"{thread_ref.channel}:{ts}"


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
