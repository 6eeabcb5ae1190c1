"""Listeners for messages, edits, the message shortcut and the stop button."""

from dataclasses import dataclass

from channels.base import Runtime
from channels.inbound import InboundControl, InboundEdit, InboundMessage
from channels.slack.arrivals import conversation_key, create_arrival
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.ephemeral import EphemeralMessages
from channels.slack.inbound_events import (
    BotIdentity,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    MessageShortcut,
    SessionStopped,
    ThreadRef,
)

EMPTY_MESSAGE_TEXT = "(a message without text)"


@dataclass(frozen=True)
class MessageListeners:
    """Reports messages to the receiver. It sends refusals to their authors as ephemeral messages."""

    ephemeral: EphemeralMessages
    background_tasks: BackgroundTasks

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
        await self._post(message, inbound, runtime)

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

    async def post_shortcut(self, shortcut: MessageShortcut, bot: BotIdentity, runtime: Runtime) -> None:
        """Post the message of a shortcut. Messages of other authors are forwarded by the user of the shortcut."""
        inbound = InboundMessage(
            arrival=create_arrival(shortcut, shortcut.by, shortcut.at, bot),
            text=shortcut.text or ("" if shortcut.quotes else EMPTY_MESSAGE_TEXT),
            conversation_keys=(conversation_key(shortcut.thread_ref, bot),),
            is_first=shortcut.ts == shortcut.thread_ref.thread_ts,
            author=None if shortcut.author == shortcut.by else shortcut.author_name,
            quotes=shortcut.quotes,
        )
        is_processed = await self._post(shortcut, inbound, runtime)
        if is_processed and shortcut.response_url is not None:
            self.background_tasks.spawn(
                runtime, self.ephemeral.ask_for_invite(shortcut.thread_ref, shortcut.response_url)
            )

    async def cancel_session(self, event: SessionStopped, bot: BotIdentity, runtime: Runtime) -> None:
        """Cancel the thread of a conversation. A user who may not cancel it gets an ephemeral message."""
        arrival = create_arrival(event, event.by, event.at, bot)
        keys = (conversation_key(event.thread_ref, bot),)
        result = await runtime.receiver.control(InboundControl(arrival, "cancel", conversation_keys=keys))
        if result.refusal is not None:
            self.background_tasks.spawn(runtime, self.ephemeral.post(event.thread_ref, event.by, result.refusal.text))

    async def _post(self, event: MessagePosted | MessageShortcut, inbound: InboundMessage, runtime: Runtime) -> bool:
        """Post the message and return whether it was processed; send a refusal to its author."""
        posted = await runtime.receiver.post_message(inbound)
        if posted.refusal is not None:
            ephemeral = self.ephemeral.post(event.thread_ref, event.by, posted.refusal.text, about_ts=event.ts)
            self.background_tasks.spawn(runtime, ephemeral)
        return posted.outcome != "ignored"


def _message_ref(thread_ref: ThreadRef, ts: str) -> str:
    return f"{thread_ref.channel}:{ts}"
