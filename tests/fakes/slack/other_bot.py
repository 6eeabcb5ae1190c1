"""Another bot, to which ours must not listen unless it is told to."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.fakes.slack import events
from tests.fakes.slack.message import Json, Message
from tests.fakes.slack.workspace import Channel, Workspace


@dataclass(frozen=True)
class OtherBot:
    id: str
    name: str
    workspace: Workspace

    def post_alert(self, attachment: Json, *, channel: str) -> Message:
        """As monitoring does: all its words are in an attachment."""
        return self.post_message("", channel=channel, attachments=[{"id": 1, **attachment}])

    def post_message(
        self, text: str, *, channel: str, thread: Message | None = None, attachments: Sequence[Json] = ()
    ) -> Message:
        """As an old integration does: without a user."""
        self.workspace.channels.setdefault(channel, Channel(channel))
        message = Message(channel, self.workspace.new_ts(), text, thread_ts=thread.root_ts if thread else None)
        message.extra_fields = {"subtype": "bot_message", "bot_id": self.id, "username": self.name}
        message.attachments = list(attachments)
        self.workspace.add_message(message)
        events.announce_message(self.workspace, message)
        return message
