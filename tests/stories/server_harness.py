"""A town: a real server process on a real repository, and the people who speak with it over a channel.

    async with town(folder) as here:
        alice, bob = here.person("alice"), here.person("bob")
        await alice.says("deploy v1.4.0 to production")
        card = await bob.sees(approval="push_release_tag")
        await card.approve()
        await alice.hears("production is now v1.4.0")
        assert here.repo.tag("production") == here.repo.tag("v1.4.0")

The world is closed: a reply or a card that nobody expected fails the story at its end.
"""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.stories.people import CHANNELS, Person
from tests.stories.repository import Repository
from tests.stories.server_processes import ServerProcesses

PEOPLE = """
[people.alice]
name = "Alice Ng"
roles = ["dev"]

[people.bob]
name = "Bob Ito"
roles = ["release"]

[people.carol]
name = "Carol Diaz"
roles = ["release", "admin"]
"""
TOKENS = {name: f"{name}-has-a-token-of-her-own-000" for name in ("alice", "bob", "carol")}


@dataclass
class ServerHarness:
    """Where a story takes place."""

    processes: ServerProcesses
    channel: str
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def repository(self) -> Repository:
        return Repository.in_folder(self.processes.folder)

    def get_person(self, name: str) -> Person:
        """Somebody with a token of their own, on this story's channel."""
        if name not in self.people:
            self.people[name] = CHANNELS[self.channel](name, self.processes.url, TOKENS[name], self)
        return self.people[name]

    async def start(self) -> None:
        """Start the server and wait until it is ready."""
        await self.processes.start()

    async def kill(self) -> None:
        """kill -9."""
        await self.processes.kill()

    async def stop(self) -> int:
        """Ask the server to stop; its exit code."""
        return (await self.processes.stop())[0]

    def run_command(self, *arguments: str, person_key: str = "carol") -> subprocess.CompletedProcess[str]:
        """Run a `handrail` command in the town, as somebody."""
        return self.processes.run_command(*arguments, HANDRAIL_API_TOKEN=TOKENS[person_key])


def server_environment(folder: Path) -> dict[str, str]:
    """What a server gets of the machine, and the tokens of the people."""
    tokens = ",".join(f"{name}:{token}:{name}" for name, token in TOKENS.items())
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "HANDRAIL_API_TOKENS": tokens}


@asynccontextmanager
async def running_server(
    folder: Path, channel: str, *, rules: str = "", **environment: str
) -> AsyncIterator[ServerHarness]:
    """A town from its opening to its end, with Alice who asks, and Bob and Carol who may release."""
    (folder / "handrail.toml").write_text(PEOPLE + rules)
    here = ServerHarness(ServerProcesses(folder, {**server_environment(folder), **environment}), channel)
    try:
        await here.start()
        yield here
        for person in here.people.values():
            await person.check_nothing_unread()
    finally:
        for person in here.people.values():
            await person.close()
        await here.kill()
