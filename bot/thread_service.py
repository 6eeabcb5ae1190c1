"""Messages come in: a new thread, or something said in one. The sender is known before we are called."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from agents.addresses import Address
from agents.agent import Agent
from agents.errors import WrongState
from agents.event_stamp import EventStamp
from agents.events import KnownEvent, ThreadStarted
from agents.message_rules import events_for_edit, events_for_message, to_message_received, to_quote_events
from agents.messages import IncomingEdit, IncomingMessage
from agents.open_request_notice import AnswerInstructions
from agents.state import ThreadState
from bot.engine import CommitResult, Engine, ExtraWrites, ResponseRenderer
from bot.ids import Clock
from bot.roster import Roster
from channels.base import Channel, PullChannel
from channels.text import answer_hint
from storage.inbox import IdempotencyClaim


@dataclass(frozen=True)
class NewThread:
    """A thread to be opened: what was said, for whom, and where replies go. `agent` None means the default."""

    message: IncomingMessage
    requester: Address
    origin: Address
    agent: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ThreadService:
    """Turns what was heard into events, once."""

    engine: Engine
    roster: Roster
    clock: Clock
    channels: Mapping[str, Channel | PullChannel] = field(default_factory=dict)

    async def open(
        self,
        new_thread: NewThread,
        *,
        claim: IdempotencyClaim | None = None,
        render_response: ResponseRenderer | None = None,
        extra_writes: ExtraWrites | None = None,
    ) -> CommitResult:
        """Open a thread. Raises UnknownAgent."""
        events = _opening_events(
            new_thread, self.roster.get_agent(new_thread.agent), self.roster, self.clock.new_moment()
        )
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
    ) -> CommitResult:
        """Say something in a thread. Raises ThreadNotFound, and WrongState when the thread was cancelled."""
        people, how_to = self.roster.people, self._answer_instructions(message.source)
        is_shared = not isinstance(self.channels.get(message.source.scheme), PullChannel)

        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            if state.lifecycle == "cancelled":
                raise WrongState(
                    f"thread {state.thread_id} is cancelled; open a new one", details={"status": "cancelled"}
                )
            agent = self.roster.agents.get(state.active_agent)
            return events_for_message(
                state, message, people=people, agent=agent, answer_instructions=how_to, is_shared=is_shared
            )

        return await self.engine.apply(thread_id, decide, claim=claim, render_response=render_response)

    def _answer_instructions(self, source: Address) -> AnswerInstructions | None:
        """Return how requests are answered at the place a message came from; None if nothing can be sent there."""
        channel = self.channels.get(source.scheme)
        return None if channel is None else partial(answer_hint, capabilities=channel.capabilities)

    async def record_ignored(self, thread_id: str, claim: IdempotencyClaim) -> bool:
        """Note that something came in for a thread that takes nothing; whether it is the first time.

        Raises ThreadNotFound.
        """
        try:
            return (await self.engine.apply(thread_id, lambda _: (), claim=claim)).duplicate_of is None
        except WrongState:  # a log we cannot read takes no names either
            return True

    async def edit_message(
        self, thread_id: str, edit: IncomingEdit, *, claim: IdempotencyClaim | None = None
    ) -> CommitResult:
        """Edit or delete a message of a thread; `agents.message_rules` says which edits are recorded.

        The claim is kept all the same: what was passed over once is not looked at again. Raises ThreadNotFound, and
        WrongState when the thread holds what this build cannot read.
        """

        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            agent = self.roster.agents.get(state.active_agent)
            return events_for_edit(state, edit, people=self.roster.people, agent=agent)

        return await self.engine.apply(thread_id, decide, claim=claim)


def _opening_events(new_thread: NewThread, agent: Agent, roster: Roster, moment: EventStamp) -> tuple[KnownEvent, ...]:
    heard = new_thread.message
    started = ThreadStarted(
        at=heard.at,
        actor=heard.by,
        thread_id=f"thr_{moment.new_id}",
        agent=agent.name,
        origin=new_thread.origin,
        requester=new_thread.requester,
        labels=dict(new_thread.labels),
        budget=roster.budget_for(agent),
        prefetch=agent.prefetch,
        entered_by=heard.entered_by,
    )
    return (started, to_message_received(heard), *to_quote_events(heard))
