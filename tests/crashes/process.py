"""A real bot process with the suite's agent, model and channel, started to be killed.

python -m tests.crashes.process --url URL --folder FOLDER [--role up] [--kill-point NAME --occurrence N] …

`--kill-point` names the point where the process is killed, or suspended with `--suspend`. `--clock-offset` moves its
clock forward (seconds), `--blocked-tool` names a tool that waits at the gate, `--no-clock` disables timers,
`--heartbeat-timeout` is the silence in seconds after which other processes count as dead, `--slack` is the base URL of
the Slack API, `--socket` uses Socket Mode. With `--email-listen` it receives mail there, sends it to `--email-relay`
and asks the DNS server `--email-dns`. A line of JSON on stdout announces that the process is ready, and its port.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import event
from sqlalchemy.engine import Engine as AnyEngine

from bot import process as worker_process
from bot import server_process
from bot.api.app import build_channel_routes, create_app
from bot.api.server import open_listen_socket
from bot.bootstrap import Bot, QueueAssignment, bootstrap
from bot.channel_host import BotRuntime, ChannelHost, connect_plugins
from bot.config.database import database_revision, migrate_database
from bot.execution import heartbeat
from bot.execution.backend import ExecutionBackend
from bot.execution.effects import EffectExecutor
from bot.execution.embedded import EmbeddedBackend
from bot.execution.queue.backend import QueueBackend
from bot.execution.queue.handlers import JobHandlers
from bot.execution.thread_runner import ThreadRunner, TimerService
from bot.execution.tools import runner as lease
from bot.log import configure_logging
from bot.process import ProcessRole
from bot.services import ids
from bot.services.ids import Clock, generate_id, utc_now
from bot.services.retry import Sleep, sleep_until
from channels.base import Channel
from storage.database.database import Database
from storage.database.schema import HEAD_REVISION
from storage.jobs import QUEUES, recovery
from storage.jobs import worker as jobs
from storage.processes import Process
from tests.crashes.agent_under_test import CREDENTIALS, JournaledTools, KillingModel, PagerChannel, build_roster
from tests.crashes.email_fault_injection import killing_email_plugin
from tests.crashes.fault_injection import (
    FaultyDatabase,
    KillingCommitListener,
    KillingEffectExecutor,
    KillingJobHandlers,
    KillingMiddleware,
    StoppedTimerService,
)
from tests.crashes.input_processing import faulty_pager_plugin
from tests.crashes.journals import Journals
from tests.crashes.kill_points import KillPoint
from tests.crashes.slack_fault_injection import killing_slack_plugin
from tests.harness.channels import channels_by_scheme

CONCURRENCY = 16
UP = ProcessRole("up", QUEUES, CONCURRENCY, is_standalone=True)
WEB = ProcessRole("web")
WORKER = ProcessRole("worker", QUEUES, CONCURRENCY)
CLOCK = ProcessRole("clock", ("timer",), CONCURRENCY)
Announce = Callable[[Mapping[str, Any]], None]


def run(arguments: Sequence[str], announce: Announce) -> None:
    """Run one role until the process is stopped or killed."""
    options = _parse_arguments(arguments)
    configure_logging("info", "json")
    ids._random.seed(secrets.randbits(256))  # forked processes would all generate the same ids
    ROLES[options.role](options, announce)


def _parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--role", choices=ROLES, default="up")
    parser.add_argument("--kill-point", default="")
    parser.add_argument("--occurrence", type=int, default=1)
    parser.add_argument("--suspend", action="store_true")
    parser.add_argument("--clock-offset", type=float, default=0.0)
    parser.add_argument("--blocked-tool", default="")
    parser.add_argument("--no-clock", action="store_true")
    parser.add_argument("--slack", default="")
    parser.add_argument("--socket", action="store_true")
    parser.add_argument("--email-listen", default="")
    parser.add_argument("--email-relay", default="")
    parser.add_argument("--email-dns", default="")
    parser.add_argument("--heartbeat-timeout", type=float, default=recovery.HEARTBEAT_TIMEOUT_SECONDS)
    return parser.parse_args(arguments)


def _run_server(role: ProcessRole, options: argparse.Namespace, announce: Announce) -> None:
    """Run a process that serves HTTP, as `handrail up` and `handrail web` do."""
    bot, kill_point = _build_bot(role, options)
    listen_socket = open_listen_socket("127.0.0.1", 0)
    host = ChannelHost(bot.plugins, BotRuntime(bot), has_listeners=role.is_standalone)
    app = create_app(bot, CREDENTIALS, channel_routes=tuple(build_channel_routes(host.plugins, host.runtime)))
    app.add_middleware(KillingMiddleware, kill_point=kill_point)
    server = server_process._Server(app)
    server.on_listening = lambda: announce({"ready": True, "port": listen_socket.getsockname()[1]})
    asyncio.run(server_process._serve(bot, server, listen_socket, host))


def _run_worker(role: ProcessRole, options: argparse.Namespace, announce: Announce) -> None:
    """Run a process that takes jobs and serves no HTTP, as `handrail worker` and `handrail clock` do."""
    bot, _ = _build_bot(role, options)
    asyncio.run(worker_process.run_until_stopped(bot, lambda: announce({"ready": True})))


def _run_migration(options: argparse.Namespace, announce: Announce) -> None:
    """Run `handrail migrate`. Its kill point "statement" is before each SQL statement."""
    kill_point = KillPoint(options.folder, options.kill_point, options.occurrence)
    event.listen(AnyEngine, "before_cursor_execute", lambda *_: kill_point.kill_if_reached("statement"))
    migrate_database(options.url)
    announce({"ready": True})


ROLES: Mapping[str, Callable[[argparse.Namespace, Announce], None]] = {
    "up": partial(_run_server, UP),
    "web": partial(_run_server, WEB),
    "worker": partial(_run_worker, WORKER),
    "clock": partial(_run_worker, CLOCK),
    "migrate": _run_migration,
}
"""Function per role. Roles differ only in the parts of the bot they start."""


def _build_bot(role: ProcessRole, options: argparse.Namespace) -> tuple[Bot, KillPoint]:
    kill_point = KillPoint(options.folder, options.kill_point, options.occurrence, options.suspend)
    journals = Journals(options.folder)
    roster = build_roster(JournaledTools(journals, kill_point, options.blocked_tool))
    database: Any = FaultyDatabase(_open_database(options.url), kill_point)
    now, sleep = _offset_clock(timedelta(seconds=options.clock_offset))
    clock = Clock(now=now)
    channels = {**channels_by_scheme(), PagerChannel.scheme: PagerChannel(journals, kill_point)}
    plugins = {"pager": faulty_pager_plugin(channels["pager"], kill_point)}
    if options.slack:
        plugins["slack"] = killing_slack_plugin(options.slack, clock, sleep, kill_point, is_socket_mode=options.socket)
        channels["slack"] = cast("Channel", plugins["slack"].channel)
    if options.email_listen:
        plugins["email"] = killing_email_plugin(
            options.email_listen, options.email_relay, options.email_dns, clock, kill_point
        )
        channels["email"] = cast("Channel", plugins["email"].channel)
    assignment = _queue_assignment(role, options) if database.is_multi_process else None
    bot = bootstrap(
        database, roster, KillingModel(kill_point), channels, clock=clock, sleep=sleep, assignment=assignment
    )
    connect_plugins(bot, plugins)
    bot.engine.listeners.append(KillingCommitListener(kill_point).on_commit)
    _inject_faults(bot.backend, kill_point)
    if options.no_clock and isinstance(bot.backend, EmbeddedBackend):
        bot.backend.timers = cast("TimerService", StoppedTimerService())
    return bot, kill_point


def _inject_faults(backend: ExecutionBackend, kill_point: KillPoint) -> None:
    """Wrap the parts of the execution backend, if this role has one."""
    if isinstance(backend, EmbeddedBackend):
        backend.worker.thread_runner = _with_faults(backend.worker.thread_runner, kill_point)
    if isinstance(backend, QueueBackend):
        backend.handlers.thread_runner = _with_faults(backend.handlers.thread_runner, kill_point)
        backend.handlers = cast("JobHandlers", KillingJobHandlers(backend.handlers, kill_point))


def _with_faults(thread_runner: ThreadRunner, kill_point: KillPoint) -> ThreadRunner:
    return replace(
        thread_runner, executor=cast("EffectExecutor", KillingEffectExecutor(thread_runner.executor, kill_point))
    )


def _open_database(url: str) -> Database:
    if database_revision(url) != HEAD_REVISION:
        migrate_database(url)
    return Database.open(url)


def _queue_assignment(role: ProcessRole, options: argparse.Namespace) -> QueueAssignment:
    """Return the queues of the role. Heartbeats are more frequent than in production, so that tests wait less."""
    jobs.HEARTBEAT_INTERVAL_SECONDS, recovery.HEARTBEAT_TIMEOUT_SECONDS, heartbeat.HeartbeatThread.interval_seconds = (
        0.2,
        options.heartbeat_timeout,
        0.2,
    )
    lease.LEASE_SECONDS = options.heartbeat_timeout / 2
    queues = tuple(queue for queue in role.queues if not (options.no_clock and queue == "timer"))
    process = Process(
        id=generate_id(),
        role=role.name,
        host="localhost",
        pid=os.getpid(),
        queues=queues,
        concurrency=role.concurrency,
        started_at=utc_now(),
    )
    return QueueAssignment(process, dict.fromkeys(queues, role.concurrency))


def _offset_clock(offset: timedelta) -> tuple[Callable[[], datetime], Sleep]:
    """Return a clock that is ahead by the offset, and the matching sleep."""

    async def sleep(at: datetime | None, wake_event: asyncio.Event) -> None:
        await sleep_until(None if at is None else at - offset, wake_event)

    return lambda: utc_now() + offset, sleep


def _print_message(fields: Mapping[str, Any]) -> None:
    os.write(1, json.dumps(fields).encode() + b"\n")


if __name__ == "__main__":
    run(sys.argv[1:], _print_message)
