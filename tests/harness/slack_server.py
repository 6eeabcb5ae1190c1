"""Test harness: real server processes with a real repository, and a fake Slack that uses the wall clock.

    async with running_slack_server(folder, Deployment("sqlite", "http")) as harness:
        root = await harness.alice.mention_bot("deploy v1.4.0 to production", channel=OPS)
        card = await harness.bob.wait_for_card(root, approval="push_release_tag")
        await harness.kill()
        await harness.start()
        await card.click_until_accepted("Approve", actor=harness.bob)

`kill` sends SIGKILL to all processes.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Mapping
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
from tests.databases import DATABASES, drop_if_server_outlives_tests
from tests.fakes.clock import WallClock
from tests.fakes.slack.card import ShownMessage
from tests.fakes.slack.delivery import FAST_RETRY_DELAYS
from tests.fakes.slack.message import Message
from tests.fakes.slack.person import Person
from tests.fakes.slack.slack import FakeSlack, fake_slack
from tests.harness.people import SLACK_USERS, TOKENS, to_toml
from tests.harness.repository import Repository
from tests.harness.server import SERVER_PEOPLE, server_environment
from tests.harness.server_processes import ServerProcesses
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

OPS = "C0OPS"
REJECTION_TIMEOUT_SECONDS = 10.0
"""Time after which a click is repeated, since a killed process does not explain the rejection."""
SECRET_KEY = "a-key-that-signs-buttons-in-every-process"


@dataclass(frozen=True)
class Deployment:
    """Database, transport of Slack events, and the `handrail` command of each of the bot's processes."""

    database: str
    transport: Literal["http", "socket"]
    commands: tuple[str, ...] = ("up",)

    def __str__(self) -> str:
        return f"{self.database}, {self.transport}, {' + '.join(self.commands)}"


@dataclass
class SlackServerHarness:
    """The bot's processes, the fake Slack and its people. Eve is in the workspace but not known to Handrail."""

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
        """Start all processes and wait until they are ready."""
        self._forget_dead_workers()
        await self.processes.start()

    def start_without_waiting(self) -> None:
        """Start all processes without waiting until they are ready."""
        self._forget_dead_workers()
        self.processes.start_without_waiting()

    async def kill(self) -> None:
        await self.processes.kill()

    async def click_until_rejected(self, card: ShownMessage, label: str, *, by: Person, message: str) -> None:
        """Click until the person sees the reason for the rejection.

        One click is not enough: a process that is killed does not send the ephemeral message with the reason.
        """
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while True:
                await card.click_until_accepted(label, actor=by)
                try:
                    async with asyncio.timeout(REJECTION_TIMEOUT_SECONDS):
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
        """Wait until no thread has work left and Slack has no event to send."""

        def wait_for_threads() -> None:
            with snapshot_connection(self.database_url) as connection:
                wait_until(
                    lambda: not unfinished_thread_ids(connection),
                    lambda: f"unfinished: {self.processes.log_text[-4000:]}",
                    WAIT_TIMEOUT_SECONDS,
                )

        await asyncio.to_thread(wait_for_threads)
        await self.slack.wait_until_quiet()

    async def pause(self, seconds: float = 0.05) -> None:
        """Let other processes proceed."""
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, event.set)
        await event.wait()

    def bot_messages(self) -> list[Message]:
        """Return the public messages of the bot, which must all be in the thread of the first message."""
        root = self.slack.workspace.messages[0]
        messages = [m for m in self.slack.workspace.messages if m.is_from_bot and m.ephemeral_to is None]
        assert all((m.channel, m.root_ts) == (root.channel, root.root_ts) for m in messages)
        return messages

    def take_snapshot(self) -> SystemSnapshot:
        """Return the content of the database and the messages in Slack."""
        snapshot = SystemSnapshot.take(self.database_url, Journals(self.processes.folder))
        return replace(snapshot, sent_messages=posted_messages(self.slack))

    def replay(self, thread_id: str) -> Any:
        """Return the output of `handrail threads replay`."""
        result = self.run_command("threads", "replay", thread_id, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def run_command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.processes.run_command(*arguments, HANDRAIL_API_TOKEN=TOKENS["carol"])

    def _forget_dead_workers(self) -> None:
        """Delete worker rows, so that jobs are requeued without waiting for the heartbeat timeout."""
        database_admin(self.database_url).forget_workers(self.database_url, offset_seconds=0.0)


@asynccontextmanager
async def running_slack_server(
    folder: Path, deployment: Deployment, *, configuration: str | None = None, **variables: str
) -> AsyncIterator[SlackServerHarness]:
    """Start a server with Slack; at the end, wait until the bot has handled all events from Slack.

    `configuration` is the text of `handrail.toml`, `variables` are further ones of the environment.
    """
    (folder / "handrail.toml").write_text(configuration or to_toml(SERVER_PEOPLE))
    url = DATABASES[deployment.database](folder)
    try:
        async with (
            fake_slack(
                WallClock(), socket_mode=deployment.transport == "socket", retry_delays=FAST_RETRY_DELAYS
            ) as slack,
            _start(folder, deployment, url, slack, variables) as harness,
        ):
            yield harness
    finally:
        drop_if_server_outlives_tests(url)


@asynccontextmanager
async def _start(
    folder: Path, deployment: Deployment, url: str, slack: FakeSlack, variables: Mapping[str, str]
) -> AsyncIterator[SlackServerHarness]:
    environment = {
        **server_environment(folder),
        **_slack_variables(slack, deployment),
        "DATABASE_URL": url,
        "SECRET_KEY": SECRET_KEY,
        **variables,
    }
    servers = ServerProcesses(folder, environment, deployment.commands)
    people = (slack.add_person(name, SLACK_USERS[name]) for name in ("alice", "bob", "eve"))
    harness = SlackServerHarness(servers, slack, url, *people)
    if deployment.transport == "http":
        slack.set_bot_url(servers.url + EVENTS_PATH)
    try:
        await harness.start()
        harness.repository.enable_reflog()
        yield harness
        await slack.wait_until_quiet()
    finally:
        slack.set_bot_url(None)
        await harness.kill()


def _slack_variables(slack: FakeSlack, deployment: Deployment) -> dict[str, str]:
    app = slack.app
    variables = {"http": {"SLACK_SIGNING_SECRET": app.signing_secret}, "socket": {"SLACK_APP_TOKEN": app.app_token}}
    return {"SLACK_BOT_TOKEN": app.bot_token, "SLACK_API_URL": slack.base_url, **variables[deployment.transport]}
