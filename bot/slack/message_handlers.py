"""Handlers for Slack messages.

They route a message to the Handrail thread that is linked to its Slack thread, and open a new one for a mention or a
direct message.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from agents.core.errors import Conflict, Permanent
from agents.core.messages import IncomingEdit, IncomingMessage, Provenance, Quote
from bot.services.roster import Roster
from bot.services.threads import ConversationRouter, NewThread
from bot.slack.background_tasks import BackgroundTasks
from bot.slack.cancellation import ThreadCanceller
from bot.slack.ephemeral import EphemeralMessages
from bot.slack.users import is_external, resolve_user
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
from channels.text import format_error, truncate
from storage.inbox import IdempotencyClaim

CHANNEL = "slack"
EMPTY_MESSAGE_TEXT = "(a message without text)"
MAX_TEXT_LENGTH = 16_000
"""Characters of a message that are stored, as on the other channels."""


@dataclass(frozen=True)
class MessageHandlers:
    """Handlers for messages, edits, shortcuts and the stop button."""

    conversations: ConversationRouter
    canceller: ThreadCanceller
    roster: Roster
    ephemeral: EphemeralMessages
    background_tasks: BackgroundTasks

    async def handle_message(self, message: MessagePosted, bot: BotIdentity) -> None:
        """Post the message to its thread, once. Ignore it if its author is external or `_is_relevant` is false."""
        user = resolve_user(message.by, bot, self.roster.people)
        agent, text = split_agent_prefix(message.text, self.roster.agents)
        text = _append_file_names(text, message.files)
        if is_external(message.by, bot, user) or not await self._is_relevant(message, text, bot):
            return
        incoming = IncomingMessage(
            text=truncate(text, MAX_TEXT_LENGTH),
            by=user.address,
            source=message.thread_ref.address,
            provenance=user.provenance,
            at=message.at,
            ref=_message_ref(message.thread_ref, message.ts),
            quotes=message.quotes,
        )
        await self._post(message, _with_default_text(incoming), bot, agent)

    async def handle_edit(self, edit: MessageChanged | MessageDeleted, bot: BotIdentity) -> None:
        """Record an edit or deletion by the author of the message: Slack does not report who deleted a message."""
        thread_id = await self._find_thread(edit.thread_ref, bot)
        if thread_id is None or edit.by is None:
            return
        user = resolve_user(edit.by, bot, self.roster.people)
        incoming = IncomingEdit(
            ref=_message_ref(edit.thread_ref, edit.ts),
            text=self._edited_text(edit.text) if isinstance(edit, MessageChanged) else None,
            by=user.address,
            source=edit.thread_ref.address,
            provenance=user.provenance,
            at=edit.at,
        )
        claim = IdempotencyClaim(CHANNEL, edit.dedup_keys)
        with suppress(Conflict):  # the log may need a newer version of Handrail
            await self.conversations.threads.edit_message(thread_id, incoming, claim=claim)

    async def handle_shortcut(self, shortcut: MessageShortcut, bot: BotIdentity) -> None:
        """Post the message of a shortcut to its thread. Only the user's own messages are verified."""
        user = resolve_user(shortcut.by, bot, self.roster.people)
        if is_external(shortcut.by, bot, user):
            return
        is_own = shortcut.author == shortcut.by
        incoming = IncomingMessage(
            text=truncate(shortcut.text, MAX_TEXT_LENGTH) or ("" if shortcut.quotes else EMPTY_MESSAGE_TEXT),
            by=user.address,
            source=shortcut.thread_ref.address,
            provenance=user.provenance if is_own else Provenance.UNVERIFIED,
            at=shortcut.at,
            author=None if is_own else shortcut.author_name,
            quotes=shortcut.quotes,
        )
        await self._post(shortcut, _with_default_text(incoming), bot)
        if shortcut.response_url is not None:
            self.background_tasks.spawn(self.ephemeral.ask_for_invite(shortcut.thread_ref, shortcut.response_url))

    async def handle_session_stopped(self, event: SessionStopped, bot: BotIdentity) -> None:
        """Cancel the thread. A user who may not cancel it gets an ephemeral message with the reason."""
        thread_id = await self._find_thread(event.thread_ref, bot)
        if thread_id is None:
            return
        user = resolve_user(event.by, bot, self.roster.people)
        try:
            await self.canceller.cancel_in_conversation(thread_id, user, IdempotencyClaim(CHANNEL, event.dedup_keys))
        except Permanent as error:
            self.background_tasks.spawn(self.ephemeral.post(event.thread_ref, event.by, format_error(error)))

    async def _post(
        self,
        event: MessagePosted | MessageShortcut,
        message: IncomingMessage,
        bot: BotIdentity,
        agent: str | None = None,
    ) -> None:
        new_thread = NewThread(message=message, requester=message.by, origin=event.thread_ref.address, agent=agent)
        keys, claim = (conversation_key(event.thread_ref, bot),), IdempotencyClaim(CHANNEL, event.dedup_keys)
        try:
            await self.conversations.post(keys, new_thread, claim, is_first=event.ts == event.thread_ref.thread_ts)
        except Conflict as error:
            await self._report_rejection(event, bot, format_error(error))

    async def _report_rejection(self, event: MessagePosted | MessageShortcut, bot: BotIdentity, reason: str) -> None:
        """Send the reason to the author once, although Slack delivers a mention twice and both deliveries fail."""
        thread_id = await self._find_thread(event.thread_ref, bot)
        claim = IdempotencyClaim(CHANNEL, event.dedup_keys)
        if thread_id is None or await self.conversations.threads.record_ignored(thread_id, claim):
            self.background_tasks.spawn(self.ephemeral.post(event.thread_ref, event.by, reason, about_ts=event.ts))

    async def _is_relevant(self, message: MessagePosted, text: str, bot: BotIdentity) -> bool:
        """Return whether to process this message.

        Replies count only in linked threads. Empty messages count only if they open a thread, because in an open thread
        an empty text could answer a question.
        """
        may_open, has_content = message.kind != "reply", bool(text or message.quotes)
        if may_open and has_content:
            return True
        is_linked = await self._find_thread(message.thread_ref, bot) is not None
        return has_content if is_linked else may_open

    def _edited_text(self, text: str) -> str:
        """Return the text of an edited message, processed like that of a new one."""
        return truncate(split_agent_prefix(text, self.roster.agents)[1], MAX_TEXT_LENGTH)

    async def _find_thread(self, thread_ref: ThreadRef, bot: BotIdentity) -> str | None:
        return await self.conversations.find_thread(CHANNEL, (conversation_key(thread_ref, bot),))


def conversation_key(thread_ref: ThreadRef, bot: BotIdentity) -> str:
    """Return the conversation key of a Slack thread.

    It has the installation's id, because in a shared channel events may name another team for the same thread.
    """
    return f"{bot.installation_id}:{thread_ref.channel}:{thread_ref.thread_ts}"


def split_agent_prefix(text: str, agents: Iterable[str]) -> tuple[str | None, str]:
    """Split a leading agent name from a text, as in `oncall: what is burning?`. The name is None if there is none."""
    prefix, colon, rest = text.partition(":")
    name = prefix.strip().lower()
    return (name, rest.strip()) if colon and name in agents else (None, text)


def _message_ref(thread_ref: ThreadRef, ts: str) -> str:
    return f"{thread_ref.channel}:{ts}"


def _with_default_text(message: IncomingMessage) -> IncomingMessage:
    """Return the message with a text: if it has none, that of its first quote; without quotes, the command `help`."""
    quotes = tuple(Quote(text=truncate(quote.text, MAX_TEXT_LENGTH), author=quote.author) for quote in message.quotes)
    if message.text or not quotes:
        return message.model_copy(update={"text": message.text or "help", "quotes": quotes})
    first, *rest = quotes
    quoted = {"text": first.text, "author": first.author, "provenance": Provenance.UNVERIFIED}
    return message.model_copy(update={**quoted, "quotes": tuple(rest)})


def _append_file_names(text: str, files: Iterable[File]) -> str:
    """Return the text followed by the names of the files, whose content is not read."""
    return "\n".join(filter(None, [text, *(f"(attached: {file.name or file.id})" for file in files)]))
