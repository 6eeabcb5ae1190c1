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
from tests.fakes.slack import events
from tests.fakes.slack.app import App
from tests.fakes.slack.bot_request import BotRequest, BotResponse
from tests.fakes.slack.condition import WAIT_TIMEOUT_SECONDS, Condition
from tests.fakes.slack.delivery import RETRY_DELAYS, DeliveryService
from tests.fakes.slack.faults import CutTiming, Fault
from tests.fakes.slack.http_transport import HttpTransport
from tests.fakes.slack.message import Message
from tests.fakes.slack.other_bot import OtherBot
from tests.fakes.slack.person import Person
from tests.fakes.slack.rate_limit import PostingLimit
from tests.fakes.slack.response_urls import ResponseUrls
from tests.fakes.slack.socket_transport import SocketModeTransport
from tests.fakes.slack.uploads import UploadServer
from tests.fakes.slack.web_api import ApiCall, WebApi
from tests.fakes.slack.workspace import Channel, Workspace


@dataclass
class FakeSlack:
    """One workspace with our app in it. `http` and `socket` are the ways to the bot, of which it uses one."""

    workspace: Workspace
    api: WebApi
    response_urls: ResponseUrls
    http: HttpTransport
    socket: SocketModeTransport
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def app(self) -> App:
        return self.workspace.app

    @property
    def base_url(self) -> str:
        """For `AsyncWebClient(base_url=…)`."""
        return f"{self.workspace.url}/api/"

    @property
    def calls(self) -> list[ApiCall]:
        return self.api.calls

    @property
    def delivery_attempts(self) -> list[tuple[BotRequest, BotResponse]]:
        """Every attempt to bring something to the bot, with what the bot said."""
        return self.workspace.delivery.attempts

    def set_bot_url(self, url: str | None) -> None:
        """Where it listens to HTTP; nowhere, when it is down and what is meant for it shall wait."""
        self.http.url = url
        self.workspace.condition.notify_all()

    def add_person(self, name: str, user: str, **fields: Any) -> Person:
        """Somebody in the workspace; traits are fields of users.info, such as `is_restricted=True`."""
        profile = {"display_name": name, "real_name": name.title(), "email": f"{name}@example.com"}
        plain = {"deleted": False, "is_bot": False, "is_restricted": False, "is_ultra_restricted": False}
        who = {"id": user, "team_id": self.app.team, "name": name, "real_name": name.title(), "tz": "Etc/UTC"}
        self.workspace.people[user] = {**who, **plain, "profile": profile, **fields}
        return self.people.setdefault(user, Person(user, name, self.workspace, self.response_urls))

    def add_bot(self, name: str, bot: str) -> OtherBot:
        return OtherBot(bot, name, self.workspace)

    def add_channel(self, channel: str, name: str = "", **fields: Any) -> Channel:
        """A channel in which nobody has spoken yet; traits are those of `Channel`."""
        self.workspace.channels[channel] = Channel(channel, name or channel.lower(), **fields)
        return self.workspace.channels[channel]

    def fail_next(
        self, method: str, *, error: str | None = None, retry_after: int | None = None, status: int = 200
    ) -> None:
        """The next call of the method fails like this; with `retry_after` it came too fast."""
        self.api.faults.add(method, Fault(error, retry_after, status))

    def cut_next(self, method: str, timing: CutTiming) -> None:
        """At the next call of the method the connection is cut, `before` or `after` the call had its effect."""
        self.api.faults.add(method, Fault(cut_timing=timing))

    def answer_next_with_page(
        self, method: str, timing: CutTiming, *, status: int = 200, page: str = "<html>Busy</html>"
    ) -> None:
        """What stands between the bot and Slack answers the next call, `before` or `after` it had its effect."""
        self.api.faults.add(method, Fault(status=status, cut_timing=timing, html_page=page))

    def expect_error(self, method: str, error: str) -> ApiCall:
        """The oldest call that was refused so, which was to be expected. Raises AssertionError when there is none."""
        for call in self.calls:
            if (call.method, call.error, call.is_expected) == (method, error, False):
                call.is_expected = True
                return call
        raise AssertionError(f"{method} was not refused with {error}")

    def allow_errors(self, error: str) -> None:
        """Whatever was refused so was to be expected; how often depends on how fast the bot is."""
        for call in self.calls:
            call.is_expected = call.is_expected or call.error == error

    def limit_posting(self, per_second: int = 1) -> None:
        """From now on: who posts more to one channel is told to wait a second, and fails the story."""
        self.api.posting_limit.per_second = per_second

    def end_streams(self) -> None:
        """Slack ends what the bot still writes, as it does after a while without more of it."""
        for message in self.workspace.messages:
            if message.stream is not None:
                message.stream.state = "ended"
        self.workspace.condition.notify_all()

    def unfurl(self, message: Message, url: str) -> None:
        """Slack shows what is behind a link: a hidden change in which the text stays as it was."""
        before = message.to_payload()
        message.attachments = [{"from_url": url, "fallback": url, "id": 1, "title": "A page"}]
        events.announce_change(self.workspace, message, before)

    def redeliver(self, request: BotRequest) -> None:
        """Bring it to the bot once more, as Slack sometimes does for no reason; for a parcel of `brought`."""
        self.workspace.delivery.send(request)

    def ignore_ephemeral_messages(self) -> None:
        """Whoever presses once more than needed is told so; in this story nobody counts how often that was."""
        for message in self.workspace.messages:
            message.is_seen = message.is_seen or message.ephemeral_to is not None

    async def wait_until_quiet(self) -> None:
        """Until the bot has answered everything but what waits for the clock."""
        await self.workspace.delivery.wait_until_quiet()

    async def advance_clock(self, **amount: float) -> None:
        """Turn the clock, but not while something is on its way: the bot would have been late with its answer."""
        await self.wait_until_quiet()
        clock = self.workspace.clock
        assert isinstance(clock, FakeClock), "a clock that runs is not turned"
        clock.advance(**amount)
        await self.wait_until_quiet()

    async def wait_for_connections(self, count: int = 1) -> None:
        """Until the bot has connected over Socket Mode so many times."""
        await self.workspace.condition.wait_until(
            lambda: self.socket.connections_opened >= count or None,
            lambda: f"the bot connected {self.socket.connections_opened} times",
        )

    async def verify_url(self, challenge: str = "3eZbrw1aB") -> None:
        """As when somebody enters the address in Slack's settings. Raises AssertionError."""
        told = {"token": "verification-token", "challenge": challenge, "type": "url_verification"}
        answer = await self.http.deliver(BotRequest("events_api", told))
        assert answer.is_accepted, answer
        assert challenge in json.dumps(answer.body), answer

    async def send_ssl_check(self) -> BotResponse:
        """Slack's look at the certificate, which is not signed."""
        form = urlencode({"ssl_check": "1", "token": "verification-token"}).encode()
        return await self.http.post(form, {"Content-Type": "application/x-www-form-urlencoded"})

    def check(self) -> None:
        """Raises AssertionError when something happened that the story does not tell of."""
        unseen = [
            f"nobody expected {m.visible_text!r}"
            for m in self.workspace.messages
            if m.is_from_bot and not (m.is_seen or m.is_deleted)
        ]
        streams = [f"this stream was not ended: {m.visible_text!r}" for m in self.workspace.messages if m.is_streaming]
        modals = [f"nobody expected the modal {v.title!r}" for v in self.workspace.views.values() if not v.is_seen]
        refused = [
            f"{call.method} was refused: {call.error}" for call in self.calls if call.error and not call.is_expected
        ]
        broken = [repr(error) for error in self.workspace.delivery.errors]
        wrong = [*unseen, *streams, *modals, *refused, *broken, *self.api.faults.unused]
        assert not wrong, "; ".join(wrong)


@asynccontextmanager
async def fake_slack(
    clock: Clock | None = None,
    *,
    app: App | None = None,
    socket_mode: bool = False,
    timeout_seconds: float = WAIT_TIMEOUT_SECONDS,
    retry_delays: Sequence[timedelta] = RETRY_DELAYS,
) -> AsyncIterator[FakeSlack]:
    """The server, checked at the end; whatever still waits for the clock then is lost.

    `pauses` are those before each repetition of an event.
    """
    slack = _build_slack(clock or FakeClock(), app or App(), Condition(timeout_seconds), socket_mode=socket_mode)
    slack.workspace.delivery.retry_delays = retry_delays
    async with _serve(slack):
        yield slack
        await slack.wait_until_quiet()
    slack.check()


def _build_slack(clock: Clock, app: App, condition: Condition, *, socket_mode: bool) -> FakeSlack:
    http, socket = HttpTransport(app, clock), SocketModeTransport(app, condition)
    workspace = Workspace(app, clock, condition, DeliveryService(clock, socket if socket_mode else http, condition))
    api = WebApi(workspace, PostingLimit(clock), socket if socket_mode else None)
    return FakeSlack(workspace, api, ResponseUrls(workspace), http, socket)


@asynccontextmanager
async def _serve(slack: FakeSlack) -> AsyncIterator[None]:
    server = web.Application()
    server.router.add_route("*", "/api/{method}", slack.api.handle)
    server.router.add_post("/response/{name}", slack.response_urls.handle)
    server.router.add_post("/upload/v1/{file}", UploadServer(slack.workspace, slack.api.faults).answer)
    server.router.add_get("/link/", slack.socket.handle_connection)
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.workspace.url = "http://{}:{}".format(*runner.addresses[0])
    try:
        yield
    finally:
        await slack.workspace.delivery.stop()
        await slack.socket.close()
        await slack.http.close()
        await runner.cleanup()
