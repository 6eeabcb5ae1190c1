"""Messages come in: a new thread, or something said in one. The sender is known before we are called."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from agents.addresses import Address
from agents.agent import Agent
from agents.errors import WrongState
from agents.events import KnownEvent, ThreadStarted
from agents.listen import listen, listen_again, quoted, received
from agents.messages import Changed, Heard
from agents.moment import Moment
from agents.pending import HowTo
from agents.state import ThreadState
from bot.engine import Also, Engine, Recorded, Reply
from bot.ids import Chance
from bot.roster import Roster
from channels.base import Channel, Reader
from channels.degrade import how_to_answer
from storage.inbox import Claim


@dataclass(frozen=True)
class Opening:
    """A thread to be opened: what was said, for whom, and where replies go. `agent` None means the default."""

    heard: Heard
    requester: Address
    origin: Address
    agent: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Intake:
    """Turns what was heard into events, once."""

    engine: Engine
    roster: Roster
    chance: Chance
    channels: Mapping[str, Channel | Reader] = field(default_factory=dict)

    async def open(
        self, opening: Opening, *, claim: Claim | None = None, reply: Reply | None = None, also: Also | None = None
    ) -> Recorded:
        """Open a thread. Raises UnknownAgent."""
        events = _opened(opening, self.roster.agent(opening.agent), self.roster, self.chance.moment())
        return await self.engine.record(None, lambda _: events, claim=claim, reply=reply, also=also)

    async def hear(
        self, thread_id: str, heard: Heard, *, claim: Claim | None = None, reply: Reply | None = None
    ) -> Recorded:
        """Say something in a thread. Raises ThreadNotFound, and WrongState when the thread was cancelled."""
        people, how_to = self.roster.people, self._how_to(heard.source)
        is_shared = not isinstance(self.channels.get(heard.source.scheme), Reader)

        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            if state.life == "cancelled":
                raise WrongState(
                    f"thread {state.thread_id} is cancelled; open a new one", details={"status": "cancelled"}
                )
            agent = self.roster.agents.get(state.acting)
            return listen(state, heard, people=people, agent=agent, how_to=how_to, is_shared=is_shared)

        return await self.engine.record(thread_id, decide, claim=claim, reply=reply)

    def _how_to(self, source: Address) -> HowTo | None:
        """Return how requests are answered at the place a message came from; None if nothing can be sent there."""
        channel = self.channels.get(source.scheme)
        return None if channel is None else partial(how_to_answer, capabilities=channel.capabilities)

    async def pass_over(self, thread_id: str, claim: Claim) -> bool:
        """Note that something came in for a thread that takes nothing; whether it is the first time.

        Raises ThreadNotFound.
        """
        try:
            return (await self.engine.record(thread_id, lambda _: (), claim=claim)).earlier is None
        except WrongState:  # a log we cannot read takes no names either
            return True

    async def change(self, thread_id: str, changed: Changed, *, claim: Claim | None = None) -> Recorded:
        """Edit or delete what was said in a thread. Nothing is recorded where it is passed over (`agents.listen`).

        The claim is kept all the same: what was passed over once is not looked at again. Raises ThreadNotFound, and
        WrongState when the thread holds what this build cannot read.
        """

        def decide(state: ThreadState) -> tuple[KnownEvent, ...]:
            agent = self.roster.agents.get(state.acting)
            return listen_again(state, changed, people=self.roster.people, agent=agent)

        return await self.engine.record(thread_id, decide, claim=claim)


def _opened(opening: Opening, agent: Agent, roster: Roster, moment: Moment) -> tuple[KnownEvent, ...]:
    heard = opening.heard
    started = ThreadStarted(
        at=heard.at,
        actor=heard.by,
        thread_id=f"thr_{moment.fresh}",
        agent=agent.name,
        origin=opening.origin,
        requester=opening.requester,
        labels=dict(opening.labels),
        budget=roster.budget(agent),
        prefetch=agent.prefetch,
        entered_by=heard.entered_by,
    )
    return (started, received(heard), *quoted(heard))
