"""What people say on Slack reaches the thread of its place; a mention or a direct message opens one there."""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.errors import Refused
from agents.messages import Heard
from bot.conversations import Conversations
from bot.intake import Opening
from bot.roster import Roster
from bot.slack.afterwards import Afterwards
from bot.slack.notes import Notes
from bot.slack.who import Somebody, is_stranger, somebody
from channels.degrade import cut
from channels.slack.facts import File, Ourselves, Place, Said
from storage.inbox import Claim

CHANNEL = "slack"
LONGEST_TEXT = 16_000
"""Characters of a message that are heard, as at our other doors."""


@dataclass(frozen=True)
class Hearing:
    """Says what was said on Slack."""

    conversations: Conversations
    roster: Roster
    notes: Notes
    afterwards: Afterwards

    async def said(self, said: Said, us: Ourselves) -> None:
        """Hear it, once. What is said in threads that are not ours is not heard."""
        who = somebody(said.by, us, self.roster.people)
        places = (name_of(said.place, us),)
        if is_stranger(said.by, us, who):
            return
        if said.how == "reply" and await self.conversations.thread_at(CHANNEL, places) is None:
            return
        try:
            await self.conversations.said(places, self._opening(said, who), Claim(CHANNEL, said.keys))
        except Refused as error:
            self.afterwards.do(self.notes.tell(said.place, said.by, f"{error}."))

    def _opening(self, said: Said, who: Somebody) -> Opening:
        agent, text = addressed(said.text, self.roster.agents)
        origin = said.place.address
        heard = Heard(
            text=cut(_with_files(text, said.files) or "help", LONGEST_TEXT),
            by=who.by,
            source=origin,
            provenance=who.provenance,
            at=said.at,
        )
        return Opening(heard=heard, requester=who.by, origin=origin, agent=agent)


def name_of(place: Place, us: Ourselves) -> str:
    """The place as conversations know it. An app has one home: what tells another team of the same channel is ours."""
    return f"{us.team}:{place.channel}:{place.root}"


def addressed(text: str, agents: Iterable[str]) -> tuple[str | None, str]:
    """The agent somebody calls by its name, as in `oncall: what is burning?`, and what they say to it."""
    name, colon, rest = text.partition(":")
    called = name.strip().lower()
    return (called, rest.strip()) if colon and called in agents else (None, text)


def _with_files(text: str, files: Iterable[File]) -> str:
    """Files are named; what is in them is not read."""
    return "\n".join(filter(None, [text, *(f"(attached: {file.name or file.id})" for file in files)]))
