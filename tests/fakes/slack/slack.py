"""A Slack for tests: a real server, to which the bot speaks as it would to Slack.

    async with fake_slack(clock) as slack:
        slack.finds_the_bot_at(url)
        alice, bob = slack.person("alice", "U0ALICE"), slack.person("bob", "U0BOB")
        thread = await alice.mentions("deploy v1.4.0 to production", channel="C0OPS")
        card = await bob.sees(thread, approval="push_release_tag")
        await card.click("Approve", by=bob)
        await card.settled("Approved by bob")

People also read along while the bot writes (`reads_along`, then `becomes` and `ends` of the card), press Slack's own
stop button (`presses_stop`), use a shortcut on a message (`uses_shortcut`), choose from a list (`choose` of the card),
and open their conversation with the bot (`opens_messages`, `prompts`) or its home tab (`opens_home`, `home`).

What the bot said and nobody in the story looked at fails the test at the end of the block; so do calls that Slack
refused without the test having asked for that, faults that never came to pass, and streams that were not ended.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.fakes.clock import Clock, FakeClock
from tests.fakes.slack import happenings
from tests.fakes.slack.app import App
from tests.fakes.slack.bell import PATIENCE, Bell
from tests.fakes.slack.faults import Cut, Fault
from tests.fakes.slack.http_carrier import HttpCarrier
from tests.fakes.slack.message import Message
from tests.fakes.slack.pace import Pace
from tests.fakes.slack.parcel import Answer, Parcel
from tests.fakes.slack.person import Person
from tests.fakes.slack.postman import PAUSES, Postman
from tests.fakes.slack.response_urls import ResponseUrls
from tests.fakes.slack.robot import Robot
from tests.fakes.slack.socket_carrier import SocketCarrier
from tests.fakes.slack.uploads import UploadServer
from tests.fakes.slack.web_api import Call, WebApi
from tests.fakes.slack.workspace import Channel, Workspace


@dataclass
class FakeSlack:
    """One workspace with our app in it. `http` and `socket` are the ways to the bot, of which it uses one."""

    workspace: Workspace
    api: WebApi
    urls: ResponseUrls
    http: HttpCarrier
    socket: SocketCarrier
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def app(self) -> App:
        return self.workspace.app

    @property
    def base_url(self) -> str:
        """For `AsyncWebClient(base_url=…)`."""
        return f"{self.workspace.url}/api/"

    @property
    def calls(self) -> list[Call]:
        return self.api.calls

    @property
    def brought(self) -> list[tuple[Parcel, Answer]]:
        """Every attempt to bring something to the bot, with what the bot said."""
        return self.workspace.postman.brought

    def finds_the_bot_at(self, url: str | None) -> None:
        """Where it listens to HTTP; nowhere, when it is down and what is meant for it shall wait."""
        self.http.url = url
        self.workspace.bell.ring()

    def person(self, name: str, user: str, **traits: Any) -> Person:
        """Somebody in the workspace; traits are fields of users.info, such as `is_restricted=True`."""
        profile = {"display_name": name, "real_name": name.title(), "email": f"{name}@example.com"}
        plain = {"deleted": False, "is_bot": False, "is_restricted": False, "is_ultra_restricted": False}
        who = {"id": user, "team_id": self.app.team, "name": name, "real_name": name.title(), "tz": "Etc/UTC"}
        self.workspace.people[user] = {**who, **plain, "profile": profile, **traits}
        return self.people.setdefault(user, Person(user, name, self.workspace, self.urls))

    def robot(self, name: str, bot: str) -> Robot:
        return Robot(bot, name, self.workspace)

    def channel(self, channel: str, name: str = "", **traits: Any) -> Channel:
        """A channel in which nobody has spoken yet; traits are those of `Channel`."""
        self.workspace.channels[channel] = Channel(channel, name or channel.lower(), **traits)
        return self.workspace.channels[channel]

    def fails(
        self, method: str, *, error: str | None = None, retry_after: int | None = None, status: int = 200
    ) -> None:
        """The next call of the method fails like this; with `retry_after` it came too fast."""
        self.api.faults.add(method, Fault(error, retry_after, status))

    def hangs_up(self, method: str, when: Cut) -> None:
        """At the next call of the method the connection is cut, `before` or `after` the call had its effect."""
        self.api.faults.add(method, Fault(cut=when))

    def answers_with_a_page(
        self, method: str, when: Cut, *, status: int = 200, page: str = "<html>Busy</html>"
    ) -> None:
        """What stands between the bot and Slack answers the next call, `before` or `after` it had its effect."""
        self.api.faults.add(method, Fault(status=status, cut=when, page=page))

    def refused(self, method: str, error: str) -> Call:
        """The oldest call that was refused so, which was to be expected. Raises AssertionError when there is none."""
        for call in self.calls:
            if (call.method, call.error, call.asked_for) == (method, error, False):
                call.asked_for = True
                return call
        raise AssertionError(f"{method} was not refused with {error}")

    def overlooks_refusals(self, error: str) -> None:
        """Whatever was refused so was to be expected; how often depends on how fast the bot is."""
        for call in self.calls:
            call.asked_for = call.asked_for or call.error == error

    def limits_posting(self, per_second: int = 1) -> None:
        """From now on: who posts more to one channel is told to wait a second, and fails the story."""
        self.api.pace.per_second = per_second

    def ends_streams(self) -> None:
        """Slack ends what the bot still writes, as it does after a while without more of it."""
        for message in self.workspace.messages:
            if message.stream is not None:
                message.stream.state = "ended"
        self.workspace.bell.ring()

    def unfolds(self, message: Message, url: str) -> None:
        """Slack shows what is behind a link: a hidden change in which the text stays as it was."""
        before = message.shape()
        message.attachments = [{"from_url": url, "fallback": url, "id": 1, "title": "A page"}]
        happenings.changed(self.workspace, message, before)

    def repeats(self, parcel: Parcel) -> None:
        """Bring it to the bot once more, as Slack sometimes does for no reason; for a parcel of `brought`."""
        self.workspace.postman.send(parcel)

    def overlooks_notes(self) -> None:
        """Whoever presses once more than needed is told so; in this story nobody counts how often that was."""
        for message in self.workspace.messages:
            message.seen = message.seen or message.ephemeral_to is not None

    async def quiet(self) -> None:
        """Until the bot has answered everything but what waits for the clock."""
        await self.workspace.postman.quiet()

    async def later(self, **amount: float) -> None:
        """Turn the clock, but not while something is on its way: the bot would have been late with its answer."""
        await self.quiet()
        clock = self.workspace.clock
        assert isinstance(clock, FakeClock), "a clock that runs is not turned"
        clock.advance(**amount)
        await self.quiet()

    async def connected(self, times: int = 1) -> None:
        """Until the bot has connected over Socket Mode so many times."""
        await self.workspace.bell.until(
            lambda: self.socket.opened >= times or None, lambda: f"the bot connected {self.socket.opened} times"
        )

    async def verifies_the_url(self, challenge: str = "3eZbrw1aB") -> None:
        """As when somebody enters the address in Slack's settings. Raises AssertionError."""
        told = {"token": "verification-token", "challenge": challenge, "type": "url_verification"}
        answer = await self.http.carry(Parcel("events_api", told))
        assert answer.taken, answer
        assert challenge in json.dumps(answer.body), answer

    async def checks_ssl(self) -> Answer:
        """Slack's look at the certificate, which is not signed."""
        form = urlencode({"ssl_check": "1", "token": "verification-token"}).encode()
        return await self.http.post(form, {"Content-Type": "application/x-www-form-urlencoded"})

    def check(self) -> None:
        """Raises AssertionError when something happened that the story does not tell of."""
        unseen = [f"nobody expected {m.words!r}" for m in self.workspace.messages if m.ours and not (m.seen or m.gone)]
        streams = [f"this stream was not ended: {m.words!r}" for m in self.workspace.messages if m.streaming]
        modals = [f"nobody expected the modal {v.title!r}" for v in self.workspace.views.values() if not v.seen]
        refused = [
            f"{call.method} was refused: {call.error}" for call in self.calls if call.error and not call.asked_for
        ]
        broken = [repr(error) for error in self.workspace.postman.broken]
        wrong = [*unseen, *streams, *modals, *refused, *broken, *self.api.faults.left_over]
        assert not wrong, "; ".join(wrong)


@asynccontextmanager
async def fake_slack(
    clock: Clock | None = None,
    *,
    app: App | None = None,
    socket_mode: bool = False,
    patience: float = PATIENCE,
    pauses: Sequence[timedelta] = PAUSES,
) -> AsyncIterator[FakeSlack]:
    """The server, checked at the end; whatever still waits for the clock then is lost.

    `pauses` are those before each repetition of an event.
    """
    slack = _made(clock or FakeClock(), app or App(), Bell(patience), socket_mode=socket_mode)
    slack.workspace.postman.pauses = pauses
    async with _served(slack):
        yield slack
        await slack.quiet()
    slack.check()


def _made(clock: Clock, app: App, bell: Bell, *, socket_mode: bool) -> FakeSlack:
    http, socket = HttpCarrier(app, clock), SocketCarrier(app, bell)
    workspace = Workspace(app, clock, bell, Postman(clock, socket if socket_mode else http, bell))
    api = WebApi(workspace, Pace(clock), socket if socket_mode else None)
    return FakeSlack(workspace, api, ResponseUrls(workspace), http, socket)


@asynccontextmanager
async def _served(slack: FakeSlack) -> AsyncIterator[None]:
    server = web.Application()
    server.router.add_route("*", "/api/{method}", slack.api.answer)
    server.router.add_post("/response/{name}", slack.urls.answer)
    server.router.add_post("/upload/v1/{file}", UploadServer(slack.workspace, slack.api.faults).answer)
    server.router.add_get("/link/", slack.socket.connected)
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.workspace.url = "http://{}:{}".format(*runner.addresses[0])
    try:
        yield
    finally:
        await slack.workspace.postman.stop()
        await slack.socket.close()
        await slack.http.close()
        await runner.cleanup()
