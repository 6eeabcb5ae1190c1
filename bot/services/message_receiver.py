"""Receiver of messages, edits and control actions (cancel, pause, resume), from all channels."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from agents.core.errors import Conflict, Forbidden, Permanent, ThreadNotFound
from agents.core.messages import IncomingEdit, IncomingMessage, Provenance, Quote
from agents.core.rights import may_view, thread_not_found, to_viewer
from bot.services.engine import CommitResult, ResponseRenderer
from bot.services.roster import ResolvedSender, Roster, resolve_sender
from bot.services.thread_control import ThreadControl
from bot.services.threads import ConversationRouter, MessageLinks, NewThread
from channels.inbound import (
    Arrival,
    ControlResult,
    InboundControl,
    InboundEdit,
    InboundMessage,
    Posted,
    Refusal,
    Sender,
)
from channels.text import format_error, truncate
from storage.inbox import IdempotencyClaim

MAX_TEXT_LENGTH = 16_000
"""Characters of a message that are stored."""
MAX_TITLE_LENGTH = 300


@dataclass(frozen=True)
class MessageReceiver:
    """Passes messages to their threads and control actions to the thread control. Refusals are values."""

    conversations: ConversationRouter
    thread_control: ThreadControl
    roster: Roster

    async def post_message(self, message: InboundMessage) -> Posted:
        """Post a message once. Ignore those of unknown external senders, and those that are not relevant."""
        sender = message.arrival.sender
        if (sender.is_external and self._resolve(sender).person is None) or not await self._is_relevant(message):
            return Posted("ignored")
        claim = claim_of(message.arrival)
        try:
            commit = await self.record_message(message, claim=claim)
        except Conflict as error:
            return await self._refuse_message(message, claim, error)
        if commit.duplicate_of is not None:
            return Posted("duplicate", commit.duplicate_of.thread_id)
        return Posted("posted" if commit.before.version else "opened", commit.after.thread_id)

    async def record_message(
        self,
        message: InboundMessage,
        *,
        claim: IdempotencyClaim | None,
        render_response: ResponseRenderer | None = None,
    ) -> CommitResult:
        """Post a message or open a thread. Unlike `post_message`, raise Conflict instead of returning a refusal."""
        agent, text = (
            self._split_agent_prefix(message.text) if message.may_name_agent else (message.agent, message.text)
        )
        incoming = self._to_incoming(message, text)
        threads, links = self.conversations.threads, _links_of(message)
        extra_writes = None if links is None else links.write
        may_join = partial(self._may_join, message)
        if message.thread_id is not None and await may_join(message.thread_id):
            return await threads.post_message(
                message.thread_id, incoming, claim=claim, render_response=render_response, extra_writes=extra_writes
            )
        new_thread = NewThread(
            message=incoming,
            requester=incoming.by,
            origin=message.reply_to or message.arrival.source,
            agent=agent,
            labels=message.labels,
        )
        if message.conversation_keys and claim is not None:
            return await self.conversations.post(
                message.conversation_keys,
                new_thread,
                claim,
                is_first=message.is_first,
                links=links,
                may_join=may_join,
                is_continued=partial(self._is_continued, message),
            )
        return await threads.open(new_thread, claim=claim, render_response=render_response, extra_writes=extra_writes)

    async def _may_join(self, message: InboundMessage, thread_id: str) -> bool:
        """Return whether the message may be posted to this thread: not to one that is gone, if access is required."""
        if not message.requires_access:
            return True
        try:
            state = await self.conversations.threads.engine.load(thread_id)
        except ThreadNotFound:
            return False
        sender = self._resolve(message.arrival.sender)
        return may_view(state, to_viewer(sender.address, self.roster.people))

    async def _is_continued(self, message: InboundMessage, thread_id: str) -> bool:
        """Return whether the conversation is still about this thread, if such a conversation changes its thread."""
        if message.begins_topic:
            return False
        if message.idle_after is None:
            return True
        if not await self._may_join(message, thread_id):
            return False
        state = await self.conversations.threads.engine.load(thread_id)
        is_recent = state.updated_at is None or message.arrival.at - state.updated_at < message.idle_after
        return state.lifecycle != "cancelled" and (is_recent or state.status not in ("done", "failed"))

    async def edit_message(self, edit: InboundEdit) -> None:
        """Record an edit or deletion. Edits of messages that no thread has are ignored."""
        arrival = edit.arrival
        thread_id = await self.conversations.find_thread(arrival.channel, edit.conversation_keys)
        if thread_id is None:
            return
        sender, text = self._resolve(arrival.sender), edit.text
        if text is not None and edit.may_name_agent:
            text = self._split_agent_prefix(text)[1]
        incoming = IncomingEdit(
            ref=edit.ref,
            text=None if text is None else truncate(text, MAX_TEXT_LENGTH),
            by=sender.address,
            source=arrival.source,
            provenance=sender.provenance,
            at=arrival.at,
        )
        with suppress(Conflict):  # the log may need a newer version of Handrail
            await self.conversations.threads.edit_message(thread_id, incoming, claim=claim_of(arrival))

    async def control(self, control_input: InboundControl) -> ControlResult:
        """Cancel, pause or resume a thread on behalf of the sender."""
        sender = self._resolve(control_input.arrival.sender)
        try:
            thread_id = await self._find_controllable_thread(control_input, sender)
            if thread_id is not None:
                await self.thread_control.apply(
                    control_input.action, thread_id, sender.address, claim_of(control_input.arrival)
                )
        except Permanent as error:
            return ControlResult(refusal=to_refusal(error))
        return ControlResult(thread_id)

    async def _find_controllable_thread(self, control_input: InboundControl, sender: ResolvedSender) -> str | None:
        """Return the thread's id, None if the conversation has no thread. Raises ThreadNotFound and Forbidden.

        In a conversation, every person named in handrail.toml may control the thread, because channels admit only
        members; other senders must be requesters.
        """
        engine, people = self.thread_control.engine, self.roster.people
        if control_input.thread_id is not None:
            if not may_view(await engine.load(control_input.thread_id), to_viewer(sender.address, people)):
                raise thread_not_found(control_input.thread_id)
            return control_input.thread_id
        thread_id = await self.conversations.find_thread(control_input.arrival.channel, control_input.conversation_keys)
        if (
            thread_id is None
            or sender.person is not None
            or sender.address in (await engine.load(thread_id)).requesters
        ):
            return thread_id
        raise Forbidden(f"only a requester or a person named in handrail.toml may {control_input.action} this thread")

    async def _is_relevant(self, message: InboundMessage) -> bool:
        """Return whether to process this message.

        A message that may not open a thread counts only in a conversation with a thread. An empty message counts only
        if it opens a thread, because in an open thread an empty text could answer a question.
        """
        text = self._split_agent_prefix(message.text)[1] if message.may_name_agent else message.text
        has_content = bool(text or message.quotes or message.file_names)
        if message.may_open and has_content:
            return True
        has_thread = (
            await self.conversations.find_thread(message.arrival.channel, message.conversation_keys) is not None
        )
        return has_content if has_thread else message.may_open

    def _split_agent_prefix(self, text: str) -> tuple[str | None, str]:
        """Split a leading agent name from a text, as in `oncall: what is burning?`. It is None if there is none."""
        prefix, colon, rest = text.partition(":")
        name = prefix.strip().lower()
        return (name, rest.strip()) if colon and name in self.roster.agents else (None, text)

    def _to_incoming(self, message: InboundMessage, text: str) -> IncomingMessage:
        arrival, sender = message.arrival, self._resolve(message.arrival.sender)
        incoming = IncomingMessage(
            text=truncate(_append_file_names(text, message.file_names), MAX_TEXT_LENGTH),
            by=sender.address,
            source=arrival.source,
            provenance=sender.provenance if message.author is None else Provenance.UNVERIFIED,
            at=arrival.at,
            ref=message.ref,
            entered_by=sender.entered_by,
            author=message.author,
            quotes=message.quotes,
            title=None if message.title is None else truncate(message.title, MAX_TITLE_LENGTH),
        )
        return _with_default_text(incoming)

    async def _refuse_message(self, message: InboundMessage, claim: IdempotencyClaim | None, error: Conflict) -> Posted:
        """Return the refusal for the first delivery only; later deliveries of the same message are duplicates."""
        thread_id = await self.conversations.find_thread(message.arrival.channel, message.conversation_keys)
        threads = self.conversations.threads
        if thread_id is None or claim is None or await threads.record_ignored(thread_id, claim):
            return Posted("refused", thread_id, to_refusal(error))
        return Posted("duplicate", thread_id)

    def _resolve(self, sender: Sender) -> ResolvedSender:
        return resolve_sender(sender, self.roster.people)


def claim_of(arrival: Arrival) -> IdempotencyClaim | None:
    """Return the claim on the dedup keys of an arrival, None without keys."""
    return IdempotencyClaim(arrival.channel, arrival.dedup_keys) if arrival.dedup_keys else None


def _links_of(message: InboundMessage) -> MessageLinks | None:
    """Return the conversation keys that are linked with this message, None if only those of a new thread are."""
    if message.linked_keys is None:
        return None
    arrival = message.arrival
    return MessageLinks(arrival.channel, message.linked_keys, arrival.source, arrival.at)


def to_refusal(error: Permanent) -> Refusal:
    """Return the refusal of an input that failed for good."""
    return Refusal(format_error(error), error)


def _with_default_text(message: IncomingMessage) -> IncomingMessage:
    """Return the message with its first quote as its text if it has none; a message without both becomes `help`."""
    quotes = tuple(Quote(text=truncate(quote.text, MAX_TEXT_LENGTH), author=quote.author) for quote in message.quotes)
    if message.text or not quotes:
        return message.model_copy(update={"text": message.text or "help", "quotes": quotes})
    first, *rest = quotes
    quoted = {"text": first.text, "author": first.author, "provenance": Provenance.UNVERIFIED}
    return message.model_copy(update={**quoted, "quotes": tuple(rest)})


def _append_file_names(text: str, file_names: Iterable[str]) -> str:
    """Return the text followed by the names of the files, whose content is not read."""
    return "\n".join(filter(None, [text, *(f"(attached: {name})" for name in file_names)]))
