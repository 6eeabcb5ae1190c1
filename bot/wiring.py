"""The composition root: everything is put together here, by arguments; tests put their own parts in."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

from agents.model import Model
from bot.clock import Clock
from bot.courier import Courier
from bot.deciding import Deciding
from bot.engine import Engine
from bot.ids import Chance
from bot.intake import Intake
from bot.perform import Performer
from bot.roster import Roster
from bot.running import Runner
from bot.sleeping import Sleep, sleep_until
from bot.steering import Steering
from bot.worker import Worker
from channels.base import Channel, Reader
from storage.database import Database
from storage.threads import Threads

GRACE = 8.0
"""Seconds for what runs to end when we stop; with closing everything this stays within the 10 s we promise."""


@dataclass
class Bot:
    """A running bot: the parts others talk to, and the tasks behind them."""

    engine: Engine
    roster: Roster
    chance: Chance
    intake: Intake
    deciding: Deciding
    steering: Steering
    worker: Worker
    courier: Courier
    clock: Clock
    executor: ThreadPoolExecutor
    _clock_task: asyncio.Task[None] | None = field(default=None)

    async def start(self) -> Self:
        """Take up what was left, and begin. The courier first: what the worker then posts reaches it once."""
        await self.courier.start()
        self.engine.listeners += [self.worker.notice, self.courier.notice, self.clock.notice]
        await self.worker.start()
        self._clock_task = asyncio.create_task(self.clock.run(), name="clock")
        return self

    async def stop(self, grace: float = GRACE) -> None:
        """Take no new work, finish or release what runs, close the database."""
        if self._clock_task is not None:
            self._clock_task.cancel()
        await asyncio.gather(self.worker.stop(grace), self.courier.stop(grace))
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.engine.database.close()


def bootstrap(
    database: Database,
    roster: Roster,
    model: Model,
    channels: Mapping[str, Channel | Reader],
    *,
    chance: Chance | None = None,
    sleep: Sleep = sleep_until,
    concurrency: int = 64,
) -> Bot:
    """Put a bot together on an open database. Nothing runs before `start`."""
    chance = chance or Chance()
    threads = Threads()
    database.forgetters.append(threads.forget)
    readers = {scheme: channel for scheme, channel in channels.items() if isinstance(channel, Reader)}
    senders = {scheme: channel for scheme, channel in channels.items() if isinstance(channel, Channel)}
    engine = Engine(database, threads, readers)
    executor = ThreadPoolExecutor(max_workers=16, thread_name_prefix="tool")
    performer = Performer(engine, roster, model, Runner(roster, executor), chance)
    worker = Worker(engine, performer, chance, sleep, concurrency)
    return Bot(
        engine=engine,
        roster=roster,
        chance=chance,
        intake=Intake(engine, roster, chance),
        deciding=Deciding(engine, roster, chance),
        steering=Steering(engine, chance),
        worker=worker,
        courier=Courier(engine, senders, chance, sleep),
        clock=Clock(engine, roster, worker, chance, sleep),
        executor=executor,
    )
