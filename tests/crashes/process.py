"""One process of a bot, to be killed: the real one, with the suite's agent, model and channel put in.

python -m tests.crashes.process --url URL --folder FOLDER [--role up] [--place PLACE --nth N] [--ahead SECONDS] …

`--place` is where it dies, or stands still when it `--stands`; `--ahead` sets its clock forward, `--held` names a tool
that waits in the midst of its work, `--no-clock` reports no deadlines, `--stale` is after how many seconds of silence
others count as dead, `--slack` is where Slack's methods are, reached over HTTP or, with `--socket`, over Socket Mode.
A line of JSON says when it is ready, and at which port.
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

from bot import fence, heartbeat, ids, serving, working
from bot.advancing import Advancer
from bot.assembly import Role
from bot.clock import Clock
from bot.database import bring_up_to_date, revision
from bot.embedded import Embedded
from bot.ids import Chance, fresh_id, utc_now
from bot.job_handlers import JobHandlers
from bot.log import configure_logging
from bot.perform import Performer
from bot.queue_worker import QueueWorker
from bot.sleeping import Sleep, sleep_until
from bot.wakeups import WakeUps
from bot.web.app import create_app
from bot.web.server import listener
from bot.web.ways_in import WaysIn, slack_ways_in
from bot.wiring import Bot, Share, bootstrap
from channels.registry import by_scheme
from storage.database import Database
from storage.jobs import QUEUES, stalled
from storage.jobs import serving as jobs
from storage.processes import Process
from storage.schema import HEAD
from tests.crashes.fate import Fate
from tests.crashes.ledgers import Ledgers
from tests.crashes.mortal import (
    LastListener,
    MortalDatabase,
    MortalDoor,
    MortalHandlers,
    MortalPerformer,
    StoppedClock,
)
from tests.crashes.slack import account_at, mortal_channel
from tests.crashes.world import CREDENTIALS, MortalModel, PagerChannel, Workshop, roster_of

AT_ONCE = 16
UP = Role("up", QUEUES, AT_ONCE, alone=True)
WEB = Role("web")
WORKER = Role("worker", QUEUES, AT_ONCE)
CLOCK = Role("clock", ("timer",), AT_ONCE)
Announce = Callable[[Mapping[str, Any]], None]


def run(arguments: Sequence[str], announce: Announce) -> None:
    """Play a role to its end."""
    options = _read(arguments)
    configure_logging("info", "json")
    ids._random.seed(secrets.randbits(256))  # a fork would give out the names its siblings give out
    ROLES[options.role](options, announce)


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--role", choices=ROLES, default="up")
    parser.add_argument("--place", default="")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--stands", action="store_true")
    parser.add_argument("--ahead", type=float, default=0.0)
    parser.add_argument("--held", default="")
    parser.add_argument("--no-clock", action="store_true")
    parser.add_argument("--slack", default="")
    parser.add_argument("--socket", action="store_true")
    parser.add_argument("--stale", type=float, default=stalled.STALE)
    return parser.parse_args(arguments)


def _answers(role: Role, options: argparse.Namespace, announce: Announce) -> None:
    """A process that answers HTTP, as `handrail up` and `handrail web` do."""
    bot, fate = _bot(role, options)
    door = listener("127.0.0.1", 0)
    ways_in = slack_ways_in(account_at(options.slack, socket=options.socket), bot) if options.slack else WaysIn()
    app = create_app(bot, CREDENTIALS, doors=ways_in.routes)
    app.add_middleware(MortalDoor, fate=fate)
    server = serving._Server(app)
    server.when_listening = lambda: announce({"ready": True, "port": door.getsockname()[1]})
    asyncio.run(serving._serve(bot, server, door, ways_in))


def _works(role: Role, options: argparse.Namespace, announce: Announce) -> None:
    """A process that takes jobs and answers nobody, as `handrail worker` and `handrail clock` do."""
    bot, _ = _bot(role, options)
    asyncio.run(working._work(bot, lambda: announce({"ready": True})))


def _migrate(options: argparse.Namespace, announce: Announce) -> None:
    """`handrail migrate`; its places are the statements it sends."""
    fate = Fate(options.folder, options.place, options.nth)
    event.listen(AnyEngine, "before_cursor_execute", lambda *_: fate.meets("statement"))
    bring_up_to_date(options.url)
    announce({"ready": True})


ROLES: Mapping[str, Callable[[argparse.Namespace, Announce], None]] = {
    "up": partial(_answers, UP),
    "web": partial(_answers, WEB),
    "worker": partial(_works, WORKER),
    "clock": partial(_works, CLOCK),
    "migrate": _migrate,
}
"""What a process may be. Roles differ in the parts of the bot they start, and in nothing else."""


def _bot(role: Role, options: argparse.Namespace) -> tuple[Bot, Fate]:
    fate = Fate(options.folder, options.place, options.nth, options.stands)
    ledgers = Ledgers(options.folder)
    roster = roster_of(Workshop(ledgers, fate, options.held))
    database: Any = MortalDatabase(_opened(options.url), fate)
    now, sleep = _clock(timedelta(seconds=options.ahead))
    chance = Chance(now=now)
    channels = {**by_scheme(), PagerChannel.scheme: PagerChannel(ledgers, fate)}
    if options.slack:
        account = account_at(options.slack, socket=options.socket)
        channels["slack"] = mortal_channel(account, chance, sleep, fate)
    share = _share(role, options) if database.shared else None
    bot = bootstrap(database, roster, MortalModel(fate), channels, chance=chance, sleep=sleep, share=share)
    bot.engine.listeners.append(LastListener(fate).notice)
    _make_mortal(bot.wakeups, fate)
    if options.no_clock and isinstance(bot.wakeups, Embedded):
        bot.wakeups.clock = cast("Clock", StoppedClock())
    return bot, fate


def _make_mortal(parts: WakeUps, fate: Fate) -> None:
    """Whoever moves threads on here, if anybody does."""
    if isinstance(parts, Embedded):
        parts.worker.advancer = _mortal(parts.worker.advancer, fate)
    if isinstance(parts, QueueWorker):
        parts.handlers.advancer = _mortal(parts.handlers.advancer, fate)
        parts.handlers = cast("JobHandlers", MortalHandlers(parts.handlers, fate))


def _mortal(advancer: Advancer, fate: Fate) -> Advancer:
    return replace(advancer, performer=cast("Performer", MortalPerformer(advancer.performer, fate)))


def _opened(url: str) -> Database:
    if revision(url) != HEAD:
        bring_up_to_date(url)
    return Database.open(url)


def _share(role: Role, options: argparse.Namespace) -> Share:
    """The role's share of the work, with a look at it more often: nobody waits for the next one."""
    jobs.INTERVAL, stalled.STALE, heartbeat.Heartbeat.interval = 0.2, options.stale, 0.2
    fence.MARGIN = options.stale / 2
    queues = tuple(queue for queue in role.queues if not (options.no_clock and queue == "timer"))
    process = Process(fresh_id(), role.name, "here", os.getpid(), queues, role.concurrency, utc_now())
    return Share(process, dict.fromkeys(queues, role.concurrency))


def _clock(ahead: timedelta) -> tuple[Callable[[], datetime], Sleep]:
    """A clock that is ahead, and the sleep that goes with it."""

    async def sleep(at: datetime | None, bell: asyncio.Event) -> None:
        await sleep_until(None if at is None else at - ahead, bell)

    return lambda: utc_now() + ahead, sleep


def _say(words: Mapping[str, Any]) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


if __name__ == "__main__":
    run(sys.argv[1:], _say)
