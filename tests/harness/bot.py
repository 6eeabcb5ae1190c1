"""Test harness: a complete bot in this process, with real storage, a fake clock, a scripted model and fake channels."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from itertools import count

from agents.core.agent import Agent
from agents.core.events import Event
from agents.core.messages import Assurance, IncomingMessage, Message, Provenance, Receipt, StartedConversation
from agents.core.policy import Policy, Rule
from agents.core.requests import Answer, Request
from agents.core.state import ThreadState
from agents.core.values import REQUEST_CODE_ALPHABET, REQUEST_CODE_LENGTH, Address, person_address
from agents.llm.base import Model
from bot.bootstrap import Bot, QueueAssignment, bootstrap
from bot.channel_host import channels_by_scheme as plugin_channels
from bot.channel_host import connect_plugins
from bot.execution.embedded import EmbeddedBackend, EmbeddedWorker
from bot.execution.heartbeat import ProcessHeartbeat
from bot.execution.queue.backend import QueueBackend
from bot.services.answer_links import AnswerLinks
from bot.services.engine import CommitResult
from bot.services.ids import Clock, IdGenerator
from bot.services.retry import Repeater
from bot.services.roster import Roster
from bot.services.threads import NewThread
from channels.base import Capabilities, Channel, Plugin, PullChannel
from storage.database.database import Database
from storage.event_store import events_after
from storage.jobs import QUEUES
from storage.jobs.worker import POLL_INTERVAL_SECONDS
from storage.processes import Process
from storage.replay import replay_on_connection
from tests.fakes.clock import FakeClock
from tests.fakes.database_clock import DatabaseClock
from tests.fakes.scripted_model import ScriptedModel
from tests.harness.channels import channels_by_scheme
from tests.harness.people import PEOPLE
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS
from tests.harness.tools import ToolCallRecorder, build_tools

FAST_POLL_SECONDS = 0.05


class RecordingChannel:
    """Channel that records sent messages. It raises planned errors first and then sets `error_raised`."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme
        self.sent: list[tuple[Address, Message, Receipt | None]] = []
        self.may_have_been_sent_flags: list[bool] = []
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
        self,
        to: Address,
        message: Message,
        *,
        key: str,
        replaces: Receipt | None = None,
        may_have_been_sent: bool = False,
    ) -> Receipt:
        self.may_have_been_sent_flags.append(may_have_been_sent)
        if self.planned_errors:
            self.error_raised.set()
            raise self.planned_errors.pop(0)
        self.sent.append((to, message, replaces))
        started = self.planned_conversations.pop(0) if self.planned_conversations else None
        digest = "d" if message.card is None else message.card.digest
        return Receipt(ref=f"{self._scheme}-{len(self.sent)}", digest=digest, started=started)


@dataclass
class BotHarness:
    """Running bot, with methods for actions of people and for waiting for their results."""

    bot: Bot
    clock: FakeClock
    tool_call_recorder: ToolCallRecorder
    commits: list[CommitResult]

    @property
    def worker(self) -> EmbeddedWorker:
        assert isinstance(self.bot.backend, EmbeddedBackend)
        return self.bot.backend.worker

    async def crash(self) -> None:
        """Stop the execution backend in the middle of its work, without writing events.

        The queue backend releases its jobs, as it does when the grace period of a stop ends. The tests in
        tests/bot/execution/test_worker_failover.py kill real processes, which release nothing.
        """
        if isinstance(self.bot.backend, EmbeddedBackend):
            await _cancel_tasks(self.worker)
        else:
            await self.bot.backend.stop(grace_seconds=0)

    async def post_message(
        self, text: str, *, thread_id: str | None = None, person_key: str = "alice", ref: str | None = None
    ) -> str:
        """Post a message of a person and return the thread id; without `thread_id` open a new thread."""
        source = Address(f"terminal:{person_key}")
        message = IncomingMessage(
            text=text,
            by=person_address(person_key),
            source=source,
            provenance=Provenance.VERIFIED_PERSON,
            at=self.clock.now(),
            ref=ref,
        )
        if thread_id is not None:
            return (await self.bot.threads.post_message(thread_id, message)).after.thread_id
        new_thread = NewThread(message=message, requester=person_address(person_key), origin=source)
        return (await self.bot.threads.open(new_thread)).after.thread_id

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
        """Return the thread's state as soon as it satisfies the condition."""
        with self.bot.engine.subscribe(thread_id) as changed:
            async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
                while True:
                    changed.clear()
                    if condition(state := await self.bot.engine.load(thread_id)):
                        return state
                    await changed.wait()

    async def wait_for_request(self, thread_id: str) -> Request:
        """Return the thread's open request as soon as a card of it has been delivered."""
        state = await self.wait_until(
            thread_id, lambda state: state.open_request is not None and state.open_request.cards
        )
        assert state.open_request is not None
        return state.open_request

    async def wait_for_error(self, channel: RecordingChannel) -> None:
        """Wait until the channel has raised a planned error; the time of the retry is determined by then."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            await channel.error_raised.wait()

    async def wait_until_done(self, thread_id: str) -> ThreadState:
        return await self.wait_for_status(thread_id, "done")

    async def wait_for_status(self, thread_id: str, status: str) -> ThreadState:
        """Return the thread's state as soon as it has the status and no pending messages."""
        return await self.wait_until(thread_id, lambda state: state.status == status and not state.pending_messages)

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
    """Generator of sequential ids and of codes that people can type, so that a test can predict them."""

    def __init__(self, id_prefix: str) -> None:
        self._prefix, self._numbers = id_prefix, count(1)

    def new_id(self) -> str:
        return f"{self._prefix}{next(self._numbers):05}"

    def new_code(self) -> str:
        number, digits = next(self._numbers), len(REQUEST_CODE_ALPHABET)
        powers = (digits**exponent for exponent in range(REQUEST_CODE_LENGTH - 2, -1, -1))
        return self._prefix.upper() + "".join(REQUEST_CODE_ALPHABET[number // power % digits] for power in powers)


async def _cancel_tasks(worker: EmbeddedWorker) -> None:
    worker._stop_event.set()
    tasks = list(worker._tasks.values())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _database_follows_clock(clock: FakeClock, database: Database) -> Iterator[None]:
    """Make the database's clock, which decides when scheduled jobs are due, follow the test's clock."""
    follower = DatabaseClock(database.url).set_time
    follower(clock.now())
    clock.followers.append(follower)
    yield
    clock.followers.remove(follower)


def _queue_assignment(process_id: str, clock: FakeClock) -> QueueAssignment:
    process = Process(
        id=process_id, role="up", host="here", pid=1, queues=QUEUES, concurrency=32, started_at=clock.now()
    )
    return QueueAssignment(process, dict.fromkeys(QUEUES, 32))


def _use_real_time(heartbeat: ProcessHeartbeat | None) -> ProcessHeartbeat | None:
    """Let the process heartbeat use real time: its poll for commits of other processes must find them soon."""
    return heartbeat and replace(heartbeat, repeater=Repeater())


def _poll_often(bot: Bot) -> None:
    """Poll the queues with scheduled jobs often: no notification arrives when the test's clock makes a job due."""
    if isinstance(bot.backend, QueueBackend):
        fast = dict.fromkeys(("timer", "deliver", "input"), FAST_POLL_SECONDS)
        bot.backend.poll_intervals = POLL_INTERVAL_SECONDS | fast


def _stop_sweeper(bot: Bot) -> None:
    """Stop the sweep: it would repair each lost wake-up after a minute of the test's clock, and so hide it."""
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
    tool_call_recorder: ToolCallRecorder | None = None,
    rules: tuple[Rule, ...] = (),
    channels: Mapping[str, Channel | PullChannel] | None = None,
    plugins: Mapping[str, Plugin] | None = None,
    id_prefix: str = "a",
    main_agent: Agent | None = None,
    roster: Roster | None = None,
    answer_links: AnswerLinks | None = None,
    **agent_settings: object,
) -> AsyncIterator[BotHarness]:
    """Start a bot, yield its harness and stop it; then check that a scripted model was used up.

    Open the same database again with another `id_prefix` to test a restart. The agent of every thread is
    `main_agent`, by default the helper; a `roster` replaces both. With `has_job_queue` the bot executes the jobs in the
    database, otherwise it has an embedded worker. It processes the stored inputs of `plugins`.
    """
    clock, tool_call_recorder = clock or FakeClock(), tool_call_recorder or ToolCallRecorder()
    sequence = SequentialIds(id_prefix)
    tools = build_tools(tool_call_recorder)
    helper = Agent(name="helper", purpose="helps", instructions="Help.", tools=tools, **agent_settings)  # type: ignore[arg-type]  # settings of the test
    bot_clock = Clock(now=clock.now, jitter=lambda: 1.0, monotonic=clock.monotonic)
    agents = {agent.name: agent for agent in ([main_agent, helper] if main_agent else [helper])}
    roster = roster or Roster(agents, Policy(rules=rules, people=PEOPLE))
    model = model or ScriptedModel()
    assignment = _queue_assignment(id_prefix, clock) if has_job_queue else None
    bot = bootstrap(
        database,
        roster,
        model,
        {**(channels or channels_by_scheme()), **plugin_channels(plugins or {})},
        clock=bot_clock,
        ids=IdGenerator(sequence.new_id, sequence.new_code),
        sleep=clock.sleep,
        assignment=assignment,
        answer_links=answer_links,
    )
    connect_plugins(bot, plugins or {})
    bot.heartbeat = _use_real_time(bot.heartbeat)
    commits: list[CommitResult] = []
    bot.engine.listeners.append(commits.append)
    with ExitStack() as stack:
        if has_job_queue:
            stack.enter_context(_database_follows_clock(clock, database))
        _poll_often(bot)
        await bot.start()
        _stop_sweeper(bot)
        try:
            yield BotHarness(bot, clock, tool_call_recorder, commits)
        finally:
            await bot.stop(grace_seconds=5)
    if isinstance(model, ScriptedModel):
        model.assert_called_as_scripted()
