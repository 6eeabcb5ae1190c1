"""What people say on Slack reaches the thread of its place; a mention or a direct message opens one there."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from agents.errors import Permanent, Refused
from agents.messages import Changed, Heard, Provenance, Quote
from bot.conversations import Conversations
from bot.intake import Opening
from bot.roster import Roster
from bot.slack.afterwards import Afterwards
from bot.slack.notes import Notes
from bot.slack.stopping import Stopping
from bot.slack.who import is_stranger, somebody
from channels.degrade import cut
from channels.slack.facts import Deleted, Edited, File, Ourselves, Place, Pointed, Said, Stopped
from storage.inbox import Claim

CHANNEL = "slack"
NO_WORDS = "(a message without words)"
LONGEST_TEXT = 16_000
"""Characters of a message that are heard, as at our other doors."""


@dataclass(frozen=True)
class Hearing:
    """One method for each thing that is said, or done to what was said."""

    conversations: Conversations
    stopping: Stopping
    roster: Roster
    notes: Notes
    afterwards: Afterwards

    async def said(self, said: Said, us: Ourselves) -> None:
        """Hear it, once. What is said in threads that are not ours is not heard, and strangers are not."""
        who = somebody(said.by, us, self.roster.people)
        agent, words = addressed(said.text, self.roster.agents)
        text = _with_files(words, said.files)
        if is_stranger(said.by, us, who) or not await self._is_heard(said, text, us):
            return
        heard = Heard(
            text=cut(text, LONGEST_TEXT),
            by=who.by,
            source=said.place.address,
            provenance=who.provenance,
            at=said.at,
            ref=_ref(said.place, said.ts),
            quotes=said.quotes,
        )
        await self._say(said, _with_words(heard), us, agent)

    async def changed(self, changed: Edited | Deleted, us: Ourselves) -> None:
        """Note what somebody made of their message. Slack does not tell who deleted one: it counts as its author."""
        thread_id = await self._thread_at(changed.place, us)
        if thread_id is None or changed.by is None:
            return
        who = somebody(changed.by, us, self.roster.people)
        noted = Changed(
            ref=_ref(changed.place, changed.ts),
            text=self._words(changed.text) if isinstance(changed, Edited) else None,
            by=who.by,
            source=changed.place.address,
            provenance=who.provenance,
            at=changed.at,
        )
        with suppress(Refused):  # a log we cannot read waits for a build that can
            await self.conversations.intake.change(thread_id, noted, claim=Claim(CHANNEL, changed.keys))

    async def pointed(self, pointed: Pointed, us: Ourselves) -> None:
        """Ask about a message. Its words are those of whoever wrote it, who may be anybody."""
        who = somebody(pointed.by, us, self.roster.people)
        if is_stranger(pointed.by, us, who):
            return
        own = pointed.author == pointed.by
        heard = Heard(
            text=cut(pointed.text, LONGEST_TEXT) or ("" if pointed.quotes else NO_WORDS),
            by=who.by,
            source=pointed.place.address,
            provenance=who.provenance if own else Provenance.UNVERIFIED,
            at=pointed.at,
            author=None if own else pointed.written_by,
            quotes=pointed.quotes,
        )
        await self._say(pointed, _with_words(heard), us)
        if pointed.response_url is not None:
            self.afterwards.do(self.notes.invite(pointed.place, pointed.response_url))

    async def stopped(self, stopped: Stopped, us: Ourselves) -> None:
        """Cancel the thread, for those who may."""
        thread_id = await self._thread_at(stopped.place, us)
        if thread_id is None:
            return
        who = somebody(stopped.by, us, self.roster.people)
        try:
            await self.stopping.stop_here(thread_id, who, Claim(CHANNEL, stopped.keys))
        except Permanent as error:
            self.afterwards.do(self.notes.tell(stopped.place, stopped.by, f"{error}."))

    async def _say(self, told: Said | Pointed, heard: Heard, us: Ourselves, agent: str | None = None) -> None:
        opening = Opening(heard=heard, requester=heard.by, origin=told.place.address, agent=agent)
        try:
            places, claim = (name_of(told.place, us),), Claim(CHANNEL, told.keys)
            await self.conversations.said(places, opening, claim, begins=told.ts == told.place.root)
        except Refused as error:
            await self._refused(told, us, f"{error}.")

    async def _refused(self, told: Said | Pointed, us: Ourselves, why: str) -> None:
        """Say so, once: a mention comes under two names, and both are refused."""
        thread_id = await self._thread_at(told.place, us)
        claim = Claim(CHANNEL, told.keys)
        if thread_id is None or await self.conversations.intake.pass_over(thread_id, claim):
            self.afterwards.do(self.notes.tell(told.place, told.by, why, about=told.ts))

    async def _is_heard(self, said: Said, text: str, us: Ourselves) -> bool:
        """A reply where the thread is ours; what says nothing only where it opens one: it would answer questions."""
        opens, says = said.how != "reply", bool(text or said.quotes)
        if opens and says:
            return True
        known = await self._thread_at(said.place, us) is not None
        return says if known else opens

    def _words(self, text: str) -> str:
        """What an edited message says now, read as it was when it was new."""
        return cut(addressed(text, self.roster.agents)[1], LONGEST_TEXT)

    async def _thread_at(self, place: Place, us: Ourselves) -> str | None:
        return await self.conversations.thread_at(CHANNEL, (name_of(place, us),))


def name_of(place: Place, us: Ourselves) -> str:
    """The place as conversations know it. An app has one home: what tells another team of the same channel is ours."""
    return f"{us.home}:{place.channel}:{place.root}"


def addressed(text: str, agents: Iterable[str]) -> tuple[str | None, str]:
    """The agent somebody calls by its name, as in `oncall: what is burning?`, and what they say to it."""
    name, colon, rest = text.partition(":")
    called = name.strip().lower()
    return (called, rest.strip()) if colon and called in agents else (None, text)


def _ref(place: Place, ts: str) -> str:
    return f"{place.channel}:{ts}"


def _with_words(heard: Heard) -> Heard:
    """Without own words the first quote is what was said; a person who says nothing asks what can be said."""
    quotes = tuple(Quote(text=cut(one.text, LONGEST_TEXT), author=one.author) for one in heard.quotes)
    if heard.text or not quotes:
        return heard.model_copy(update={"text": heard.text or "help", "quotes": quotes})
    first, *rest = quotes
    main = {"text": first.text, "author": first.author, "provenance": Provenance.UNVERIFIED}
    return heard.model_copy(update={**main, "quotes": tuple(rest)})


def _with_files(text: str, files: Iterable[File]) -> str:
    """Files are named; what is in them is not read."""
    return "\n".join(filter(None, [text, *(f"(attached: {file.name or file.id})" for file in files)]))
