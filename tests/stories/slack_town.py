"""A town whose people meet on Slack: real server processes on a real repository, and the fake Slack, in real time.

    async with slack_town(folder, Setting("sqlite", "http")) as here:
        root = await here.alice.mentions("deploy v1.4.0 to production", channel=OPS)
        card = await here.bob.sees(root, approval="push_release_tag")
        await here.is_killed()
        await here.opens()
        await card.insist("Approve", by=here.bob)

The processes are killed with kill -9, all of them at once.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from channels.slack.manifest import EVENTS_PATH
from tests.crashes.evidence import Evidence, reading, restless
from tests.crashes.keepers import keeper
from tests.crashes.ledgers import Ledgers
from tests.crashes.nursery import until
from tests.crashes.slack_ledger import posted
from tests.databases import DATABASES, forget_database
from tests.fakes.clock import RunningClock
from tests.fakes.slack.card import Card
from tests.fakes.slack.message import Message
from tests.fakes.slack.person import Person
from tests.fakes.slack.postman import SOON
from tests.fakes.slack.slack import FakeSlack, fake_slack
from tests.stories.repository import Repository
from tests.stories.servers import Servers
from tests.stories.town import TOKENS, environment_of

OPS = "C0OPS"
PATIENCE = 20.0
PEOPLE = """
[people.alice]
name = "Alice Ng"
slack = "U0ALICE"

[people.bob]
name = "Bob Ito"
roles = ["release"]
slack = "T0TEAM/U0BOB"

[people.carol]
name = "Carol Diaz"
roles = ["release", "admin"]
"""
KEY = "a-key-that-seals-buttons-in-every-process"


@dataclass(frozen=True)
class Setting:
    """Where the story is told, how Slack reaches the bot, and the roles of the bot's processes."""

    database: str
    transport: Literal["http", "socket"]
    roles: tuple[str, ...] = ("up",)

    def __str__(self) -> str:
        return f"{self.database}, {self.transport}, {' + '.join(self.roles)}"


@dataclass
class SlackTown:
    """Where a story takes place. Eve is in the workspace, and nobody to us."""

    servers: Servers
    slack: FakeSlack
    database_url: str
    alice: Person
    bob: Person
    eve: Person

    @property
    def repo(self) -> Repository:
        return Repository.sample(self.servers.folder)

    async def opens(self) -> None:
        """Start every process, and wait until they are ready and Slack reaches them."""
        self._forgets_the_dead()
        await self.servers.open()

    def begins(self) -> None:
        """Start every process, and wait for nothing."""
        self._forgets_the_dead()
        self.servers.begin()

    async def is_killed(self) -> None:
        await self.servers.kill()

    async def is_refused(self, card: Card, label: str, *, by: Person, why: str) -> None:
        """Click until Slack shows them why it does not count: such a note is a courtesy, and dies with its process."""
        async with asyncio.timeout(3 * PATIENCE):
            while True:
                await card.insist(label, by=by)
                try:
                    async with asyncio.timeout(PATIENCE / 4):
                        await by.told(why)
                except TimeoutError:
                    continue
                return

    async def sees_the_tag_moved(self, environment: str, to: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while await asyncio.to_thread(self.repo.tag, environment) != await asyncio.to_thread(self.repo.tag, to):
                await self.waits()

    async def comes_to_rest(self) -> None:
        """Wait until no thread wants anything of anybody, and Slack has no event left."""

        def look() -> None:
            with reading(self.database_url) as connection:
                until(lambda: not restless(connection), lambda: f"at work: {self.servers.said[-4000:]}", 2 * PATIENCE)

        await asyncio.to_thread(look)
        await self.slack.quiet()

    async def waits(self, seconds: float = 0.05) -> None:
        """A while, in which others act."""
        bell = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, bell.set)
        await bell.wait()

    def said_by_the_bot(self) -> list[Message]:
        """What stands in the thread of the first message for everybody; the bot said nothing elsewhere."""
        root = self.slack.workspace.messages[0]
        ours = [m for m in self.slack.workspace.messages if m.ours and m.ephemeral_to is None]
        assert all((m.channel, m.root) == (root.channel, root.root) for m in ours)
        return ours

    def evidence(self) -> Evidence:
        """All that the database holds, and what Slack took."""
        evidence = Evidence.read(self.database_url, Ledgers(self.servers.folder))
        return replace(evidence, sent=posted(self.slack))

    def replays(self, thread_id: str) -> Any:
        """What `handrail threads replay` says."""
        told = self.calls("threads", "replay", thread_id, "--json")
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)

    def calls(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.servers.run(*arguments, HANDRAIL_API_TOKEN=TOKENS["carol"])

    def _forgets_the_dead(self) -> None:
        """Other processes would wait some seconds before they take their jobs over."""
        keeper(self.database_url).clear(self.database_url, 0.0)


@asynccontextmanager
async def slack_town(folder: Path, setting: Setting) -> AsyncIterator[SlackTown]:
    """A town from its opening to its end, when nothing that Slack knows may be unexpected."""
    (folder / "handrail.toml").write_text(PEOPLE)
    url = DATABASES[setting.database](folder)
    try:
        async with (
            fake_slack(RunningClock(), socket_mode=setting.transport == "socket", pauses=SOON) as slack,
            _opened(folder, setting, url, slack) as here,
        ):
            yield here
    finally:
        forget_database(url)


@asynccontextmanager
async def _opened(folder: Path, setting: Setting, url: str, slack: FakeSlack) -> AsyncIterator[SlackTown]:
    environment = {**environment_of(folder), **_account(slack, setting), "DATABASE_URL": url, "SECRET_KEY": KEY}
    servers = Servers(folder, environment, setting.roles)
    people = (slack.person(name, f"U0{name.upper()}") for name in ("alice", "bob", "eve"))
    here = SlackTown(servers, slack, url, *people)
    if setting.transport == "http":
        slack.finds_the_bot_at(servers.url + EVENTS_PATH)
    try:
        await here.opens()
        here.repo.remembers_moves()
        yield here
        await slack.quiet()
    finally:
        slack.finds_the_bot_at(None)
        await here.is_killed()


def _account(slack: FakeSlack, setting: Setting) -> dict[str, str]:
    app = slack.app
    way = {"http": {"SLACK_SIGNING_SECRET": app.signing_secret}, "socket": {"SLACK_APP_TOKEN": app.app_token}}
    return {"SLACK_BOT_TOKEN": app.bot_token, "SLACK_API_URL": slack.base_url, **way[setting.transport]}
