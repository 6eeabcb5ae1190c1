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

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.stories.people import CHANNELS, Person

START_SECONDS = 20.0
HANDRAIL = str(Path(sys.executable).with_name("handrail"))
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


@dataclass(frozen=True)
class Repository:
    """The bare remote the deploy agent works on, as git sees it."""

    path: Path

    def tag(self, name: str) -> str:
        """The full id of the commit a tag stands at."""
        return self.git("rev-parse", "--verify", f"refs/tags/{name}^{{commit}}")

    def records(self, commit: str) -> list[str]:
        """The release records in the note of a commit."""
        return self.git("notes", "--ref=releases", "show", commit).splitlines()

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments], capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout.strip()


@dataclass
class Town:
    """Where a story takes place."""

    folder: Path
    channel: str
    environment: dict[str, str]
    port: int
    people: dict[str, Person] = field(default_factory=dict)
    _server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def repo(self) -> Repository:
        return Repository(self.folder / ".handrail" / "sample" / "remote.git")

    def person(self, name: str) -> Person:
        """Somebody with a token of their own, on this story's channel."""
        if name not in self.people:
            self.people[name] = CHANNELS[self.channel](name, self.url, TOKENS[name], self)
        return self.people[name]

    async def opens(self) -> None:
        """Start the server and wait until it is ready."""
        with (self.folder / "server.log").open("ab") as log:
            command = [HANDRAIL, "up", "--port", str(self.port)]
            self._server = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        async with asyncio.timeout(START_SECONDS), httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            while not await self._is_ready(client):
                assert self._server.poll() is None, (self.folder / "server.log").read_text()
                await asyncio.to_thread(self._wait_a_little)

    async def is_killed(self) -> None:
        """kill -9: no word of farewell."""
        assert self._server is not None
        self._server.kill()
        await asyncio.to_thread(self._server.wait, 10)

    async def closes(self) -> int:
        """Ask the server to stop; its exit code."""
        assert self._server is not None
        self._server.terminate()
        return await asyncio.to_thread(self._server.wait, 15)

    def calls(self, *arguments: str, by: str = "carol") -> subprocess.CompletedProcess[str]:
        """Run a `handrail` command in the town, as somebody."""
        environment = {**self.environment, "HANDRAIL_URL": self.url, "HANDRAIL_API_TOKEN": TOKENS[by]}
        return subprocess.run(
            [HANDRAIL, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _wait_a_little(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            assert self._server is not None
            self._server.wait(0.03)

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        with suppress(httpx.TransportError):
            return (await client.get("/readyz")).status_code == httpx.codes.OK
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def town(folder: Path, channel: str, *, rules: str = "", **environment: str) -> AsyncIterator[Town]:
    """A town from its opening to its end, with Alice who asks, and Bob and Carol who may release."""
    (folder / "handrail.toml").write_text(PEOPLE + rules)
    tokens = ",".join(f"{name}:{token}:{name}" for name, token in TOKENS.items())
    clean: dict[str, Any] = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "HANDRAIL_API_TOKENS": tokens}
    here = Town(folder, channel, {**clean, **environment}, free_port())
    await here.opens()
    try:
        yield here
        for person in here.people.values():
            await person.expects_nothing_more()
    finally:
        for person in here.people.values():
            await person.leaves()
        await here.is_killed()
