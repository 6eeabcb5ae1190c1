"""A whole bot in this process, with real storage and a clock, a model and channels of the test's."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from itertools import count

from agents.addresses import Address, person
from agents.agent import Agent
from agents.events import Event
from agents.messages import Assurance, Begun, Heard, Message, Provenance, Receipt
from agents.model import Model
from agents.people import People, Person
from agents.policy import Ask, Policy, Rule
from agents.requests import Answer, Request
from agents.state import ThreadState
from agents.tools import Tool, ToolContext, ToolResult, tool
from bot.embedded import Embedded
from bot.engine import Recorded
from bot.ids import Chance
from bot.intake import Opening
from bot.presence import Presence
from bot.queue_worker import QueueWorker
from bot.roster import Roster
from bot.sleeping import sleep_until
from bot.wiring import Bot, Share, bootstrap
from bot.worker import Worker
from channels.base import Capabilities, Channel, Reader
from channels.registry import by_scheme
from storage.database import Database
from storage.jobs import QUEUES
from storage.jobs.serving import POLLS
from storage.processes import Process
from storage.replaying import replayed
from storage.threads import events_after
from tests.fakes.clock import FakeClock
from tests.fakes.database_clock import DatabaseClock
from tests.fakes.scripted import ScriptedModel

PATIENCE = 20.0
POLL = 0.05
"""Seconds."""
PEOPLE = People(
    everybody=(
        Person(key="alice", name="Alice", addresses=(Address("terminal:alice"),)),
        Person(key="bob", name="Bob", roles=("release",), addresses=(Address("terminal:bob"),)),
        Person(key="carol", name="Carol", roles=("release",), addresses=(Address("terminal:carol"),)),
    )
)


class Workshop:
    """A tool's outside world: what was really done there, with which key."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.trouble: list[BaseException] = []

    def do(self, key: str, what: str) -> ToolResult:
        """Do it, unless a trouble is in store for this time."""
        if self.trouble:
            raise self.trouble.pop(0)
        self.done.append((key, what))
        return ToolResult(summary=f"did {what}")


def tools_of(workshop: Workshop) -> tuple[Tool, ...]:
    """One tool of each class of effect, all working in the same workshop; `ship` asks first."""

    @tool(effect="read", trusted_results=True)
    def look(context: ToolContext) -> ToolResult:
        """Look."""
        return workshop.do(context.key, "look")

    @tool(effect="idempotent", risk="high", ask=Ask(roles=("release",)), trusted_results=True)
    def ship(context: ToolContext, tag: str) -> ToolResult:
        """Ship a tag."""
        return workshop.do(context.key, f"ship {tag}")

    def happened(context: ToolContext) -> ToolResult | None:
        return ToolResult(summary="did move") if (context.key, "move") in workshop.done else None

    @tool(effect="verifiable", check=happened, trusted_results=True)
    def move(context: ToolContext) -> ToolResult:
        """Move."""
        return workshop.do(context.key, "move")

    @tool(effect="once", trusted_results=True)
    def pay(context: ToolContext) -> ToolResult:
        """Pay."""
        return workshop.do(context.key, "pay")

    return look, ship, move, pay


class RecordingChannel:
    """A channel that keeps what it was given, and can be told to have trouble first; `met` tells that it had some."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme
        self.sent: list[tuple[Address, Message, Receipt | None]] = []
        self.again: list[bool] = []
        self.begins: list[Begun] = []
        self.trouble: list[Exception] = []
        self.met = asyncio.Event()

    @property
    def scheme(self) -> str:
        return self._scheme

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities()

    async def send(
        self, to: Address, message: Message, *, key: str, replacing: Receipt | None = None, again: bool = False
    ) -> Receipt:
        self.again.append(again)
        if self.trouble:
            self.met.set()
            raise self.trouble.pop(0)
        self.sent.append((to, message, replacing))
        begun = self.begins.pop(0) if self.begins else None
        return Receipt(ref=f"{self._scheme}-{len(self.sent)}", digest="d", begun=begun)


@dataclass
class House:
    """A running bot and words for what people do with it."""

    bot: Bot
    clock: FakeClock
    workshop: Workshop
    commits: list[Recorded]

    @property
    def worker(self) -> Worker:
        assert isinstance(self.bot.wakeups, Embedded)
        return self.bot.wakeups.worker

    async def dies(self) -> None:
        """Whatever moves threads on is gone in the middle of its work, and leaves not a word in the log.

        On the queue its jobs are given back, as they are when the grace of a stop is over. Jobs of a worker that is
        killed and gives nothing back are in tests/bot/test_take_over.py, where real processes are.
        """
        if isinstance(self.bot.wakeups, Embedded):
            await _die(self.worker)
        else:
            await self.bot.wakeups.stop(grace=0)

    async def says(self, text: str, *, thread: str | None = None, by: str = "alice", ref: str | None = None) -> str:
        """Somebody says something; returns the thread."""
        source = Address(f"terminal:{by}")
        heard = Heard(
            text=text,
            by=person(by),
            source=source,
            provenance=Provenance.VERIFIED_PERSON,
            at=self.clock.now(),
            ref=ref,
        )
        if thread is not None:
            return (await self.bot.intake.hear(thread, heard)).after.thread_id
        opening = Opening(heard=heard, requester=person(by), origin=source)
        return (await self.bot.intake.open(opening)).after.thread_id

    async def answers(self, request: Request, decision: str, *, by: str = "bob", **words: str) -> Recorded:
        answer = Answer(
            by=person(by), channel=Address(f"terminal:{by}"), assurance=Assurance.MEDIUM, decision=decision, **words
        )
        return await self.bot.deciding.answer(request.id, answer)

    async def until(self, thread: str, wanted: Callable[[ThreadState], object]) -> ThreadState:
        """The thread's state as soon as it is as wanted."""
        with self.bot.engine.bell(thread) as bell:
            async with asyncio.timeout(PATIENCE):
                while True:
                    bell.clear()
                    if wanted(state := await self.bot.engine.load(thread)):
                        return state
                    await bell.wait()

    async def asked(self, thread: str) -> Request:
        """The request people see in the thread."""
        state = await self.until(thread, lambda s: s.request is not None and s.request.cards)
        assert state.request is not None
        return state.request

    async def meets_trouble(self, channel: RecordingChannel) -> None:
        """Until a message was refused; when to try it again is settled by then."""
        async with asyncio.timeout(PATIENCE):
            await channel.met.wait()

    async def at_rest(self, thread: str, status: str = "done") -> ThreadState:
        return await self.until(thread, lambda s: s.status == status and not s.outgoing)

    async def log(self, thread: str) -> list[Event]:
        events = await self.bot.engine.database.run(lambda connection: events_after(connection, thread))
        return [event for _, event in events]

    async def story(self, thread: str) -> list[str]:
        return [event.type for event in await self.log(thread)]

    async def check_replay(self, thread: str) -> None:
        assert (await self.bot.engine.database.run(lambda connection: replayed(connection, thread))).matches


class Names:
    """Ids and codes that count, so that a test can read them."""

    def __init__(self, run: str) -> None:
        self._run, self._numbers = run, count(1)

    def fresh(self) -> str:
        return f"{self._run}{next(self._numbers):05}"

    def code(self) -> str:
        return f"{self._run.upper()}{next(self._numbers):05}"


async def _die(worker: Worker) -> None:
    worker._stop_bell.set()
    tasks = list(worker._tasks.values())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _followed(clock: FakeClock, database: Database) -> Iterator[None]:
    """Jobs for later are handed out by the test's clock, not by the database's own."""
    follower = DatabaseClock(database.url).turn
    follower(clock.now())
    clock.told.append(follower)
    yield
    clock.told.remove(follower)


def _share(run: str, clock: FakeClock) -> Share:
    return Share(Process(run, "up", "here", 1, QUEUES, 32, clock.now()), dict.fromkeys(QUEUES, 32))


def _in_true_time(presence: Presence | None) -> Presence | None:
    """What others wrote is heard of soon, wherever the test's clock stands."""
    return presence and replace(presence, chance=Chance(), sleep=sleep_until)


def _looking_often(bot: Bot) -> None:
    """Nobody rings for what the test's clock has made due."""
    if isinstance(bot.wakeups, QueueWorker):
        bot.wakeups.polls = POLLS | {"timer": POLL, "deliver": POLL}


def _without_net(bot: Bot) -> None:
    """The sweep would find each lost wake-up after a minute of the test's clock, and so hide it."""
    if isinstance(bot.wakeups, QueueWorker):
        assert bot.wakeups._sweeper is not None
        bot.wakeups._sweeper.cancel()


@asynccontextmanager
async def house(
    database: Database,
    model: Model | None = None,
    *,
    shared: bool = False,
    clock: FakeClock | None = None,
    workshop: Workshop | None = None,
    rules: tuple[Rule, ...] = (),
    channels: Mapping[str, Channel | Reader] | None = None,
    run: str = "a",
    desk: Agent | None = None,
    roster: Roster | None = None,
    **agent: object,
) -> AsyncIterator[House]:
    """A bot from start to stop; a scripted model is checked at the end. Another `run` on the same file is a restart.

    The agent of every thread is `desk`, if there is one, else the helper. A `roster` takes the place of both.
    A `shared` bot takes its work from the database's job queue.
    """
    clock, workshop = clock or FakeClock(), workshop or Workshop()
    names = Names(run)
    worker = Agent(name="helper", purpose="helps", instructions="Help.", tools=tools_of(workshop), **agent)  # type: ignore[arg-type]  # a test's own settings
    chance = Chance(now=clock.now, fresh=names.fresh, code=names.code, jitter=lambda: 1.0, elapsed=clock.elapsed)
    agents = {agent.name: agent for agent in ([desk, worker] if desk else [worker])}
    roster = roster or Roster(agents, Policy(rules=rules, people=PEOPLE))
    model = model or ScriptedModel()
    share = _share(run, clock) if shared else None
    bot = bootstrap(database, roster, model, channels or by_scheme(), chance=chance, sleep=clock.sleep, share=share)
    bot.presence = _in_true_time(bot.presence)
    commits: list[Recorded] = []
    bot.engine.listeners.append(commits.append)
    with ExitStack() as stack:
        if shared:
            stack.enter_context(_followed(clock, database))
        _looking_often(bot)
        await bot.start()
        _without_net(bot)
        try:
            yield House(bot, clock, workshop, commits)
        finally:
            await bot.stop(grace=5)
    if isinstance(model, ScriptedModel):
        model.check()
