"""What only one person sees: private notes and modals. Neither is kept, so neither is tried again."""

from dataclasses import dataclass
from typing import Any

from agents.addresses import Address
from agents.errors import Permanent
from channels.slack.cards import MAX_TEXT_LENGTH, sections_of
from channels.slack.client import SlackClient
from channels.slack.escaping import INERT, escape_hidden_except_whitespace, escape_mrkdwn, truncate
from channels.slack.inbound_events import ThreadRef

NOT_IN_CHANNEL_TEXT = "I am not in this channel, so I cannot answer here. Invite me, and point me to the message again."


@dataclass(frozen=True)
class EphemeralMessages:
    """Told by the app."""

    client: SlackClient

    async def post(
        self, thread_ref: ThreadRef, user_address: Address, text: str, *, about_ts: str | None = None
    ) -> None:
        """A note at a place, for one person; `about` is the ts of the message it follows.

        About a root it stands beside it: in a thread nobody has begun it would be shown to nobody
        (docs.slack.dev/reference/methods/chat.postEphemeral). Raises what SlackClient raises.
        """
        user, words = (
            user_address.id.rpartition("/")[2],
            truncate(escape_hidden_except_whitespace(text), MAX_TEXT_LENGTH),
        )
        where = {"channel": thread_ref.channel} | (
            {} if about_ts == thread_ref.thread_ts else {"thread_ts": thread_ref.thread_ts}
        )
        shown = {"text": escape_mrkdwn(words, MAX_TEXT_LENGTH), "blocks": list(sections_of(words)), **INERT}
        await self.client.call("chat.postEphemeral", user=user, **where, **shown)

    async def ask_for_invite(self, thread_ref: ThreadRef, response_url: str) -> None:
        """Ask whoever pointed us to a message to let us in, if we cannot answer there."""
        try:
            await self.client.call(
                "conversations.replies", channel=thread_ref.channel, ts=thread_ref.thread_ts, limit=1
            )
        except Permanent:
            await self.client.post_to_response_url(response_url, NOT_IN_CHANNEL_TEXT)

    async def open_modal(self, trigger_id: str, view: dict[str, Any]) -> None:
        """Slack takes it within three seconds of what triggered it. Raises what SlackClient raises."""
        await self.client.call("views.open", trigger_id=trigger_id, view=view)
