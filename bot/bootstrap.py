"""The composition root: everything is put together here, by arguments; tests put their own parts in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from agents.model import Model
from bot.approval_service import ApprovalService
from bot.effect_executor import EffectExecutor
from bot.embedded_backend import EmbeddedBackend
from bot.embedded_worker import EmbeddedWorker
from bot.engine import Engine
from bot.execution_backend import ExecutionBackend, NoExecution
from bot.ids import Clock, IdGenerator
from bot.job_completion import JobCompletion
from bot.job_handlers import JobHandlers
from bot.jobs import enqueue_follow_ups
from bot.loop_supervisor import LoopSupervisor
from bot.message_sender import MessageSender
from bot.outbox_dispatcher import OutboxDispatcher
from bot.process_heartbeat import ProcessHeartbeat
from bot.reply_streams import ReplyStreams
from bot.roster import Roster
from bot.sleep import Sleep, sleep_until
from bot.status_reporter import StatusReporter
from bot.thread_control import ThreadControl
from bot.thread_runner import ThreadRunner
from bot.thread_service import ThreadService
from bot.timer_service import TimerService
from bot.tool_runner import ToolRunner
from channels.base import Channel, PullChannel, StatusChannel, StreamingChannel
from storage.database import Database
from storage.event_store import ThreadStore
from storage.jobs import Queue
from storage.processes import Process

SHUTDOWN_GRACE_SECONDS = 8.0
"""Seconds for what runs to end when we stop; with closing everything this stays within the 10 s we promise."""


@dataclass(frozen=True)
class QueueAssignment:
    """What a process does of the work it shares with others: jobs of these queues, so many at once; none at all."""

    process: Process
    queues: Mapping[Queue, int]


@dataclass
class Bot:
    """A running bot: the parts others talk to, and the tasks behind them."""

    engine: Engine
    roster: Roster
    clock: Clock
    threads: ThreadService
    approvals: ApprovalService
    thread_control: ThreadControl
    backend: ExecutionBackend
    tool_runner: ToolRunner
    channels: Mapping[str, Channel | PullChannel]
    channel_errors: dict[str, str]
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    heartbeat: ProcessHeartbeat | None = field(default=None)
    supervisor: LoopSupervisor = field(default_factory=LoopSupervisor)

    async def start(self) -> Self:
        """Take up what was left, and begin."""
        if self.heartbeat is not None:
            await self.heartbeat.start()
        await self.backend.start()
        return self

    async def stop(self, grace_seconds: float = SHUTDOWN_GRACE_SECONDS) -> None:
        """Take no new work, finish or release what runs, close the database."""
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
) -> Bot:
    """Put a bot together on an open database. Nothing runs before `start`. Without a `share` it does everything."""
    clock, ids = clock or Clock(), ids or IdGenerator()
    threads = ThreadStore(is_multi_process=database.is_multi_process)
    database.on_rollback.append(threads.clear_cache)
    readers = {scheme: channel for scheme, channel in channels.items() if isinstance(channel, PullChannel)}
    senders = {scheme: channel for scheme, channel in channels.items() if isinstance(channel, Channel)}
    engine = Engine(
        database, threads, readers, enqueue_jobs=enqueue_follow_ups if assignment else None, people=roster.people
    )
    endings = JobCompletion()
    own = replace(engine, enqueue_jobs=endings.enqueue_and_finish, is_optimistic=True) if assignment else engine
    engine.listeners.append(endings.on_commit)
    runner = ToolRunner(roster)
    drafts = ReplyStreams(
        {s: channel for s, channel in channels.items() if isinstance(channel, StreamingChannel)}, roster.people
    )
    activity = StatusReporter({s: channel for s, channel in channels.items() if isinstance(channel, StatusChannel)})
    advancer = ThreadRunner(EffectExecutor(own, roster, model, runner, clock, drafts, ids), clock, activity)
    handover = MessageSender(engine, senders, clock, roster.people)
    loops = LoopSupervisor(clock, sleep)
    wakeups = (
        _create_queue_backend(assignment, JobHandlers(engine, advancer, handover, roster, clock, sleep, endings), loops)
        if assignment
        else _create_embedded_backend(engine, roster, advancer, handover, clock, sleep, loops)
    )
    return Bot(
        engine=engine,
        roster=roster,
        clock=clock,
        threads=ThreadService(engine, roster, clock, channels, ids),
        approvals=ApprovalService(engine, roster, clock, runner),
        thread_control=ThreadControl(engine, clock, ids),
        backend=wakeups,
        tool_runner=runner,
        channels=channels,
        channel_errors=handover.channel_errors,
        heartbeat=ProcessHeartbeat(engine, assignment.process, clock, sleep, loops, lambda: wakeups.worker_ids)
        if assignment
        else None,
        supervisor=loops,
    )


def _create_queue_backend(
    assignment: QueueAssignment, handlers: JobHandlers, supervisor: LoopSupervisor
) -> ExecutionBackend:
    if not assignment.queues:
        return NoExecution()
    from bot.queue_backend import QueueBackend  # noqa: PLC0415 - 0.3 s that nobody on SQLite should wait for

    return QueueBackend(handlers, assignment.queues, supervisor)


def _create_embedded_backend(
    engine: Engine,
    roster: Roster,
    thread_runner: ThreadRunner,
    sender: MessageSender,
    clock: Clock,
    sleep: Sleep,
    supervisor: LoopSupervisor,
) -> EmbeddedBackend:
    worker = EmbeddedWorker(engine, thread_runner, clock, sleep)
    courier = OutboxDispatcher(engine, sender, clock, sleep)
    return EmbeddedBackend(engine, worker, courier, TimerService(engine, roster, worker, clock, sleep), supervisor)
