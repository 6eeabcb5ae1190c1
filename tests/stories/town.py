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
from tests.stories.servers import Servers

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
class Town:
    """Where a story takes place."""

    servers: Servers
    channel: str
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def repo(self) -> Repository:
        return Repository.sample(self.servers.folder)

    def person(self, name: str) -> Person:
        """Somebody with a token of their own, on this story's channel."""
        if name not in self.people:
            self.people[name] = CHANNELS[self.channel](name, self.servers.url, TOKENS[name], self)
        return self.people[name]

    async def opens(self) -> None:
        """Start the server and wait until it is ready."""
        await self.servers.open()

    async def is_killed(self) -> None:
        """kill -9."""
        await self.servers.kill()

    async def closes(self) -> int:
        """Ask the server to stop; its exit code."""
        return (await self.servers.close())[0]

    def calls(self, *arguments: str, by: str = "carol") -> subprocess.CompletedProcess[str]:
        """Run a `handrail` command in the town, as somebody."""
        return self.servers.run(*arguments, HANDRAIL_API_TOKEN=TOKENS[by])


def environment_of(folder: Path) -> dict[str, str]:
    """What a server gets of the machine, and the tokens of the people."""
    tokens = ",".join(f"{name}:{token}:{name}" for name, token in TOKENS.items())
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "HANDRAIL_API_TOKENS": tokens}


@asynccontextmanager
async def town(folder: Path, channel: str, *, rules: str = "", **environment: str) -> AsyncIterator[Town]:
    """A town from its opening to its end, with Alice who asks, and Bob and Carol who may release."""
    (folder / "handrail.toml").write_text(PEOPLE + rules)
    here = Town(Servers(folder, {**environment_of(folder), **environment}), channel)
    try:
        await here.opens()
        yield here
        for person in here.people.values():
            await person.expects_nothing_more()
    finally:
        for person in here.people.values():
            await person.leaves()
        await here.is_killed()
