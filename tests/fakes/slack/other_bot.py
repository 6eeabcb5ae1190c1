"""Bot of another app, whose messages Handrail must ignore."""

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
        """Post a message whose text is in an attachment, as monitoring tools do."""
        return self.post_message("", channel=channel, attachments=[{"id": 1, **attachment}])

    def post_message(
        self, text: str, *, channel: str, thread: Message | None = None, attachments: Sequence[Json] = ()
    ) -> Message:
        """Post a message without a user, as legacy integrations do."""
        self.workspace.channels.setdefault(channel, Channel(channel))
        message = Message(channel, self.workspace.new_ts(), text, thread_ts=thread.root_ts if thread else None)
        message.extra_fields = {"subtype": "bot_message", "bot_id": self.id, "username": self.name}
        message.attachments = list(attachments)
        self.workspace.add_message(message)
        events.announce_message(self.workspace, message)
        return message
