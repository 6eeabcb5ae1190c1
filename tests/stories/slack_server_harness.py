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
from tests.crashes.database_admin import database_admin
from tests.crashes.journals import Journals
from tests.crashes.process_pool import wait_until
from tests.crashes.slack_journal import posted_messages
from tests.crashes.snapshot import SystemSnapshot, snapshot_connection, unfinished_thread_ids
from tests.databases import DATABASES, drop_if_shared_server
from tests.fakes.clock import WallClock
from tests.fakes.slack.card import Card
from tests.fakes.slack.delivery import FAST_RETRY_DELAYS
from tests.fakes.slack.message import Message
from tests.fakes.slack.person import Person
from tests.fakes.slack.slack import FakeSlack, fake_slack
from tests.stories.repository import Repository
from tests.stories.server_harness import TOKENS, server_environment
from tests.stories.server_processes import ServerProcesses

OPS = "C0OPS"
WAIT_TIMEOUT_SECONDS = 20.0
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
SECRET_KEY = "a-key-that-seals-buttons-in-every-process"


@dataclass(frozen=True)
class Setting:
    """Where the story is told, how Slack reaches the bot, and the roles of the bot's processes."""

    database: str
    transport: Literal["http", "socket"]
    roles: tuple[str, ...] = ("up",)

    def __str__(self) -> str:
        return f"{self.database}, {self.transport}, {' + '.join(self.roles)}"


@dataclass
class SlackServerHarness:
    """Where a story takes place. Eve is in the workspace, and nobody to us."""

    processes: ServerProcesses
    slack: FakeSlack
    database_url: str
    alice: Person
    bob: Person
    eve: Person

    @property
    def repository(self) -> Repository:
        return Repository.in_folder(self.processes.folder)

    async def start(self) -> None:
        """Start every process, and wait until they are ready and Slack reaches them."""
        self._forget_dead_workers()
        await self.processes.start()

    def start_without_waiting(self) -> None:
        """Start every process, and wait for nothing."""
        self._forget_dead_workers()
        self.processes.start_without_waiting()

    async def kill(self) -> None:
        await self.processes.kill()

    async def click_until_rejected(self, card: Card, label: str, *, by: Person, message: str) -> None:
        """Click until Slack shows them why it does not count: such a note is a courtesy, and dies with its process."""
        async with asyncio.timeout(3 * WAIT_TIMEOUT_SECONDS):
            while True:
                await card.click_until_accepted(label, actor=by)
                try:
                    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS / 4):
                        await by.wait_for_ephemeral(message)
                except TimeoutError:
                    continue
                return

    async def wait_for_tag(self, environment: str, target_tag: str) -> None:
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while await asyncio.to_thread(self.repository.tag_commit, environment) != await asyncio.to_thread(
                self.repository.tag_commit, target_tag
            ):
                await self.pause()

    async def wait_until_idle(self) -> None:
        """Wait until no thread wants anything of anybody, and Slack has no event left."""

        def look() -> None:
            with snapshot_connection(self.database_url) as connection:
                wait_until(
                    lambda: not unfinished_thread_ids(connection),
                    lambda: f"at work: {self.processes.log_text[-4000:]}",
                    2 * WAIT_TIMEOUT_SECONDS,
                )

        await asyncio.to_thread(look)
        await self.slack.wait_until_quiet()

    async def pause(self, seconds: float = 0.05) -> None:
        """A while, in which others act."""
        bell = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, bell.set)
        await bell.wait()

    def bot_messages(self) -> list[Message]:
        """What stands in the thread of the first message for everybody; the bot said nothing elsewhere."""
        root = self.slack.workspace.messages[0]
        ours = [m for m in self.slack.workspace.messages if m.is_from_bot and m.ephemeral_to is None]
        assert all((m.channel, m.root_ts) == (root.channel, root.root_ts) for m in ours)
        return ours

    def take_snapshot(self) -> SystemSnapshot:
        """All that the database holds, and what Slack took."""
        evidence = SystemSnapshot.take(self.database_url, Journals(self.processes.folder))
        return replace(evidence, sent_messages=posted_messages(self.slack))

    def replay(self, thread_id: str) -> Any:
        """What `handrail threads replay` says."""
        told = self.run_command("threads", "replay", thread_id, "--json")
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)

    def run_command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.processes.run_command(*arguments, HANDRAIL_API_TOKEN=TOKENS["carol"])

    def _forget_dead_workers(self) -> None:
        """Other processes would wait some seconds before they take their jobs over."""
        database_admin(self.database_url).forget_workers(self.database_url, 0.0)


@asynccontextmanager
async def running_slack_server(folder: Path, setting: Setting) -> AsyncIterator[SlackServerHarness]:
    """A town from its opening to its end, when nothing that Slack knows may be unexpected."""
    (folder / "handrail.toml").write_text(PEOPLE)
    url = DATABASES[setting.database](folder)
    try:
        async with (
            fake_slack(WallClock(), socket_mode=setting.transport == "socket", retry_delays=FAST_RETRY_DELAYS) as slack,
            _start(folder, setting, url, slack) as here,
        ):
            yield here
    finally:
        drop_if_shared_server(url)


@asynccontextmanager
async def _start(folder: Path, setting: Setting, url: str, slack: FakeSlack) -> AsyncIterator[SlackServerHarness]:
    environment = {
        **server_environment(folder),
        **_slack_variables(slack, setting),
        "DATABASE_URL": url,
        "SECRET_KEY": SECRET_KEY,
    }
    servers = ServerProcesses(folder, environment, setting.roles)
    people = (slack.add_person(name, f"U0{name.upper()}") for name in ("alice", "bob", "eve"))
    here = SlackServerHarness(servers, slack, url, *people)
    if setting.transport == "http":
        slack.set_bot_url(servers.url + EVENTS_PATH)
    try:
        await here.start()
        here.repository.enable_reflog()
        yield here
        await slack.wait_until_quiet()
    finally:
        slack.set_bot_url(None)
        await here.kill()


def _slack_variables(slack: FakeSlack, setting: Setting) -> dict[str, str]:
    app = slack.app
    way = {"http": {"SLACK_SIGNING_SECRET": app.signing_secret}, "socket": {"SLACK_APP_TOKEN": app.app_token}}
    return {"SLACK_BOT_TOKEN": app.bot_token, "SLACK_API_URL": slack.base_url, **way[setting.transport]}
