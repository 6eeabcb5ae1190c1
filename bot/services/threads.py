"""Open threads, and route the messages of conversations to them. The caller has authenticated the sender."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from agents.core.agent import Agent
from agents.core.errors import DuplicateConversation, WrongState
from agents.core.events import KnownEvent, ThreadStarted
from agents.core.message_rules import events_for_edit, events_for_message, to_message_received, to_quote_events
from agents.core.messages import IncomingEdit, IncomingMessage
from agents.core.open_request_notice import AnswerInstructions
from agents.core.state import ThreadState
from agents.core.values import Address
from bot.services.engine import CommitResult, Engine, ExtraWrites, ResponseRenderer
from bot.services.ids import Clock, IdGenerator
from bot.services.roster import Roster
from channels.base import Channel, PullChannel
from channels.text import answer_hint
from storage.database.database import Database
from storage.database.transactions import WriteBatch
from storage.inbox import IdempotencyClaim, find_linked_thread, link_conversation, link_free_keys, relink_conversation


@dataclass(frozen=True)
class NewThread:
    """Thread to open: its first message, its requester and the address for replies (`origin`).

    `agent` None is the default agent.
    """

    message: IncomingMessage
    requester: Address
    origin: Address
    agent: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ThreadService:
    """Service that turns incoming messages into events, each message once."""

    engine: Engine
    roster: Roster
    clock: Clock
    channels: Mapping[str, Channel | PullChannel] = field(default_factory=dict)
    ids: IdGenerator = field(default_factory=IdGenerator)

    async def open(
        self,
        new_thread: NewThread,
        *,
        claim: IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
        extra_writes: ExtraWrites | None = None,
    ) -> CommitResult:
        """Open a thread. Raises UnknownAgent."""
        agent = self.roster.get_agent(new_thread.agent)
        events = _opening_events(new_thread, agent, self.roster, self.ids.new_id())
        return await self.engine.apply(
            None, lambda _: events, claim=claim, render_response=render_response, extra_writes=extra_writes
        )

    async def post_message(
        self,
        thread_id: str,
        message: IncomingMessage,
        *,
        claim: IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
        extra_writes: ExtraWrites | None = None,
    ) -> CommitResult:
        """Add a message to a thread. Raises ThreadNotFound, and WrongState if the thread was cancelled."""
        people, instructions = self.roster.people, self._answer_instructions(message.source)
        is_shared = not isinstance(self.channels.get(message.source.scheme), PullChannel)

        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            if state.lifecycle == "cancelled":
                raise WrongState(
                    f"thread {state.thread_id} is cancelled; open a new one", details={"status": "cancelled"}
                )
            agent = self.roster.agents.get(state.active_agent)
            return events_for_message(
                state, message, people=people, agent=agent, answer_instructions=instructions, is_shared=is_shared
            )

        return await self.engine.apply(
            thread_id, decide, claim=claim, render_response=render_response, extra_writes=extra_writes
        )

    def _answer_instructions(self, source: Address) -> AnswerInstructions | None:
        """Return how to answer requests on the channel of a message; None if nothing can be sent there."""
        channel = self.channels.get(source.scheme)
        return None if channel is None else partial(answer_hint, capabilities=channel.capabilities)

    async def record_ignored(self, thread_id: str, claim: IdempotencyClaim) -> bool:
        """Record the claim of an input that the thread ignores. Return whether it arrived for the first time.

        Raises ThreadNotFound.
        """
        try:
            return (await self.engine.apply(thread_id, lambda _: (), claim=claim)).duplicate_of is None
        except WrongState:  # a thread with unreadable events records no claims either
            return True

    async def edit_message(
        self, thread_id: str, edit: IncomingEdit, *, claim: IdempotencyClaim | None = None
    ) -> CommitResult:
        """Edit or delete a message of a thread; `agents.core.message_rules` says which edits are recorded.

        The claim is recorded in any case, so an ignored edit is not evaluated again. Raises ThreadNotFound, and
        WrongState if the thread has events that this version cannot read.
        """

        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            agent = self.roster.agents.get(state.active_agent)
            return events_for_edit(state, edit, people=self.roster.people, agent=agent)

        return await self.engine.apply(thread_id, decide, claim=claim)


def _opening_events(new_thread: NewThread, agent: Agent, roster: Roster, new_id: str) -> tuple[KnownEvent, ...]:
    message = new_thread.message
    started = ThreadStarted(
        at=message.at,
        actor=message.by,
        thread_id=f"thr_{new_id}",
        agent=agent.name,
        origin=new_thread.origin,
        requester=new_thread.requester,
        labels=dict(new_thread.labels),
        budget=roster.budget_for(agent),
        prefetch=agent.prefetch,
        entered_by=message.entered_by,
    )
    return (started, to_message_received(message), *to_quote_events(message))


ThreadCheck = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True)
class MessageLinks:
    """Conversation keys of one message from an address, to link to its thread unless they are linked already."""

    channel: str
    keys: tuple[str, ...]
    address: Address
    at: datetime

    def write(self, writes: WriteBatch, commit: CommitResult) -> None:
        """Link the keys in the transaction of the message."""
        link_free_keys(writes, self.channel, self.keys, commit.after.thread_id, self.address, self.at)


MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class ConversationRouter:
    """Router that finds the thread linked to a conversation, and links new ones."""

    database: Database
    threads: ThreadService

    async def find_thread(self, channel: str, conversation_keys: Sequence[str]) -> str | None:
        """Return the id of the thread linked to one of these conversation keys; None if there is none."""
        return await self.database.read(
            partial(find_linked_thread, channel=channel, conversation_keys=conversation_keys)
        )

    async def post(
        self,
        conversation_keys: Sequence[str],
        new_thread: NewThread,
        claim: IdempotencyClaim,
        *,
        is_first: bool = False,
        links: MessageLinks | None = None,
        may_join: ThreadCheck | None = None,
        is_continued: ThreadCheck | None = None,
    ) -> CommitResult:
        """Post the message to the linked thread, or open one and link it. Raises what ThreadService raises.

        With `is_first` (the message starts its conversation) skip the search: if another process was faster, the
        link fails with DuplicateConversation and the thread is searched for then. Raises DuplicateConversation after
        MAX_ATTEMPTS. With `links` only these are linked. If the linked thread does not pass `may_join`, one is opened.
        If it does not pass `is_continued`, the conversation moves to the new thread.
        """
        for attempt in range(MAX_ATTEMPTS):
            skip_search = is_first and not attempt
            thread_id = None if skip_search else await self.find_thread(claim.channel, conversation_keys)
            extra_writes = None if links is None else links.write
            if thread_id is not None and is_continued is not None and not await is_continued(thread_id):
                extra_writes = partial(_relink, claim.channel, conversation_keys)
            elif thread_id is not None and (may_join is None or await may_join(thread_id)):
                return await self.threads.post_message(
                    thread_id, new_thread.message, claim=claim, extra_writes=extra_writes
                )
            if extra_writes is None and thread_id is None:
                extra_writes = partial(_link, claim.channel, conversation_keys)
            try:
                return await self.threads.open(new_thread, claim=claim, extra_writes=extra_writes)
            except DuplicateConversation:
                continue
        raise DuplicateConversation


def _relink(channel: str, conversation_keys: Sequence[str], writes: WriteBatch, commit: CommitResult) -> None:
    relink_conversation(writes, channel, conversation_keys, commit.after.thread_id)


def _link(channel: str, conversation_keys: Sequence[str], writes: WriteBatch, commit: CommitResult) -> None:
    link_conversation(writes, channel, conversation_keys, commit.after.thread_id)
