"""What only one person sees: private notes and modals. Neither is kept, so neither is tried again."""

from dataclasses import dataclass
from typing import Any

from agents.addresses import Address
from channels.slack.cards import LONGEST_TEXT
from channels.slack.client import SlackClient
from channels.slack.escaping import escaped
from channels.slack.facts import Place


@dataclass(frozen=True)
class Notes:
    """Told by the app."""

    client: SlackClient

    async def tell(self, place: Place, to: Address, text: str, *, about: str | None = None) -> None:
        """A note at a place, for one person; `about` is the ts of the message it follows.

        About a root it stands beside it: in a thread nobody has begun it would be shown to nobody
        (docs.slack.dev/reference/methods/chat.postEphemeral). Raises what SlackClient raises.
        """
        user, words = to.rest.rpartition("/")[2], escaped(text, LONGEST_TEXT)
        thread = {} if about == place.root else {"thread_ts": place.root}
        await self.client.call("chat.postEphemeral", channel=place.channel, user=user, text=words, **thread)

    async def open_modal(self, trigger_id: str, view: dict[str, Any]) -> None:
        """Slack takes it within three seconds of what triggered it. Raises what SlackClient raises."""
        await self.client.call("views.open", trigger_id=trigger_id, view=view)
