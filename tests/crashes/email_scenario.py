"""Crash scenario with mail: the mail and DNS servers of the people, and the bot processes that they write to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.crashes.process_pool import wait_until
from tests.crashes.scenario import CrashScenario
from tests.crashes.snapshot import SystemSnapshot, snapshot_connection
from tests.harness.email_people import MailWorld, mail_world
from tests.harness.email_server import has_unfinished_inputs
from tests.harness.server_processes import free_port
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS


@dataclass
class EmailScenario:
    """The people with their mailboxes, and the scenario in which their bot is killed."""

    scenario: CrashScenario
    world: MailWorld
    port: int

    async def start(self, kill_point: str = "", occurrence: int = 1) -> None:
        """Start the bot. The first of its processes to reach the kill point is killed there."""
        dns = self.world.dns.address
        flags = [
            f"--email-listen=127.0.0.1:{self.port}",
            f"--email-relay=127.0.0.1:{self.world.sink.port}",
            f"--email-dns={dns.host}:{dns.port}",
        ]
        await asyncio.to_thread(self.scenario.start, kill_point, occurrence, flags=flags)

    async def wait_for_kill(self, kill_point: str, occurrence: int = 1) -> None:
        """Wait until the bot was killed at the kill point."""
        await asyncio.to_thread(self.scenario.wait_for_kill, kill_point, occurrence)

    async def restart(self, kill_point: str = "", occurrence: int = 1) -> None:
        """Kill all processes of the bot and start it again."""
        await asyncio.to_thread(self.scenario.kill)
        await self.start(kill_point, occurrence)

    async def stop_when_idle(self) -> SystemSnapshot:
        """Wait until no work is left, kill the bot, and return the content of the database."""
        await asyncio.to_thread(self._wait_for_inputs)
        await asyncio.to_thread(self.scenario.wait_until_idle)
        await asyncio.to_thread(self.scenario.kill)
        return self.scenario.take_snapshot()

    def _wait_for_inputs(self) -> None:
        with snapshot_connection(self.scenario.url) as connection:
            wait_until(
                lambda: not has_unfinished_inputs(connection),
                lambda: f"mails are not processed: {self.scenario.log_tail}",
                WAIT_TIMEOUT_SECONDS,
            )


@asynccontextmanager
async def email_scenario(scenario: CrashScenario) -> AsyncIterator[EmailScenario]:
    """Yield people whose bot has not been started yet."""
    port = free_port()
    async with mail_world(lambda: port) as world:
        try:
            yield EmailScenario(scenario, world, port)
        finally:
            await asyncio.to_thread(scenario.kill)
