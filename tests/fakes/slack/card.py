"""Something the bot said, as the story looks at it, with what one can do about it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta

from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.parcel import Answer
from tests.fakes.slack.somebody import NotTaken, Somebody
from tests.fakes.slack.workspace import Workspace

_A_MOMENT = timedelta(seconds=0.05)


@dataclass(frozen=True)
class Card:
    """`controls` are those that stood there when it was first looked at: a click may come too late."""

    workspace: Workspace
    message: Message
    controls: list[Json]

    @classmethod
    def of(cls, workspace: Workspace, message: Message) -> "Card":
        """The message counts as seen from here on."""
        message.seen = True
        return cls(workspace, message, deepcopy(message.controls))

    @property
    def text(self) -> str:
        """All there is to read now."""
        return self.message.words

    async def click(self, label: str, *, by: Somebody) -> Answer:
        """Press the button with this label or action id; the bot's answer. Raises NotTaken."""
        return await self._act(self._button(label), by)

    async def insist(self, label: str, *, by: Somebody) -> Answer:
        """Press it until the bot takes that, as people do whom Slack has warned. For a clock that runs."""
        clock = self.workspace.clock
        async with asyncio.timeout(self.workspace.bell.patience):
            while True:
                with suppress(NotTaken):
                    return await self.click(label, by=by)
                await clock.sleep(clock.now() + _A_MOMENT, asyncio.Event())

    async def choose(self, label: str, *, by: Somebody) -> Answer:
        """Choose the option with this label from a list; the bot's answer. Raises NotTaken."""
        return await self._act(self._chosen(label), by)

    async def settled(self, text: str = "") -> str:
        """What it says once nothing can be pressed any more and it contains the text."""
        return await self._once(lambda: not self.message.controls and text in self.text, "settled with " + repr(text))

    async def becomes(self, text: str) -> str:
        """What it says once it contains the text."""
        return await self._once(lambda: text in self.text, repr(text))

    async def ends(self, text: str = "") -> str:
        """What it says once all of it was streamed and it contains the text."""
        return await self._once(lambda: not self.message.streaming and text in self.text, "all of " + repr(text))

    async def vanishes(self) -> None:
        """Until the bot has taken it away."""
        await self._once(lambda: self.message.gone, "gone")

    async def _once(self, is_so: Callable[[], bool], wanted: str) -> str:
        await self.workspace.bell.until(
            lambda: is_so() or None, lambda: f"this never became {wanted}: {self.text} {self.message.controls or ''}"
        )
        return self.text

    async def _act(self, action: Json, by: Somebody) -> Answer:
        payload = {**by.interaction("block_actions"), **self._place(), "state": {"values": {}}}
        payload["actions"] = [{**action, "action_ts": self.workspace.new_ts()}]
        payload["response_url"] = by.urls.new(by.id, self.message.channel, self.message)
        return await by.interacts("interactive", payload)

    def _button(self, label: str) -> Json:
        buttons = [control for control in self.controls if control["type"] == "button"]
        for button in buttons:
            if label in (button["text"]["text"], button["action_id"]):
                shown = ("type", "action_id", "block_id", "text", "value", "style")
                return {name: button[name] for name in shown if name in button}
        raise AssertionError(f"there is no button {label!r}, only {[b['text']['text'] for b in buttons]}")

    def _chosen(self, label: str) -> Json:
        for control in self.controls:
            for option in control.get("options", []):
                if option["text"]["text"] == label:
                    shown = {name: control[name] for name in ("type", "action_id", "block_id")}
                    return {**shown, "selected_option": option}
        raise AssertionError(f"no list has the option {label!r}")

    def _place(self) -> Json:
        message, channel = self.message, self.workspace.channels[self.message.channel]
        hidden = message.ephemeral_to is not None
        thread = {"thread_ts": message.thread_ts} if message.thread_ts else {}
        container = {"type": "message", "message_ts": message.ts, "channel_id": channel.id, "is_ephemeral": hidden}
        shown = {} if hidden else {"message": message.shape()}
        return {"container": {**container, **thread}, "channel": {"id": channel.id, "name": channel.name}, **shown}
