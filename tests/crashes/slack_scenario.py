"""Crash scenario with Slack: the fake in real time, and the bot processes that talk to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from channels.slack.manifest import EVENTS_PATH
from tests.crashes.scenario import CrashScenario
from tests.crashes.slack_journal import posted_messages
from tests.crashes.snapshot import SystemSnapshot
from tests.fakes.clock import WallClock
from tests.fakes.slack.delivery import FAST_RETRY_DELAYS
from tests.fakes.slack.person import Person
from tests.fakes.slack.slack import FakeSlack, fake_slack

OPS = "C0OPS"


@dataclass
class SlackScenario:
    """The people of a workspace, and the scenario in which their bot is killed."""

    scenario: CrashScenario
    slack: FakeSlack
    alice: Person
    bob: Person
    eve: Person
    is_socket_mode: bool

    async def start(self, kill_point: str = "", occurrence: int = 1) -> None:
        """Start the bot. The first of its processes to reach the kill point is killed there."""
        self.slack.set_bot_url(None)
        connected = self.slack.socket.connections_opened
        flags = [f"--slack={self.slack.base_url}", *(["--socket"] if self.is_socket_mode else [])]
        await asyncio.to_thread(self.scenario.start, kill_point, occurrence, flags=flags)
        if self.is_socket_mode:
            await self.slack.wait_for_connections(connected + 1)
        else:
            self.slack.set_bot_url(f"http://127.0.0.1:{self.scenario.port}{EVENTS_PATH}")

    async def wait_for_kill(self, kill_point: str, occurrence: int = 1) -> None:
        """Wait until the bot was killed at the kill point."""
        await asyncio.to_thread(self.scenario.wait_for_kill, kill_point, occurrence)

    async def restart(self, kill_point: str = "", occurrence: int = 1) -> None:
        """Kill all processes of the bot and start it again."""
        await asyncio.to_thread(self.scenario.kill)
        await self.start(kill_point, occurrence)

    async def stop_when_idle(self) -> None:
        """Wait until no work is left, then kill the bot."""
        await asyncio.to_thread(self.scenario.wait_until_idle)
        await self.slack.wait_until_quiet()
        await asyncio.to_thread(self.scenario.kill)

    def take_snapshot(self) -> SystemSnapshot:
        """Return the content of the database and the messages in Slack."""
        return replace(self.scenario.take_snapshot(), sent_messages=posted_messages(self.slack))


@asynccontextmanager
async def slack_scenario(scenario: CrashScenario, *, is_socket_mode: bool) -> AsyncIterator[SlackScenario]:
    """Yield a workspace whose bot has not been started yet."""
    async with fake_slack(WallClock(), socket_mode=is_socket_mode, retry_delays=FAST_RETRY_DELAYS) as slack:
        people = (slack.add_person(name, f"U0{name.upper()}") for name in ("alice", "bob", "eve"))
        team = SlackScenario(scenario, slack, *people, is_socket_mode)
        try:
            yield team
        finally:
            slack.set_bot_url(None)
            await asyncio.to_thread(scenario.kill)
