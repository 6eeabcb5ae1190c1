"""One process of a bot, to be killed: the real one, with the suite's agent, model and channel put in.

python -m tests.crashes.process --url URL --folder FOLDER [--role up] [--place PLACE --nth N] [--ahead SECONDS] …

`--place` is where it dies, `--ahead` sets its clock forward, `--held` names a tool that waits in the midst of its work,
`--no-clock` starts no clock. A line of JSON says when it is ready, and at which port.
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
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine as AnyEngine

from bot import ids, serving
from bot.database import bring_up_to_date, revision
from bot.ids import Chance, fresh_id, utc_now
from bot.log import configure_logging
from bot.sleeping import Sleep, sleep_until
from bot.web.app import create_app
from bot.web.server import listener
from bot.wiring import Bot, Share, bootstrap
from channels.registry import by_scheme
from storage.database import Database
from storage.jobs import QUEUES, stalled
from storage.jobs import serving as jobs
from storage.processes import Process
from storage.schema import HEAD
from tests.crashes.fate import Fate
from tests.crashes.ledgers import Ledgers
from tests.crashes.mortal import LastListener, MortalDatabase, MortalDoor, MortalPerformer, StoppedClock
from tests.crashes.world import CREDENTIALS, MortalModel, PagerChannel, Workshop, roster_of

AT_ONCE = 16
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
    parser.add_argument("--ahead", type=float, default=0.0)
    parser.add_argument("--held", default="")
    parser.add_argument("--no-clock", action="store_true")
    return parser.parse_args(arguments)


def _up(options: argparse.Namespace, announce: Announce) -> None:
    """Everything in one process, as `handrail up` does it."""
    bot, fate = _bot(options)
    door = listener("127.0.0.1", 0)
    app = create_app(bot, CREDENTIALS)
    app.add_middleware(MortalDoor, fate=fate)
    server = serving._Server(app)
    server.when_listening = lambda: announce({"ready": True, "port": door.getsockname()[1]})
    asyncio.run(serving._serve(bot, server, door))


def _migrate(options: argparse.Namespace, announce: Announce) -> None:
    """`handrail migrate`; its places are the statements it sends."""
    fate = Fate(options.folder, options.place, options.nth)
    event.listen(AnyEngine, "before_cursor_execute", lambda *_: fate.meets("statement"))
    bring_up_to_date(options.url)
    announce({"ready": True})


ROLES: Mapping[str, Callable[[argparse.Namespace, Announce], None]] = {"up": _up, "migrate": _migrate}
"""What a process may be. Roles differ in the parts of the bot they start, and in nothing else."""


def _bot(options: argparse.Namespace) -> tuple[Bot, Fate]:
    fate, ledgers = Fate(options.folder, options.place, options.nth), Ledgers(options.folder)
    roster = roster_of(Workshop(ledgers, fate, options.held))
    database: Any = MortalDatabase(_opened(options.url), fate)
    channels = {**by_scheme(), PagerChannel.scheme: PagerChannel(ledgers, fate)}
    now, sleep = _clock(timedelta(seconds=options.ahead))
    share = _share() if database.shared else None
    bot = bootstrap(database, roster, MortalModel(fate), channels, chance=Chance(now=now), sleep=sleep, share=share)
    parts: Any = bot.wakeups
    mover = parts.handlers if share else parts.worker
    mover.advancer = replace(mover.advancer, performer=MortalPerformer(mover.advancer.performer, fate))
    bot.engine.listeners.append(LastListener(fate).notice)
    if options.no_clock:
        parts.clock = StoppedClock()
    return bot, fate


def _opened(url: str) -> Database:
    if revision(url) != HEAD:
        bring_up_to_date(url)
    return Database.open(url)


def _share() -> Share:
    """All of the work, as `handrail up` takes it on a shared database, and in more of a hurry to take it over."""
    jobs.HEARTBEAT, stalled.STALE, stalled.INTERVAL = 0.2, 1.0, 0.2
    process = Process(fresh_id(), "up", "here", os.getpid(), QUEUES, AT_ONCE, utc_now())
    return Share(process, dict.fromkeys(QUEUES, AT_ONCE))


def _clock(ahead: timedelta) -> tuple[Callable[[], datetime], Sleep]:
    """A clock that is ahead, and the sleep that goes with it."""

    async def sleep(at: datetime | None, bell: asyncio.Event) -> None:
        await sleep_until(None if at is None else at - ahead, bell)

    return lambda: utc_now() + ahead, sleep


def _say(words: Mapping[str, Any]) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


if __name__ == "__main__":
    run(sys.argv[1:], _say)
