"""What people say on Slack reaches the thread of its place; a mention or a direct message opens one there."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from agents.errors import Conflict, Permanent
from agents.messages import IncomingEdit, IncomingMessage, Provenance, Quote
from bot.conversation_router import ConversationRouter
from bot.roster import Roster
from bot.slack.background_tasks import BackgroundTasks
from bot.slack.cancellation import ThreadCanceller
from bot.slack.ephemeral import EphemeralMessages
from bot.slack.users import is_external, resolve_user
from bot.thread_service import NewThread
from channels.slack.inbound_events import (
    BotIdentity,
    File,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    MessageShortcut,
    SessionStopped,
    ThreadRef,
)
from channels.text import truncate
from storage.inbox import IdempotencyClaim

CHANNEL = "slack"
EMPTY_MESSAGE_TEXT = "(a message without words)"
MAX_TEXT_LENGTH = 16_000
"""Characters of a message that are heard, as at our other doors."""


@dataclass(frozen=True)
class MessageHandlers:
    """One method for each thing that is said, or done to what was said."""

    conversations: ConversationRouter
    canceller: ThreadCanceller
    roster: Roster
    ephemeral: EphemeralMessages
    background_tasks: BackgroundTasks

    async def handle_message(self, message: MessagePosted, bot: BotIdentity) -> None:
        """Hear it, once. What is said in threads that are not ours is not heard, and strangers are not."""
        who = resolve_user(message.by, bot, self.roster.people)
        agent, words = split_agent_prefix(message.text, self.roster.agents)
        text = _append_file_names(words, message.files)
        if is_external(message.by, bot, who) or not await self._is_relevant(message, text, bot):
            return
        heard = IncomingMessage(
            text=truncate(text, MAX_TEXT_LENGTH),
            by=who.address,
            source=message.thread_ref.address,
            provenance=who.provenance,
            at=message.at,
            ref=_message_ref(message.thread_ref, message.ts),
            quotes=message.quotes,
        )
        await self._post(message, _with_default_text(heard), bot, agent)

    async def handle_edit(self, edit: MessageChanged | MessageDeleted, bot: BotIdentity) -> None:
        """Note what somebody made of their message. Slack does not tell who deleted one: it counts as its author."""
        thread_id = await self._find_thread(edit.thread_ref, bot)
        if thread_id is None or edit.by is None:
            return
        who = resolve_user(edit.by, bot, self.roster.people)
        noted = IncomingEdit(
            ref=_message_ref(edit.thread_ref, edit.ts),
            text=self._edited_text(edit.text) if isinstance(edit, MessageChanged) else None,
            by=who.address,
            source=edit.thread_ref.address,
            provenance=who.provenance,
            at=edit.at,
        )
        with suppress(Conflict):  # a log we cannot read waits for a build that can
            await self.conversations.threads.edit_message(
                thread_id, noted, claim=IdempotencyClaim(CHANNEL, edit.dedup_keys)
            )

    async def handle_shortcut(self, shortcut: MessageShortcut, bot: BotIdentity) -> None:
        """Ask about a message. Its words are those of whoever wrote it, who may be anybody."""
        who = resolve_user(shortcut.by, bot, self.roster.people)
        if is_external(shortcut.by, bot, who):
            return
        own = shortcut.author == shortcut.by
        heard = IncomingMessage(
            text=truncate(shortcut.text, MAX_TEXT_LENGTH) or ("" if shortcut.quotes else EMPTY_MESSAGE_TEXT),
            by=who.address,
            source=shortcut.thread_ref.address,
            provenance=who.provenance if own else Provenance.UNVERIFIED,
            at=shortcut.at,
            author=None if own else shortcut.author_name,
            quotes=shortcut.quotes,
        )
        await self._post(shortcut, _with_default_text(heard), bot)
        if shortcut.response_url is not None:
            self.background_tasks.spawn(self.ephemeral.ask_for_invite(shortcut.thread_ref, shortcut.response_url))

    async def handle_session_stopped(self, event: SessionStopped, bot: BotIdentity) -> None:
        """Cancel the thread, for those who may."""
        thread_id = await self._find_thread(event.thread_ref, bot)
        if thread_id is None:
            return
        who = resolve_user(event.by, bot, self.roster.people)
        try:
            await self.canceller.cancel_in_conversation(thread_id, who, IdempotencyClaim(CHANNEL, event.dedup_keys))
        except Permanent as error:
            self.background_tasks.spawn(self.ephemeral.post(event.thread_ref, event.by, f"{error}."))

    async def _post(
        self,
        event: MessagePosted | MessageShortcut,
        message: IncomingMessage,
        bot: BotIdentity,
        agent: str | None = None,
    ) -> None:
        opening = NewThread(message=message, requester=message.by, origin=event.thread_ref.address, agent=agent)
        try:
            places, claim = (conversation_key(event.thread_ref, bot),), IdempotencyClaim(CHANNEL, event.dedup_keys)
            await self.conversations.post(places, opening, claim, is_first=event.ts == event.thread_ref.thread_ts)
        except Conflict as error:
            await self._report_rejection(event, bot, f"{error}.")

    async def _report_rejection(self, event: MessagePosted | MessageShortcut, bot: BotIdentity, reason: str) -> None:
        """Say so, once: a mention comes under two names, and both are refused."""
        thread_id = await self._find_thread(event.thread_ref, bot)
        claim = IdempotencyClaim(CHANNEL, event.dedup_keys)
        if thread_id is None or await self.conversations.threads.record_ignored(thread_id, claim):
            self.background_tasks.spawn(self.ephemeral.post(event.thread_ref, event.by, reason, about_ts=event.ts))

    async def _is_relevant(self, message: MessagePosted, text: str, bot: BotIdentity) -> bool:
        """A reply where the thread is ours; what says nothing only where it opens one: it would answer questions."""
        opens, says = message.kind != "reply", bool(text or message.quotes)
        if opens and says:
            return True
        known = await self._find_thread(message.thread_ref, bot) is not None
        return says if known else opens

    def _edited_text(self, text: str) -> str:
        """What an edited message says now, read as it was when it was new."""
        return truncate(split_agent_prefix(text, self.roster.agents)[1], MAX_TEXT_LENGTH)

    async def _find_thread(self, thread_ref: ThreadRef, bot: BotIdentity) -> str | None:
        return await self.conversations.find_thread(CHANNEL, (conversation_key(thread_ref, bot),))


def conversation_key(thread_ref: ThreadRef, bot: BotIdentity) -> str:
    """The place as conversations know it. An app has one home: what tells another team of the same channel is ours."""
    return f"{bot.installation_id}:{thread_ref.channel}:{thread_ref.thread_ts}"


def split_agent_prefix(text: str, agents: Iterable[str]) -> tuple[str | None, str]:
    """The agent somebody calls by its name, as in `oncall: what is burning?`, and what they say to it."""
    name, colon, rest = text.partition(":")
    called = name.strip().lower()
    return (called, rest.strip()) if colon and called in agents else (None, text)


def _message_ref(thread_ref: ThreadRef, ts: str) -> str:
    return f"{thread_ref.channel}:{ts}"


def _with_default_text(message: IncomingMessage) -> IncomingMessage:
    """Without own words the first quote is what was said; a person who says nothing asks what can be said."""
    quotes = tuple(Quote(text=truncate(one.text, MAX_TEXT_LENGTH), author=one.author) for one in message.quotes)
    if message.text or not quotes:
        return message.model_copy(update={"text": message.text or "help", "quotes": quotes})
    first, *rest = quotes
    main = {"text": first.text, "author": first.author, "provenance": Provenance.UNVERIFIED}
    return message.model_copy(update={**main, "quotes": tuple(rest)})


def _append_file_names(text: str, files: Iterable[File]) -> str:
    """Files are named; what is in them is not read."""
    return "\n".join(filter(None, [text, *(f"(attached: {file.name or file.id})" for file in files)]))
