"""Message of the bot from the view of a test, with its controls."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta

from tests.fakes.slack.actor import Actor, InteractionFailed
from tests.fakes.slack.bot_request import BotResponse
from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.workspace import Workspace

_RETRY_INTERVAL = timedelta(seconds=0.05)


@dataclass(frozen=True)
class ShownMessage:
    """Message of the bot. `controls` are those that it had when the test first saw it, which may be removed by now."""

    workspace: Workspace
    message: Message
    controls: list[Json]

    @classmethod
    def from_message(cls, workspace: Workspace, message: Message) -> "ShownMessage":
        """Return the message with its current controls, and mark it as seen."""
        message.is_seen = True
        return cls(workspace, message, deepcopy(message.controls))

    @property
    def text(self) -> str:
        """Current visible text."""
        return self.message.visible_text

    async def click(self, label: str, *, actor: Actor) -> BotResponse:
        """Click the button with this label or action id; return the response. Raises InteractionFailed."""
        return await self._send_action(self._button_action(label), actor)

    async def click_until_accepted(self, label: str, *, actor: Actor) -> BotResponse:
        """Click until the bot accepts the click, as a person does after Slack's warning. Needs a running clock."""
        clock = self.workspace.clock
        async with asyncio.timeout(self.workspace.condition.timeout_seconds):
            while True:
                with suppress(InteractionFailed):
                    return await self.click(label, actor=actor)
                await clock.sleep(clock.now() + _RETRY_INTERVAL, asyncio.Event())

    async def choose_option(self, label: str, *, actor: Actor) -> BotResponse:
        """Choose the option with this label from a menu; return the response. Raises InteractionFailed."""
        return await self._send_action(self._select_action(label), actor)

    async def wait_until_closed(self, text: str = "") -> str:
        """Wait until the message has no controls and contains the text; return its visible text."""
        return await self._wait_until(
            lambda: not self.message.controls and text in self.text, "closed with " + repr(text)
        )

    async def wait_for_text(self, text: str) -> str:
        """Wait until the message contains the text; return its visible text."""
        return await self._wait_until(lambda: text in self.text, repr(text))

    async def wait_until_streamed(self, text: str = "") -> str:
        """Wait until streaming has ended and the message contains the text; return its visible text."""
        return await self._wait_until(
            lambda: not self.message.is_streaming and text in self.text, "completely streamed with " + repr(text)
        )

    async def wait_until_deleted(self) -> None:
        """Wait until the bot has deleted the message."""
        await self._wait_until(lambda: self.message.is_deleted, "deleted")

    async def _wait_until(self, condition: Callable[[], bool], description: str) -> str:
        await self.workspace.condition.wait_until(
            lambda: condition() or None,
            lambda: f"this message was never {description}: {self.text} {self.message.controls or ''}",
        )
        return self.text

    async def _send_action(self, action: Json, actor: Actor) -> BotResponse:
        payload = {**actor.interaction_payload("block_actions"), **self._location(), "state": {"values": {}}}
        payload["actions"] = [{**action, "action_ts": self.workspace.new_ts()}]
        payload["response_url"] = actor.response_urls.new(actor.id, self.message.channel, self.message)
        return await actor.send_interaction("interactive", payload)

    def _button_action(self, label: str) -> Json:
        buttons = [control for control in self.controls if control["type"] == "button"]
        for button in buttons:
            if label in (button["text"]["text"], button["action_id"]):
                names = ("type", "action_id", "block_id", "text", "value", "style")
                return {name: button[name] for name in names if name in button}
        raise AssertionError(f"there is no button {label!r}, only {[b['text']['text'] for b in buttons]}")

    def _select_action(self, label: str) -> Json:
        for control in self.controls:
            for option in control.get("options", []):
                if option["text"]["text"] == label:
                    fields = {name: control[name] for name in ("type", "action_id", "block_id")}
                    return {**fields, "selected_option": option}
        raise AssertionError(f"no menu has the option {label!r}")

    def _location(self) -> Json:
        message, channel = self.message, self.workspace.channels[self.message.channel]
        is_ephemeral = message.ephemeral_to is not None
        thread = {"thread_ts": message.thread_ts} if message.thread_ts else {}
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": is_ephemeral,
        }
        content = {} if is_ephemeral else {"message": message.to_payload()}
        return {"container": {**container, **thread}, "channel": {"id": channel.id, "name": channel.name}, **content}
