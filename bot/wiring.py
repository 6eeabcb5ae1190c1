"""The composition root: everything is put together here, by arguments; tests put their own parts in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from agents.model import Model
from bot.activity import Activity
from bot.advancing import Advancer
from bot.clock import Clock
from bot.courier import Courier
from bot.deciding import Deciding
from bot.drafts import Drafts
from bot.embedded import Embedded
from bot.endings import Endings
from bot.engine import Engine
from bot.handover import Handover
from bot.ids import Chance
from bot.intake import Intake
from bot.job_handlers import JobHandlers
from bot.jobs import defer_what_follows
from bot.loops import Loops
from bot.perform import Performer
from bot.presence import Presence
from bot.roster import Roster
from bot.running import Runner
from bot.sleeping import Sleep, sleep_until
from bot.steering import Steering
from bot.wakeups import Elsewhere, WakeUps
from bot.worker import Worker
from channels.base import Channel, Drafter, Reader, ShowsWork
from storage.database import Database
from storage.jobs import Queue
from storage.processes import Process
from storage.threads import Threads

GRACE = 8.0
"""Seconds for what runs to end when we stop; with closing everything this stays within the 10 s we promise."""


@dataclass(frozen=True)
class Share:
    """What a process does of the work it shares with others: jobs of these queues, so many at once; none at all."""

    process: Process
    queues: Mapping[Queue, int]


@dataclass
class Bot:
    """A running bot: the parts others talk to, and the tasks behind them."""

    engine: Engine
    roster: Roster
    chance: Chance
    intake: Intake
    deciding: Deciding
    steering: Steering
    wakeups: WakeUps
    runner: Runner
    channels: Mapping[str, Channel | Reader]
    troubles: dict[str, str]
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    presence: Presence | None = field(default=None)
    loops: Loops = field(default_factory=Loops)

    async def start(self) -> Self:
        """Take up what was left, and begin."""
        if self.presence is not None:
            await self.presence.start()
        await self.wakeups.start()
        return self

    async def stop(self, grace: float = GRACE) -> None:
        """Take no new work, finish or release what runs, close the database."""
        await self.wakeups.stop(grace)
        if self.presence is not None:
            await self.presence.stop()
        self.runner.close()
        for close in self.closers:
            await close()
        await self.engine.database.close()


def bootstrap(
    database: Database,
    roster: Roster,
    model: Model,
    channels: Mapping[str, Channel | Reader],
    *,
    chance: Chance | None = None,
    sleep: Sleep = sleep_until,
    share: Share | None = None,
) -> Bot:
    """Put a bot together on an open database. Nothing runs before `start`. Without a `share` it does everything."""
    chance = chance or Chance()
    threads = Threads(shared=database.shared)
    database.forgetters.append(threads.forget)
    readers = {scheme: channel for scheme, channel in channels.items() if isinstance(channel, Reader)}
    senders = {scheme: channel for scheme, channel in channels.items() if isinstance(channel, Channel)}
    engine = Engine(database, threads, readers, deferrer=defer_what_follows if share else None, people=roster.people)
    endings = Endings()
    own = replace(engine, deferrer=endings.defer, hopeful=True) if share else engine
    engine.listeners.append(endings.notice)
    runner = Runner(roster)
    drafts = Drafts({s: channel for s, channel in channels.items() if isinstance(channel, Drafter)}, roster.people)
    activity = Activity({s: channel for s, channel in channels.items() if isinstance(channel, ShowsWork)})
    advancer = Advancer(Performer(own, roster, model, runner, chance, drafts), chance, activity)
    handover = Handover(engine, senders, chance, roster.people)
    loops = Loops(chance, sleep)
    wakeups = (
        _shared(share, JobHandlers(engine, advancer, handover, roster, chance, sleep, endings), loops)
        if share
        else _embedded(engine, roster, advancer, handover, chance, sleep, loops)
    )
    return Bot(
        engine=engine,
        roster=roster,
        chance=chance,
        intake=Intake(engine, roster, chance, channels),
        deciding=Deciding(engine, roster, chance, runner),
        steering=Steering(engine, chance),
        wakeups=wakeups,
        runner=runner,
        channels=channels,
        troubles=handover.troubles,
        presence=Presence(engine, share.process, chance, sleep, loops, lambda: wakeups.worker_ids) if share else None,
        loops=loops,
    )


def _shared(share: Share, handlers: JobHandlers, loops: Loops) -> WakeUps:
    if not share.queues:
        return Elsewhere()
    from bot.queue_worker import QueueWorker  # noqa: PLC0415 - 0.3 s that nobody on SQLite should wait for

    return QueueWorker(handlers, share.queues, loops)


def _embedded(
    engine: Engine,
    roster: Roster,
    advancer: Advancer,
    handover: Handover,
    chance: Chance,
    sleep: Sleep,
    loops: Loops,
) -> Embedded:
    worker = Worker(engine, advancer, chance, sleep)
    courier = Courier(engine, handover, chance, sleep)
    return Embedded(engine, worker, courier, Clock(engine, roster, worker, chance, sleep), loops)
