"""Test harness: a real server process with a real repository, and people who use it over one channel.

    async with running_server(folder, "terminal") as harness:
        alice, bob = harness.get_person("alice"), harness.get_person("bob")
        await alice.post_message("deploy v1.4.0 to production")
        card = await bob.wait_for_card(approval="push_release_tag")
        await card.approve()
        await alice.wait_for_reply("production is now v1.4.0")
        assert harness.repository.tag_commit("production") == harness.repository.tag_commit("v1.4.0")

At the end, the test fails if there is a reply or card that it did not wait for.
"""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness.channel_people import CHANNELS, Person
from tests.harness.people import SLACK_PEOPLE, TOKENS, to_toml, with_roles
from tests.harness.repository import Repository
from tests.harness.server_processes import ServerProcesses

SERVER_PEOPLE = with_roles(SLACK_PEOPLE, carol=("release", "admin"))
"""Alice, Bob and Carol with full names; Carol is also an admin."""


@dataclass
class ServerHarness:
    """The server, its repository and its people."""

    processes: ServerProcesses
    channel: str
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def repository(self) -> Repository:
        return Repository.in_folder(self.processes.folder)

    def get_person(self, name: str) -> Person:
        """Return a person with their own token, on the channel of this test."""
        if name not in self.people:
            self.people[name] = CHANNELS[self.channel](name, self.processes.url, TOKENS[name], self)
        return self.people[name]

    async def start(self) -> None:
        """Start the server and wait until it is ready."""
        await self.processes.start()

    async def kill(self) -> None:
        """Send SIGKILL to the server."""
        await self.processes.kill()

    async def stop(self) -> int:
        """Send SIGTERM to the server and return its exit code."""
        return (await self.processes.stop())[0]

    def run_command(self, *arguments: str, person_key: str = "carol") -> subprocess.CompletedProcess[str]:
        """Run a `handrail` command as this person."""
        return self.processes.run_command(*arguments, HANDRAIL_API_TOKEN=TOKENS[person_key])


def server_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a server, with the tokens of the people."""
    tokens = ",".join(f"{name}:{token}:{name}" for name, token in TOKENS.items())
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "HANDRAIL_API_TOKENS": tokens,
        "SMTP_LISTEN": "",  # servers of other tests would receive mail at the same default port
    }


@asynccontextmanager
async def running_server(
    folder: Path, channel: str, *, rules: str = "", people: str | None = None, **environment: str
) -> AsyncIterator[ServerHarness]:
    """Start a server with Alice, Bob and Carol; at the end, check that no reply or card is left unread.

    `people` and `rules` are parts of `handrail.toml`.
    """
    (folder / "handrail.toml").write_text((people or to_toml(SERVER_PEOPLE)) + rules)
    harness = ServerHarness(ServerProcesses(folder, {**server_environment(folder), **environment}), channel)
    try:
        await harness.start()
        yield harness
        for person in harness.people.values():
            await person.check_nothing_unread()
    finally:
        for person in harness.people.values():
            await person.close()
        await harness.kill()
