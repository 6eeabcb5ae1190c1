"""Something the bot said, as the story looks at it, with what one can do about it."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.parcel import Answer
from tests.fakes.slack.somebody import Somebody
from tests.fakes.slack.workspace import Workspace


@dataclass(frozen=True)
class Card:
    """`buttons` are those that stood there when it was first looked at: a click may come too late."""

    workspace: Workspace
    message: Message
    buttons: list[Json]

    @classmethod
    def of(cls, workspace: Workspace, message: Message) -> "Card":
        """The message counts as seen from here on."""
        message.seen = True
        return cls(workspace, message, deepcopy(message.buttons))

    @property
    def text(self) -> str:
        """All there is to read now."""
        return self.message.words

    async def click(self, label: str, *, by: Somebody) -> Answer:
        """Press the button with this label or action id; the bot's answer. Raises NotTaken."""
        button = self._button(label)
        payload = {**by.interaction("block_actions"), **self._place(), "state": {"values": {}}}
        payload["actions"] = [{**button, "action_ts": self.workspace.new_ts()}]
        payload["response_url"] = by.urls.new(by.id, self.message.channel, self.message)
        return await by.interacts("interactive", payload)

    async def settled(self, text: str = "") -> str:
        """What it says once it has no buttons any more and contains the text."""
        return await self._once(lambda: not self.message.buttons and text in self.text, "settled with " + repr(text))

    async def becomes(self, text: str) -> str:
        """What it says once it contains the text."""
        return await self._once(lambda: text in self.text, repr(text))

    async def vanishes(self) -> None:
        """Until the bot has taken it away."""
        await self._once(lambda: self.message.gone, "gone")

    async def _once(self, is_so: Callable[[], bool], wanted: str) -> str:
        await self.workspace.bell.until(
            lambda: is_so() or None, lambda: f"this never became {wanted}: {self.text} {self.message.buttons or ''}"
        )
        return self.text

    def _button(self, label: str) -> Json:
        for button in self.buttons:
            if label in (button["text"]["text"], button["action_id"]):
                shown = ("type", "action_id", "block_id", "text", "value", "style")
                return {name: button[name] for name in shown if name in button}
        raise AssertionError(f"there is no button {label!r}, only {[b['text']['text'] for b in self.buttons]}")

    def _place(self) -> Json:
        message, channel = self.message, self.workspace.channels[self.message.channel]
        hidden = message.ephemeral_to is not None
        thread = {"thread_ts": message.thread_ts} if message.thread_ts else {}
        container = {"type": "message", "message_ts": message.ts, "channel_id": channel.id, "is_ephemeral": hidden}
        shown = {} if hidden else {"message": message.shape()}
        return {"container": {**container, **thread}, "channel": {"id": channel.id, "name": channel.name}, **shown}
