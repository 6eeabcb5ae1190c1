"""Fake Slack for tests: an HTTP server with Slack's Web API, which sends events and interactions to the bot.

    async with fake_slack(clock) as slack:
        slack.set_bot_url(url)
        alice, bob = slack.add_person("alice", "U0ALICE"), slack.add_person("bob", "U0BOB")
        thread = await alice.mention_bot("deploy v1.4.0 to production", channel="C0OPS")
        card = await bob.wait_for_card(thread, approval="push_release_tag")
        await card.click("Approve", actor=bob)
        await card.wait_until_closed("approved by bob")

At the end of the block the test fails if there are messages of the bot that it has not looked at, unexpected errors of
Web API calls, planned faults that did not occur, or streams that were not ended.
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
from tests.fakes.slack.condition import Condition
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
from tests.harness.time_limits import WAIT_TIMEOUT_SECONDS


@dataclass
class FakeSlack:
    """Fake Slack with one workspace. `http` and `socket` are the transports to the bot, of which it uses one."""

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
        """Base URL for `AsyncWebClient(base_url=…)`."""
        return f"{self.workspace.url}/api/"

    @property
    def calls(self) -> list[ApiCall]:
        return self.api.calls

    @property
    def delivery_attempts(self) -> list[tuple[BotRequest, BotResponse]]:
        """All attempts to deliver requests to the bot, with its responses."""
        return self.workspace.delivery.attempts

    def set_bot_url(self, url: str | None) -> None:
        """Set the URL of the bot's HTTP endpoint; None makes events wait, as while the bot is down."""
        self.http.url = url
        self.workspace.condition.notify_all()

    def add_person(self, name: str, user: str, **fields: Any) -> Person:
        """Add a user to the workspace; `fields` are those of `users.info`, such as `is_restricted=True`."""
        profile = {"display_name": name, "real_name": name.title(), "email": f"{name}@example.com"}
        flags = {"deleted": False, "is_bot": False, "is_restricted": False, "is_ultra_restricted": False}
        user_fields = {"id": user, "team_id": self.app.team, "name": name, "real_name": name.title(), "tz": "Etc/UTC"}
        self.workspace.people[user] = {**user_fields, **flags, "profile": profile, **fields}
        return self.people.setdefault(user, Person(user, name, self.workspace, self.response_urls))

    def add_bot(self, name: str, bot: str) -> OtherBot:
        return OtherBot(bot, name, self.workspace)

    def add_channel(self, channel: str, name: str = "", **fields: Any) -> Channel:
        """Add an empty channel; `fields` are those of `Channel`."""
        self.workspace.channels[channel] = Channel(channel, name or channel.lower(), **fields)
        return self.workspace.channels[channel]

    def fail_next(
        self, method: str, *, error: str | None = None, retry_after: int | None = None, status: int = 200
    ) -> None:
        """Let the next call of the method fail; with `retry_after` (seconds) it is rate limited."""
        self.api.faults.add(method, Fault(error, retry_after, status))

    def cut_next(self, method: str, timing: CutTiming) -> None:
        """Cut the connection at the next call of the method, `before` or `after` the call takes effect."""
        self.api.faults.add(method, Fault(cut_timing=timing))

    def answer_next_with_page(
        self, method: str, timing: CutTiming, *, status: int = 200, page: str = "<html>Busy</html>"
    ) -> None:
        """Answer the next call with an HTML page, as a proxy would, `before` or `after` the call takes effect."""
        self.api.faults.add(method, Fault(status=status, cut_timing=timing, html_page=page))

    def assert_error_occurred(self, method: str, error: str) -> ApiCall:
        """Mark the oldest call with this error as expected and return it. Raises AssertionError if there is none."""
        for call in self.calls:
            if (call.method, call.error, call.is_expected) == (method, error, False):
                call.is_expected = True
                return call
        raise AssertionError(f"{method} did not fail with {error}")

    def allow_errors(self, error: str) -> None:
        """Mark all calls with this error as expected, for tests in which their number depends on timing."""
        for call in self.calls:
            call.is_expected = call.is_expected or call.error == error

    def limit_posting(self, per_second: int = 1) -> None:
        """Limit posting per channel from now on; exceeding it is an unexpected error."""
        self.api.posting_limit.per_second = per_second

    def end_streams(self) -> None:
        """End all open streams, as Slack does after a period without appended text."""
        for message in self.workspace.messages:
            if message.stream is not None:
                message.stream.state = "ended"
        self.workspace.condition.notify_all()

    def unfurl(self, message: Message, url: str) -> None:
        """Add a link preview to a message, which Slack reports as a change with the same text."""
        before = message.to_payload()
        message.attachments = [{"from_url": url, "fallback": url, "id": 1, "title": "A page"}]
        events.announce_change(self.workspace, message, before)

    def redeliver(self, request: BotRequest) -> None:
        """Deliver a request of `delivery_attempts` once more, as Slack sometimes does."""
        self.workspace.delivery.send(request)

    def ignore_ephemeral_messages(self) -> None:
        """Mark all ephemeral messages as seen, for tests in which their number does not matter."""
        for message in self.workspace.messages:
            message.is_seen = message.is_seen or message.ephemeral_to is not None

    async def wait_until_quiet(self) -> None:
        """Wait until the bot has responded to all requests except those that wait for the clock."""
        await self.workspace.delivery.wait_until_quiet()

    async def advance_clock(self, **amount: float) -> None:
        """Advance the clock while no request is in progress: otherwise the bot's response would be late."""
        await self.wait_until_quiet()
        clock = self.workspace.clock
        assert isinstance(clock, FakeClock), "only a fake clock can be advanced"
        clock.advance(**amount)
        await self.wait_until_quiet()

    async def wait_for_connections(self, count: int = 1) -> None:
        """Wait until the bot has opened this number of Socket Mode connections."""
        await self.workspace.condition.wait_until(
            lambda: self.socket.connections_opened >= count or None,
            lambda: f"the bot connected {self.socket.connections_opened} times",
        )

    async def verify_url(self, challenge: str = "3eZbrw1aB") -> None:
        """Verify the URL, as when it is entered in Slack's settings. Raises AssertionError."""
        payload = {"token": "verification-token", "challenge": challenge, "type": "url_verification"}
        response = await self.http.deliver(BotRequest("events_api", payload))
        assert response.is_accepted, response
        assert challenge in json.dumps(response.body), response

    async def send_ssl_check(self) -> BotResponse:
        """Send Slack's SSL check, which is not signed."""
        form = urlencode({"ssl_check": "1", "token": "verification-token"}).encode()
        return await self.http.post(form, {"Content-Type": "application/x-www-form-urlencoded"})

    def check(self) -> None:
        """Raise AssertionError if something happened that the test did not expect."""
        unseen = [
            f"unexpected message {m.visible_text!r}"
            for m in self.workspace.messages
            if m.is_from_bot and not (m.is_seen or m.is_deleted)
        ]
        streams = [f"this stream was not ended: {m.visible_text!r}" for m in self.workspace.messages if m.is_streaming]
        modals = [f"unexpected modal {v.title!r}" for v in self.workspace.views.values() if not v.is_seen]
        failed_calls = [
            f"{call.method} failed: {call.error}" for call in self.calls if call.error and not call.is_expected
        ]
        errors = [repr(error) for error in self.workspace.delivery.errors]
        problems = [*unseen, *streams, *modals, *failed_calls, *errors, *self.api.faults.unused]
        assert not problems, "; ".join(problems)


@asynccontextmanager
async def fake_slack(
    clock: Clock | None = None,
    *,
    app: App | None = None,
    socket_mode: bool = False,
    timeout_seconds: float = WAIT_TIMEOUT_SECONDS,
    retry_delays: Sequence[timedelta] = RETRY_DELAYS,
) -> AsyncIterator[FakeSlack]:
    """Run a fake Slack and check it at the end. Requests that still wait for the clock are dropped.

    `retry_delays` are the delays before the retries of an event.
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
    server.router.add_post("/upload/v1/{file}", UploadServer(slack.workspace, slack.api.faults).handle)
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
