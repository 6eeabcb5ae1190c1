"""A whole bot in this process, with real storage and a clock, a model and channels of the test's."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from itertools import count

from agents.addresses import Address, person_address
from agents.agent import Agent
from agents.events import Event
from agents.messages import Assurance, IncomingMessage, Message, Provenance, Receipt, StartedConversation
from agents.model import Model
from agents.people import People, Person
from agents.policy import ApprovalTerms, Policy, Rule
from agents.requests import Answer, Request
from agents.state import ThreadState
from agents.tools import Tool, ToolContext, ToolResult, tool
from bot.bootstrap import Bot, QueueAssignment, bootstrap
from bot.embedded_backend import EmbeddedBackend
from bot.embedded_worker import EmbeddedWorker
from bot.engine import CommitResult
from bot.ids import Clock
from bot.process_heartbeat import ProcessHeartbeat
from bot.queue_backend import QueueBackend
from bot.roster import Roster
from bot.sleep import sleep_until
from bot.thread_service import NewThread
from channels.base import Capabilities, Channel, PullChannel
from channels.registry import channels_by_scheme
from storage.database import Database
from storage.event_store import events_after
from storage.jobs import QUEUES
from storage.jobs.worker import POLL_INTERVAL_SECONDS
from storage.processes import Process
from storage.replay import replay_on_connection
from tests.fakes.clock import FakeClock
from tests.fakes.database_clock import DatabaseClock
from tests.fakes.scripted_model import ScriptedModel

WAIT_TIMEOUT_SECONDS = 20.0
FAST_POLL_SECONDS = 0.05
"""Seconds."""
PEOPLE = People(
    members=(
        Person(key="alice", name="Alice", addresses=(Address("terminal:alice"),)),
        Person(key="bob", name="Bob", roles=("release",), addresses=(Address("terminal:bob"),)),
        Person(key="carol", name="Carol", roles=("release",), addresses=(Address("terminal:carol"),)),
    )
)


class RecordingTools:
    """A tool's outside world: what was really done there, with which key."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, str]] = []
        self.planned_errors: list[BaseException] = []

    def run(self, key: str, action: str) -> ToolResult:
        """Do it, unless a trouble is in store for this time."""
        if self.planned_errors:
            raise self.planned_errors.pop(0)
        self.runs.append((key, action))
        return ToolResult(summary=f"did {action}")


def build_tools(recording_tools: RecordingTools) -> tuple[Tool, ...]:
    """One tool of each class of effect, all working in the same workshop; `ship` asks first."""

    @tool(effect="read", trusted_results=True)
    def look(context: ToolContext) -> ToolResult:
        """Look."""
        return recording_tools.run(context.key, "look")

    @tool(effect="idempotent", risk="high", ask=ApprovalTerms(roles=("release",)), trusted_results=True)
    def ship(context: ToolContext, tag: str) -> ToolResult:
        """Ship a tag."""
        return recording_tools.run(context.key, f"ship {tag}")

    def happened(context: ToolContext) -> ToolResult | None:
        return ToolResult(summary="did move") if (context.key, "move") in recording_tools.runs else None

    @tool(effect="verifiable", check=happened, trusted_results=True)
    def move(context: ToolContext) -> ToolResult:
        """Move."""
        return recording_tools.run(context.key, "move")

    @tool(effect="once", trusted_results=True)
    def pay(context: ToolContext) -> ToolResult:
        """Pay."""
        return recording_tools.run(context.key, "pay")

    return look, ship, move, pay


class RecordingChannel:
    """A channel that keeps what it was given, and can be told to have trouble first; `met` tells that it had some."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme
        self.sent: list[tuple[Address, Message, Receipt | None]] = []
        self.maybe_sent_flags: list[bool] = []
        self.planned_conversations: list[StartedConversation] = []
        self.planned_errors: list[Exception] = []
        self.error_raised = asyncio.Event()

    @property
    def scheme(self) -> str:
        return self._scheme

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities()

    async def send(
        self, to: Address, message: Message, *, key: str, replaces: Receipt | None = None, maybe_sent: bool = False
    ) -> Receipt:
        self.maybe_sent_flags.append(maybe_sent)
        if self.planned_errors:
            self.error_raised.set()
            raise self.planned_errors.pop(0)
        self.sent.append((to, message, replaces))
        begun = self.planned_conversations.pop(0) if self.planned_conversations else None
        return Receipt(ref=f"{self._scheme}-{len(self.sent)}", digest="d", started=begun)


@dataclass
class BotHarness:
    """A running bot and words for what people do with it."""

    bot: Bot
    clock: FakeClock
    recording_tools: RecordingTools
    commits: list[CommitResult]

    @property
    def worker(self) -> EmbeddedWorker:
        assert isinstance(self.bot.backend, EmbeddedBackend)
        return self.bot.backend.worker

    async def crash(self) -> None:
        """Whatever moves threads on is gone in the middle of its work, and leaves not a word in the log.

        On the queue its jobs are given back, as they are when the grace of a stop is over. Jobs of a worker that is
        killed and gives nothing back are in tests/bot/test_worker_failover.py, where real processes are.
        """
        if isinstance(self.bot.backend, EmbeddedBackend):
            await _cancel_tasks(self.worker)
        else:
            await self.bot.backend.stop(grace_seconds=0)

    async def post_message(
        self, text: str, *, thread_id: str | None = None, person_key: str = "alice", ref: str | None = None
    ) -> str:
        """Somebody says something; returns the thread."""
        source = Address(f"terminal:{person_key}")
        heard = IncomingMessage(
            text=text,
            by=person_address(person_key),
            source=source,
            provenance=Provenance.VERIFIED_PERSON,
            at=self.clock.now(),
            ref=ref,
        )
        if thread_id is not None:
            return (await self.bot.threads.post_message(thread_id, heard)).after.thread_id
        opening = NewThread(message=heard, requester=person_address(person_key), origin=source)
        return (await self.bot.threads.open(opening)).after.thread_id

    async def answer_request(
        self, request: Request, decision: str, *, person_key: str = "bob", **fields: str
    ) -> CommitResult:
        answer = Answer(
            by=person_address(person_key),
            channel=Address(f"terminal:{person_key}"),
            assurance=Assurance.MEDIUM,
            decision=decision,
            **fields,
        )
        return await self.bot.approvals.answer(request.id, answer)

    async def wait_until(self, thread_id: str, condition: Callable[[ThreadState], object]) -> ThreadState:
        """The thread's state as soon as it is as wanted."""
        with self.bot.engine.subscribe(thread_id) as bell:
            async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
                while True:
                    bell.clear()
                    if condition(state := await self.bot.engine.load(thread_id)):
                        return state
                    await bell.wait()

    async def wait_for_request(self, thread_id: str) -> Request:
        """The request people see in the thread."""
        state = await self.wait_until(thread_id, lambda s: s.open_request is not None and s.open_request.cards)
        assert state.open_request is not None
        return state.open_request

    async def wait_for_error(self, channel: RecordingChannel) -> None:
        """Until a message was refused; when to try it again is settled by then."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            await channel.error_raised.wait()

    async def wait_until_settled(self, thread_id: str, status: str = "done") -> ThreadState:
        return await self.wait_until(thread_id, lambda s: s.status == status and not s.pending_messages)

    async def events(self, thread_id: str) -> list[Event]:
        events = await self.bot.engine.database.transaction(lambda connection: events_after(connection, thread_id))
        return [event for _, event in events]

    async def event_types(self, thread_id: str) -> list[str]:
        return [event.type for event in await self.events(thread_id)]

    async def check_replay(self, thread_id: str) -> None:
        assert (
            await self.bot.engine.database.transaction(lambda connection: replay_on_connection(connection, thread_id))
        ).is_match


class SequentialIds:
    """Ids and codes that count, so that a test can read them."""

    def __init__(self, run: str) -> None:
        self._run, self._numbers = run, count(1)

    def new_id(self) -> str:
        return f"{self._run}{next(self._numbers):05}"

    def new_code(self) -> str:
        return f"{self._run.upper()}{next(self._numbers):05}"


async def _cancel_tasks(worker: EmbeddedWorker) -> None:
    worker._stop_event.set()
    tasks = list(worker._tasks.values())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _database_follows_clock(clock: FakeClock, database: Database) -> Iterator[None]:
    """Jobs for later are handed out by the test's clock, not by the database's own."""
    follower = DatabaseClock(database.url).set_time
    follower(clock.now())
    clock.followers.append(follower)
    yield
    clock.followers.remove(follower)


def _queue_assignment(run: str, clock: FakeClock) -> QueueAssignment:
    return QueueAssignment(Process(run, "up", "here", 1, QUEUES, 32, clock.now()), dict.fromkeys(QUEUES, 32))


def _with_real_time(heartbeat: ProcessHeartbeat | None) -> ProcessHeartbeat | None:
    """What others wrote is heard of soon, wherever the test's clock stands."""
    return heartbeat and replace(heartbeat, clock=Clock(), sleep=sleep_until)


def _poll_often(bot: Bot) -> None:
    """Nobody rings for what the test's clock has made due."""
    if isinstance(bot.backend, QueueBackend):
        bot.backend.poll_intervals = POLL_INTERVAL_SECONDS | {"timer": FAST_POLL_SECONDS, "deliver": FAST_POLL_SECONDS}


def _stop_sweeper(bot: Bot) -> None:
    """The sweep would find each lost wake-up after a minute of the test's clock, and so hide it."""
    if isinstance(bot.backend, QueueBackend):
        assert bot.backend._sweep_task is not None
        bot.backend._sweep_task.cancel()


@asynccontextmanager
async def running_bot(
    database: Database,
    model: Model | None = None,
    *,
    has_job_queue: bool = False,
    clock: FakeClock | None = None,
    recording_tools: RecordingTools | None = None,
    rules: tuple[Rule, ...] = (),
    channels: Mapping[str, Channel | PullChannel] | None = None,
    run: str = "a",
    main_agent: Agent | None = None,
    roster: Roster | None = None,
    **agent_settings: object,
) -> AsyncIterator[BotHarness]:
    """A bot from start to stop; a scripted model is checked at the end. Another `run` on the same file is a restart.

    The agent of every thread is `desk`, if there is one, else the helper. A `roster` takes the place of both.
    A `shared` bot takes its work from the database's job queue.
    """
    clock, recording_tools = clock or FakeClock(), recording_tools or RecordingTools()
    names = SequentialIds(run)
    worker = Agent(
        name="helper", purpose="helps", instructions="Help.", tools=build_tools(recording_tools), **agent_settings
    )  # type: ignore[arg-type]  # a test's own settings
    chance = Clock(
        now=clock.now, new_id=names.new_id, new_code=names.new_code, jitter=lambda: 1.0, monotonic=clock.monotonic
    )
    agents = {agent.name: agent for agent in ([main_agent, worker] if main_agent else [worker])}
    roster = roster or Roster(agents, Policy(rules=rules, people=PEOPLE))
    model = model or ScriptedModel()
    share = _queue_assignment(run, clock) if has_job_queue else None
    bot = bootstrap(
        database, roster, model, channels or channels_by_scheme(), clock=chance, sleep=clock.sleep, assignment=share
    )
    bot.heartbeat = _with_real_time(bot.heartbeat)
    commits: list[CommitResult] = []
    bot.engine.listeners.append(commits.append)
    with ExitStack() as stack:
        if has_job_queue:
            stack.enter_context(_database_follows_clock(clock, database))
        _poll_often(bot)
        await bot.start()
        _stop_sweeper(bot)
        try:
            yield BotHarness(bot, clock, recording_tools, commits)
        finally:
            await bot.stop(grace_seconds=5)
    if isinstance(model, ScriptedModel):
        model.check()
