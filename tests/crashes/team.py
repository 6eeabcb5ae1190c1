"""A team on Slack in a scene: the fake, in real time, and the processes that speak with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.web.slack import PATH
from tests.crashes.evidence import Evidence
from tests.crashes.scene import Scene
from tests.crashes.slack_ledger import posted
from tests.fakes.clock import RunningClock
from tests.fakes.slack.card import Card
from tests.fakes.slack.person import Person
from tests.fakes.slack.slack import FakeSlack, fake_slack
from tests.fakes.slack.somebody import NotTaken

OPS = "C0OPS"
PAUSES = (timedelta(0), *[timedelta(seconds=0.1)] * 200)
"""Slack is more patient here: how long a machine takes to start a process is not what a test is about."""
PATIENCE = 20.0


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
            self.slack.finds_the_bot_at(f"http://127.0.0.1:{self.scene.port}{PATH}")

    async def dies(self, place: str, nth: int = 1) -> None:
        """Wait until the bot has died there."""
        await asyncio.to_thread(self.scene.dies, place, nth)

    async def opens_again(self, place: str = "", nth: int = 1) -> None:
        """Kill it between two steps, and start it anew."""
        await asyncio.to_thread(self.scene.is_killed)
        await self.opens(place, nth)

    async def presses(self, card: Card, label: str, *, by: Person) -> None:
        """Click until the bot takes it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await card.click(label, by=by)
                except NotTaken:
                    await self.waits()
                else:
                    return

    async def waits(self) -> None:
        """A moment, in which others act."""
        bell = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, bell.set)
        await bell.wait()

    async def comes_to_rest(self) -> None:
        """Wait until nothing is wanted of anybody, and end the bot."""
        await asyncio.to_thread(self.scene.comes_to_rest)
        await self.slack.quiet()
        await asyncio.to_thread(self.scene.is_killed)

    def evidence(self) -> Evidence:
        """All that the database holds, and what Slack took."""
        return replace(self.scene.evidence(), sent=posted(self.slack))

    def overlooks_notes(self) -> None:
        """Whoever clicks once more than needed is told so; how often that was is not what a test is about."""
        for message in self.slack.workspace.messages:
            message.seen = message.seen or message.ephemeral_to is not None


@asynccontextmanager
async def team_of(scene: Scene, *, socket: bool) -> AsyncIterator[Team]:
    """A workspace whose bot has not been started yet."""
    async with fake_slack(RunningClock(), socket_mode=socket, pauses=PAUSES) as slack:
        people = (slack.person(name, f"U0{name.upper()}") for name in ("alice", "bob", "eve"))
        team = Team(scene, slack, *people, socket)
        try:
            yield team
        finally:
            slack.finds_the_bot_at(None)
            await asyncio.to_thread(scene.is_killed)
