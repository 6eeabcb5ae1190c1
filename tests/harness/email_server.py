"""Test harness: real server processes with a real repository, and people who write to the bot by mail.

    async with running_email_server(folder, Deployment("sqlite")) as harness:
        await harness.world.alice.write("deploy v1.4.0 to production")
        card = await harness.world.bob.wait_for_mail("push_release_tag")
        await harness.kill()
        await harness.start()
        await harness.world.bob.reply(card, f"APPROVE {card.code}")

`kill` sends SIGKILL to all processes. Mails that arrive meanwhile are sent again, as mail servers do.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from tests.crashes.database_admin import database_admin
from tests.crashes.journals import Journals
from tests.crashes.process_pool import wait_until
from tests.crashes.snapshot import SystemSnapshot, snapshot_connection, unfinished_thread_ids
from tests.databases import DATABASES, drop_if_server_outlives_tests
from tests.fakes.email.postfix import running_postfix
from tests.harness.email_people import BOT_ADDRESS, MailWorld, mail_world
from tests.harness.people import EMAIL_PEOPLE, TOKENS, to_toml, with_roles
from tests.harness.repository import Repository
from tests.harness.server import server_environment
from tests.harness.server_processes import ServerProcesses, free_port
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS

SECRET_KEY = "a-key-that-signs-addresses-in-every-process"
EMAIL_SERVER_PEOPLE = with_roles(EMAIL_PEOPLE, carol=("admin",))
"""Alice, Bob and Carol with their addresses; Bob is the only release manager, and Carol is an admin."""
RULES = """
[[policy]]
tool = "push_release_tag"
when = { environment = "production" }
ask = { roles = ["release"], min_assurance = "medium", expires = "1h" }
escalate = [ { after = "1s", to = "role:release", via = "email" } ]
"""


@dataclass(frozen=True)
class Deployment:
    """Database, the `handrail` command of each of the bot's processes, and whether a Postfix is in front of them."""

    database: str
    commands: tuple[str, ...] = ("up",)
    has_postfix: bool = False

    def __str__(self) -> str:
        return f"{self.database}, {' + '.join(self.commands)}{', postfix' if self.has_postfix else ''}"


@dataclass
class EmailServerHarness:
    """The bot's processes, and the people with their mailboxes."""

    processes: ServerProcesses
    world: MailWorld
    database_url: str

    @property
    def repository(self) -> Repository:
        return Repository.in_folder(self.processes.folder)

    async def start(self) -> None:
        """Start all processes and wait until they are ready."""
        self._forget_dead_workers()
        await self.processes.start()

    async def kill(self) -> None:
        await self.processes.kill()

    async def wait_for_tag(self, environment: str, target_tag: str) -> None:
        """Wait until the tag of an environment points to the commit of another tag."""
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            while await asyncio.to_thread(self.repository.tag_commit, environment) != await asyncio.to_thread(
                self.repository.tag_commit, target_tag
            ):
                await self.pause()

    async def wait_until_idle(self) -> None:
        """Wait until all mails are processed, all replies are sent, and no thread has work left."""

        def wait_for_work() -> None:
            with snapshot_connection(self.database_url) as connection:
                wait_until(
                    lambda: not unfinished_thread_ids(connection) and not has_unfinished_inputs(connection),
                    lambda: f"unfinished: {self.processes.log_text[-4000:]}",
                    WAIT_TIMEOUT_SECONDS,
                )

        await asyncio.to_thread(wait_for_work)

    async def wait_until_processed(self, count: int) -> None:
        """Wait until the bot has stored so many mails, and has processed all of them."""

        def wait_for_inputs() -> None:
            with snapshot_connection(self.database_url) as connection:
                wait_until(
                    lambda: count_inputs(connection) >= count and not has_unfinished_inputs(connection),
                    lambda: f"unfinished: {self.processes.log_text[-4000:]}",
                    WAIT_TIMEOUT_SECONDS,
                )

        await asyncio.to_thread(wait_for_inputs)

    async def pause(self, seconds: float = 0.05) -> None:
        """Let other processes proceed."""
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, event.set)
        await event.wait()

    def take_snapshot(self) -> SystemSnapshot:
        """Return the content of the database."""
        return SystemSnapshot.take(self.database_url, Journals(self.processes.folder))

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


def has_unfinished_inputs(connection: Connection) -> bool:
    """Return whether an input or the reply to one is not finished."""
    query = "SELECT count(*) FROM raw_input WHERE state = 'stored' OR reply_state = 'pending'"
    count = connection.execute(text(query)).scalar_one()
    connection.rollback()  # the next query must see what other processes have committed meanwhile
    return bool(count)


def count_inputs(connection: Connection) -> int:
    """Return the number of stored inputs."""
    count: int = connection.execute(text("SELECT count(*) FROM raw_input")).scalar_one()
    connection.rollback()
    return count


@asynccontextmanager
async def running_email_server(folder: Path, deployment: Deployment) -> AsyncIterator[EmailServerHarness]:
    """Start the bot's processes, which receive mail and send it to the mail server of the people."""
    (folder / "handrail.toml").write_text(to_toml(EMAIL_SERVER_PEOPLE) + RULES)
    url, port = DATABASES[deployment.database](folder), free_port()
    front_ports: list[int] = []
    try:
        async with mail_world(lambda: (*front_ports, port)[0]) as world:
            with _front_server(folder, deployment, world, port, front_ports):
                variables = {**server_environment(folder), **_email_variables(world, port, front_ports)}
                processes = ServerProcesses(folder, {**variables, "DATABASE_URL": url}, deployment.commands)
                async with _running(EmailServerHarness(processes, world, url)) as harness:
                    yield harness
    finally:
        drop_if_server_outlives_tests(url)


@contextmanager
def _front_server(
    folder: Path, deployment: Deployment, world: MailWorld, lmtp_port: int, front_ports: list[int]
) -> Iterator[None]:
    """Run a Postfix if the deployment has one, and append its port to `front_ports`."""
    if not deployment.has_postfix:
        yield
        return
    domain = BOT_ADDRESS.partition("@")[2]
    with running_postfix(folder / "postfix", domain=domain, lmtp_port=lmtp_port, relay_port=world.sink.port) as port:
        front_ports.append(port)
        yield


@asynccontextmanager
async def _running(harness: EmailServerHarness) -> AsyncIterator[EmailServerHarness]:
    try:
        await harness.start()
        harness.repository.enable_reflog()
        yield harness
    finally:
        await harness.kill()


def _email_variables(world: MailWorld, port: int, front_ports: list[int]) -> dict[str, str]:
    """Return the variables of a bot that receives mail at this port, by LMTP if another server is in front."""
    listen = f"127.0.0.1:{port}"
    return {
        "EMAIL_ADDRESS": BOT_ADDRESS,
        "SMTP_LISTEN": "" if front_ports else listen,
        "LMTP_LISTEN": listen if front_ports else "",
        "SMTP_URL": f"smtp://127.0.0.1:{(*front_ports, world.sink.port)[0]}",
        "DNS_RESOLVER": f"{world.dns.address.host}:{world.dns.address.port}",
        "SECRET_KEY": SECRET_KEY,
    }
