"""Listeners for messages, edits and deletions."""

from dataclasses import dataclass
from typing import Any

from slack_bolt.app.async_app import AsyncApp

from channels.base import Runtime
from channels.inbound import InboundEdit, InboundMessage
from channels.slack.arrivals import conversation_key, create_arrival
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.ephemeral import EphemeralMessages
from channels.slack.events_api import USER_SUBTYPES, parse_message, parse_message_changed, parse_message_deleted
from channels.slack.inbound_events import (
    BotIdentity,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    ThreadRef,
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
