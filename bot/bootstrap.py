"""Composition root: build a bot from its parts, passed as arguments. Tests pass their own parts."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from agents.llm.base import Model
from bot.delivery.budgets import SendBudgets
from bot.delivery.dispatcher import OutboxDispatcher
from bot.delivery.feedback import ReplyStreams, StatusReporter
from bot.delivery.sender import MessageSender
from bot.execution.backend import ExecutionBackend, NoExecution
from bot.execution.effects import EffectExecutor
from bot.execution.embedded import EmbeddedBackend, EmbeddedWorker
from bot.execution.heartbeat import ProcessHeartbeat
from bot.execution.inputs import InputProcessor, InputRunner
from bot.execution.queue.handlers import JobHandlers
from bot.execution.queue.jobs import JobCompletion
from bot.execution.thread_runner import ThreadRunner, TimerService
from bot.execution.tools.runner import ToolRunner
from bot.services.answer_links import AnswerLinks
from bot.services.approvals import ApprovalService
from bot.services.contacts import ContactService
from bot.services.delivery_confirmations import DeliveryConfirmations
from bot.services.delivery_reports import DeliveryReports
from bot.services.engine import Engine, JobEnqueuer
from bot.services.ids import Clock, IdGenerator
from bot.services.inputs import InputService
from bot.services.receiver import ThreadReceiver
from bot.services.request_query import OverviewQuery
from bot.services.retry import LoopSupervisor, Repeater, Sleep, sleep_until
from bot.services.roster import Roster
from bot.services.thread_control import ThreadControl
from bot.services.threads import ConversationRouter, ThreadService
from channels.abilities import StatusChannel, StreamingChannel
from channels.base import Channel, Plugin, PullChannel
from storage.database.database import Database
from storage.event_store import ThreadStore
from storage.jobs import Queue
from storage.processes import Process

SHUTDOWN_GRACE_SECONDS = 8.0
"""Time for running work to finish on shutdown. With closing the connections, a stop stays within the promised 10 s."""


@dataclass(frozen=True)
class QueueAssignment:
    """Job queues that a process works on, with the number of concurrent jobs of each. It may be empty."""

    process: Process
    queues: Mapping[Queue, int]


@dataclass
class Bot:
    """A bot: its services, its execution backend and its background tasks. `plugins` are by channel name."""

    engine: Engine
    roster: Roster
    clock: Clock
    receiver: ThreadReceiver
    backend: ExecutionBackend
    tool_runner: ToolRunner
    input_runner: InputRunner
    channels: Mapping[str, Channel | PullChannel]
    channel_errors: dict[str, str]
    plugins: Mapping[str, Plugin] = field(default_factory=dict)
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    heartbeat: ProcessHeartbeat | None = field(default=None)
    supervisor: LoopSupervisor = field(default_factory=LoopSupervisor)
    answer_links: AnswerLinks | None = None

    @property
    def threads(self) -> ThreadService:
        return self.receiver.conversations.threads

    @property
    def approvals(self) -> ApprovalService:
        return self.receiver.approvals

    @property
    def thread_control(self) -> ThreadControl:
        return self.receiver.thread_control

    async def start(self) -> Self:
        """Start the heartbeat and the backend, which continues unfinished threads."""
        if self.heartbeat is not None:
            await self.heartbeat.start()
        await self.backend.start()
        return self

    async def stop(self, grace_seconds: float = SHUTDOWN_GRACE_SECONDS) -> None:
        """Stop taking work, finish or release running work, and close all connections."""
        await self.backend.stop(grace_seconds)
        if self.heartbeat is not None:
            await self.heartbeat.stop()
        self.tool_runner.close()
        for close in self.closers:
            await close()
        await self.engine.database.close()


def bootstrap(  # noqa: PLR0913 - tests replace clock, ids and sleep
    database: Database,
    roster: Roster,
    model: Model,
    channels: Mapping[str, Channel | PullChannel],
    *,
    clock: Clock | None = None,
    ids: IdGenerator | None = None,
    sleep: Sleep = sleep_until,
    assignment: QueueAssignment | None = None,
    answer_links: AnswerLinks | None = None,
) -> Bot:
    """Build a bot on an open database. Nothing runs before `start`. Without an `assignment` it does all work itself.

    `answer_links` are the links on cards to the pages where one can answer them.
    """
    clock, ids = clock or Clock(), ids or IdGenerator()
    repeater = Repeater(clock, sleep)
    inputs = InputService(database, clock, ids, has_job_queue=assignment is not None)
    push_channels = {scheme: channel for scheme, channel in channels.items() if isinstance(channel, Channel)}
    streaming_channels = {s: channel for s, channel in channels.items() if isinstance(channel, StreamingChannel)}
    completion = JobCompletion()
    engine = _create_engine(database, channels, roster, completion.enqueue if assignment else None)
    engine.listeners.append(completion.on_commit)
    tool_runner = ToolRunner(roster)
    reply_streams = ReplyStreams(streaming_channels, roster.people)
    reporter = StatusReporter({s: channel for s, channel in channels.items() if isinstance(channel, StatusChannel)})
    executor = EffectExecutor(engine, roster, model, tool_runner, clock, reply_streams, ids)
    runner = ThreadRunner(engine, executor, clock, reporter)
    reports = DeliveryReports(engine, clock, roster.people)
    contacts = ContactService(database, reports, clock)
    sender = MessageSender(engine, push_channels, repeater, contacts, roster.people, answer_links)
    input_runner = InputRunner(inputs, push_channels, repeater, SendBudgets(contacts, clock.now))
    supervisor = LoopSupervisor(clock, sleep)
    if assignment is None:
        backend = _create_embedded_backend(engine, roster, runner, sender, input_runner, repeater, supervisor)
    else:
        handlers = JobHandlers(engine, runner, sender, roster, repeater, input_runner, completion)
        backend = _create_queue_backend(assignment, handlers, supervisor)
    return Bot(
        engine=engine,
        roster=roster,
        clock=clock,
        receiver=_create_receiver(engine, roster, channels, ids, tool_runner, inputs, contacts),
        backend=backend,
        tool_runner=tool_runner,
        input_runner=input_runner,
        channels=channels,
        channel_errors=sender.channel_errors,
        heartbeat=_create_heartbeat(engine, assignment, repeater, supervisor, backend) if assignment else None,
        supervisor=supervisor,
        answer_links=answer_links,
    )


def _create_engine(
    database: Database,
    channels: Mapping[str, Channel | PullChannel],
    roster: Roster,
    enqueue_jobs: JobEnqueuer | None,
) -> Engine:
    threads = ThreadStore(is_multi_process=database.is_multi_process)
    database.on_rollback.append(threads.clear_cache)
    pull_channels = {scheme: channel for scheme, channel in channels.items() if isinstance(channel, PullChannel)}
    return Engine(database, threads, pull_channels, enqueue_jobs=enqueue_jobs, people=roster.people)


def _create_receiver(
    engine: Engine,
    roster: Roster,
    channels: Mapping[str, Channel | PullChannel],
    ids: IdGenerator,
    tool_runner: ToolRunner,
    inputs: InputService,
    contacts: ContactService,
) -> ThreadReceiver:
    clock = contacts.clock
    conversations = ConversationRouter(engine.database, ThreadService(engine, roster, clock, channels, ids))
    approvals = ApprovalService(engine, roster, clock, argument_preparer=tool_runner)
    thread_control, overviews = ThreadControl(engine, clock, ids), OverviewQuery(engine.database)
    deliveries = DeliveryConfirmations(contacts.delivery_reports)
    return ThreadReceiver(conversations, thread_control, roster, approvals, overviews, inputs, deliveries, contacts)


def _create_heartbeat(
    engine: Engine,
    assignment: QueueAssignment,
    repeater: Repeater,
    supervisor: LoopSupervisor,
    backend: ExecutionBackend,
) -> ProcessHeartbeat:
    return ProcessHeartbeat(engine, assignment.process, repeater, supervisor, lambda: backend.worker_ids)


def _create_queue_backend(
    assignment: QueueAssignment, handlers: JobHandlers, supervisor: LoopSupervisor
) -> ExecutionBackend:
    if not assignment.queues:
        return NoExecution()
    from bot.execution.queue.backend import QueueBackend  # noqa: PLC0415 - saves 0.3 s at startup on SQLite

    return QueueBackend(handlers, assignment.queues, supervisor)


def _create_embedded_backend(
    engine: Engine,
    roster: Roster,
    thread_runner: ThreadRunner,
    sender: MessageSender,
    input_runner: InputRunner,
    repeater: Repeater,
    supervisor: LoopSupervisor,
) -> ExecutionBackend:
    worker = EmbeddedWorker(engine, thread_runner, repeater)
    dispatcher = OutboxDispatcher(engine, sender, repeater)
    timers = TimerService(engine, roster, worker.schedule, repeater)
    return EmbeddedBackend(engine, worker, dispatcher, timers, InputProcessor(input_runner), repeater, supervisor)
