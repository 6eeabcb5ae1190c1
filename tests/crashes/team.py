"""A team on Slack in a scene: the fake, in real time, and the processes that speak with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from channels.slack.manifest import EVENTS_PATH
from tests.crashes.evidence import Evidence
from tests.crashes.scene import Scene
from tests.crashes.slack_ledger import posted
from tests.fakes.clock import RunningClock
from tests.fakes.slack.person import Person
from tests.fakes.slack.postman import SOON
from tests.fakes.slack.slack import FakeSlack, fake_slack

OPS = "C0OPS"


@dataclass
class Team:
    """The people of a workspace, and the scene in which their bot dies."""

    scene: Scene
    slack: FakeSlack
    alice: Person
    bob: Person
    eve: Person
    socket: bool

    async def opens(self, place: str = "", nth: int = 1) -> None:
        """Start the bot. With a place, the first of its processes that gets there dies there."""
        self.slack.finds_the_bot_at(None)
        connected, ways = self.slack.socket.opened, ["--socket"] if self.socket else []
        await asyncio.to_thread(self.scene.opens, place, nth, f"--slack={self.slack.base_url}", *ways)
        if self.socket:
            await self.slack.connected(connected + 1)
        else:
            self.slack.finds_the_bot_at(f"http://127.0.0.1:{self.scene.port}{EVENTS_PATH}")

    async def dies(self, place: str, nth: int = 1) -> None:
        """Wait until the bot has died there."""
        await asyncio.to_thread(self.scene.dies, place, nth)

    async def opens_again(self, place: str = "", nth: int = 1) -> None:
        """Kill it between two steps, and start it anew."""
        await asyncio.to_thread(self.scene.is_killed)
        await self.opens(place, nth)

    async def comes_to_rest(self) -> None:
        """Wait until nothing is wanted of anybody, and end the bot."""
        await asyncio.to_thread(self.scene.comes_to_rest)
        await self.slack.quiet()
        await asyncio.to_thread(self.scene.is_killed)

    def evidence(self) -> Evidence:
        """All that the database holds, and what Slack took."""
        return replace(self.scene.evidence(), sent=posted(self.slack))


@asynccontextmanager
async def team_of(scene: Scene, *, socket: bool) -> AsyncIterator[Team]:
    """A workspace whose bot has not been started yet."""
    async with fake_slack(RunningClock(), socket_mode=socket, pauses=SOON) as slack:
        people = (slack.person(name, f"U0{name.upper()}") for name in ("alice", "bob", "eve"))
        team = Team(scene, slack, *people, socket)
        try:
            yield team
        finally:
            slack.finds_the_bot_at(None)
            await asyncio.to_thread(scene.is_killed)
