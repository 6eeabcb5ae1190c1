"""Listener for the message shortcut, which posts any message of a channel to a thread."""

from dataclasses import dataclass
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from channels.base import Runtime
from channels.inbound import InboundMessage
from channels.slack.action_ids import SHORTCUT_ID
from channels.slack.background_tasks import BackgroundTasks
from channels.slack.ephemeral import EphemeralMessages
from channels.slack.inbound_events import BotIdentity, MessageShortcut, conversation_key, create_arrival
from channels.slack.interactions import parse_message_shortcut

EMPTY_MESSAGE_TEXT = "(a message without text)"


@dataclass(frozen=True)
class ShortcutListener:
    """Reports the message of a shortcut to the receiver. It sends a refusal to the user as an ephemeral message."""

    ephemeral: EphemeralMessages
    background_tasks: BackgroundTasks

    def register(self, app: AsyncApp) -> None:
        app.message_shortcut(SHORTCUT_ID)(self.on_shortcut)

    async def on_shortcut(self, ack: AsyncAck, body: dict[str, Any], bot: BotIdentity, runtime: Runtime) -> None:
        await self.post_shortcut(parse_message_shortcut(body), bot, runtime)
        await ack()

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
        posted = await runtime.receiver.post_message(inbound)
        thread_ref = shortcut.thread_ref
        if posted.refusal is not None:
            text = posted.refusal.text
            ephemeral = self.ephemeral.post(thread_ref, shortcut.by, text, about_ts=shortcut.ts)
            self.background_tasks.spawn(runtime, ephemeral)
        if posted.outcome != "ignored" and shortcut.response_url is not None:
            self.background_tasks.spawn(runtime, self.ephemeral.ask_for_invite(thread_ref, shortcut.response_url))
