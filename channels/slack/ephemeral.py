"""Ephemeral messages and modals, which only one user sees. Handrail does not store them, and sends them only once."""

from dataclasses import dataclass

from agents.core.errors import Permanent
from agents.core.values import Address
from channels.slack.blocks import NO_PARSING, View, escape_hidden_except_whitespace, escape_mrkdwn, truncate
from channels.slack.cards import MAX_TEXT_LENGTH, plain_text_sections
from channels.slack.client import SlackClient
from channels.slack.inbound_events import ThreadRef

NOT_IN_CHANNEL_TEXT = "I cannot reply here because I am not in this channel. Invite me and use the shortcut again."


@dataclass(frozen=True)
class EphemeralMessages:
    """Sends ephemeral messages and opens modals."""

    client: SlackClient

    async def post(
        self, thread_ref: ThreadRef, user_address: Address, text: str, *, about_ts: str | None = None
    ) -> None:
        """Post an ephemeral message in a thread. `about_ts` is the ts of the message that it is about.

        A message about the root message is posted in the channel instead, because Slack shows no ephemeral message in a
        thread without replies (docs.slack.dev/reference/methods/chat.postEphemeral). Raises the errors of SlackClient.
        """
        user = user_address.id.rpartition("/")[2]
        visible_text = truncate(escape_hidden_except_whitespace(text), MAX_TEXT_LENGTH)
        thread = {} if about_ts == thread_ref.thread_ts else {"thread_ts": thread_ref.thread_ts}
        fallback_text, blocks = escape_mrkdwn(visible_text, MAX_TEXT_LENGTH), list(plain_text_sections(visible_text))
        content = {"text": fallback_text, "blocks": blocks, **NO_PARSING}
        await self.client.call("chat.postEphemeral", channel=thread_ref.channel, user=user, **thread, **content)

    async def ask_for_invite(self, thread_ref: ThreadRef, response_url: str) -> None:
        """Ask the user of a shortcut to invite the bot, if the bot cannot read the channel."""
        try:
            await self.client.call(
                "conversations.replies", channel=thread_ref.channel, ts=thread_ref.thread_ts, limit=1
            )
        except Permanent:
            await self.client.post_to_response_url(response_url, NOT_IN_CHANNEL_TEXT)

    async def open_modal(self, trigger_id: str, view: View) -> None:
        """Open a modal for the interaction of `trigger_id`, which expires three seconds after the interaction.

        Raises the errors of SlackClient.
        """
        await self.client.call("views.open", trigger_id=trigger_id, view=view)
