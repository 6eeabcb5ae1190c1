"""Another bot, to which ours must not listen unless it is told to."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.fakes.slack import happenings
from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.workspace import Channel, Workspace


@dataclass(frozen=True)
class Robot:
    id: str
    name: str
    workspace: Workspace

    def alerts(self, attachment: Json, *, channel: str) -> Message:
        """As monitoring does: all its words are in an attachment."""
        return self.says("", channel=channel, attachments=[{"id": 1, **attachment}])

    def says(
        self, text: str, *, channel: str, thread: Message | None = None, attachments: Sequence[Json] = ()
    ) -> Message:
        """As an old integration does: without a user."""
        self.workspace.channels.setdefault(channel, Channel(channel))
        message = Message(channel, self.workspace.new_ts(), text, thread_ts=thread.root if thread else None)
        message.more = {"subtype": "bot_message", "bot_id": self.id, "username": self.name}
        message.attachments = list(attachments)
        self.workspace.keep(message)
        happenings.said(self.workspace, message)
        return message
