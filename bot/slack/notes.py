"""What only one person sees: private notes and modals. Neither is kept, so neither is tried again."""

from dataclasses import dataclass
from typing import Any

from agents.addresses import Address
from agents.errors import Permanent
from channels.slack.cards import LONGEST_TEXT, sections_of
from channels.slack.client import SlackClient
from channels.slack.escaping import INERT, clipped, escaped, legible
from channels.slack.facts import Place

NOT_THERE = "I am not in this channel, so I cannot answer here. Invite me, and point me to the message again."


@dataclass(frozen=True)
class Notes:
    """Told by the app."""

    client: SlackClient

    async def tell(self, place: Place, to: Address, text: str, *, about: str | None = None) -> None:
        """A note at a place, for one person; `about` is the ts of the message it follows.

        About a root it stands beside it: in a thread nobody has begun it would be shown to nobody
        (docs.slack.dev/reference/methods/chat.postEphemeral). Raises what SlackClient raises.
        """
        user, words = to.rest.rpartition("/")[2], clipped(legible(text), LONGEST_TEXT)
        where = {"channel": place.channel} | ({} if about == place.root else {"thread_ts": place.root})
        shown = {"text": escaped(words, LONGEST_TEXT), "blocks": list(sections_of(words)), **INERT}
        await self.client.call("chat.postEphemeral", user=user, **where, **shown)

    async def invite(self, place: Place, url: str) -> None:
        """Ask whoever pointed us to a message to let us in, if we cannot answer there."""
        try:
            await self.client.call("conversations.replies", channel=place.channel, ts=place.root, limit=1)
        except Permanent:
            await self.client.respond(url, NOT_THERE)

    async def open_modal(self, trigger_id: str, view: dict[str, Any]) -> None:
        """Slack takes it within three seconds of what triggered it. Raises what SlackClient raises."""
        await self.client.call("views.open", trigger_id=trigger_id, view=view)
