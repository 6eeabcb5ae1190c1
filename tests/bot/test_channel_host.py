"""Tests of the host of channel plugins: routes, services and the runtime."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2
import pytest

from agents.core.errors import ConfigurationError, Forbidden, InvalidInput, NotFound, Unavailable
from bot.api.app import build_channel_routes, create_app
from bot.api.middleware import MAX_CHANNEL_BODY_BYTES
from bot.channel_host import BotRuntime, ChannelHost
from channels.base import Endpoint, HttpRequest, HttpResponse, Plugin, Runtime
from storage.database.database import Database
from tests.bot.conftest import BOT_SETUPS, BotSetup
from tests.harness.bot import BotHarness, RecordingChannel, running_bot

PATH = "/channels/pager/messages"


@dataclass
class RecordingService:
    """Service that records its calls, and fails where a test says so."""

    start_error: Exception | None = None
    stop_error: Exception | None = None
    calls: list[str] = field(default_factory=list)

    async def start(self, runtime: Runtime) -> None:
        self.calls.append("start")
        if self.start_error is not None:
            raise self.start_error

    async def stop(self) -> None:
        self.calls.append("stop")
        if self.stop_error is not None:
            raise self.stop_error


@pytest.fixture
def bot_setup() -> BotSetup:
    """Return the fastest setup: the host does not depend on the database."""
    return BOT_SETUPS["sqlite"]


@pytest.fixture
async def harness(database: Database) -> AsyncIterator[BotHarness]:
    async with running_bot(database) as running:
        yield running


def plugin_with(*services: RecordingService, endpoints: tuple[Endpoint, ...] = ()) -> Plugin:
    return Plugin(RecordingChannel("pager"), endpoints, services)


def client_of(harness: BotHarness, endpoint: Endpoint) -> httpx2.AsyncClient:
    """Return a client of the application with one endpoint."""
    routes = build_channel_routes({"pager": plugin_with(endpoints=(endpoint,))}, BotRuntime(harness.bot))
    app = create_app(harness.bot, [], channel_routes=list(routes))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://bot")


def only_log_line(caplog: pytest.LogCaptureFixture, event: str) -> dict[str, object]:
    (line,) = [record.msg for record in caplog.records if isinstance(record.msg, dict) and record.msg["event"] == event]
    return line


# --- endpoints ---


async def test_endpoint_gets_the_raw_request_and_returns_the_response(harness: BotHarness) -> None:
    received: list[HttpRequest] = []

    async def handle(request: HttpRequest, runtime: Runtime) -> HttpResponse:
        received.append(request)
        return HttpResponse(202, b"<taken/>", "text/xml", {"X-Pager": "1"})

    async with client_of(harness, Endpoint(PATH, handle)) as client:
        response = await client.post(f"{PATH}?a=%20b", content=b"\xff raw", headers={"X-Signature": "v0=1"})
        assert (await client.get(PATH)).status_code == 405
    assert (response.status_code, response.content) == (202, b"<taken/>")
    assert (response.headers["content-type"], response.headers["x-pager"]) == ("text/xml; charset=utf-8", "1")
    (request,) = received
    assert (request.method, request.path, request.query, request.body) == ("POST", PATH, "a=%20b", b"\xff raw")
    assert request.headers["x-signature"] == "v0=1"


async def test_empty_response_has_no_content_type(harness: BotHarness) -> None:
    async def handle(request: HttpRequest, runtime: Runtime) -> HttpResponse:
        return HttpResponse()

    async with client_of(harness, Endpoint(PATH, handle)) as client:
        response = await client.post(PATH)
    assert (response.status_code, response.content) == (200, b"")
    assert "content-type" not in response.headers


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Forbidden("bad signature"), 401, "not_allowed"),
        (InvalidInput("no JSON"), 400, "invalid"),
        (NotFound("no such webhook"), 404, "not_found"),
        (Unavailable("the database is busy", retry_after=7), 503, "unreachable"),
        (ZeroDivisionError(), 500, "internal_error"),
    ],
)
async def test_error_of_an_endpoint_has_its_status(
    harness: BotHarness, error: Exception, status: int, code: str
) -> None:
    async def handle(request: HttpRequest, runtime: Runtime) -> HttpResponse:
        raise error

    async with client_of(harness, Endpoint(PATH, handle)) as client:
        response = await client.post(PATH)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers.get("retry-after") == ("7" if status == 503 else None)


async def test_larger_body_is_refused_before_the_endpoint(harness: BotHarness) -> None:
    async def handle(request: HttpRequest, runtime: Runtime) -> HttpResponse:
        return HttpResponse(body=str(len(request.body)).encode())

    async with client_of(harness, Endpoint(PATH, handle)) as client:
        assert (await client.post(PATH, content=b"a" * MAX_CHANNEL_BODY_BYTES)).text == str(MAX_CHANNEL_BODY_BYTES)
        assert (await client.post(PATH, content=b"a" * (MAX_CHANNEL_BODY_BYTES + 1))).status_code == 413


# --- services ---


async def test_services_are_started_and_stopped_once(harness: BotHarness) -> None:
    services = RecordingService(), RecordingService()
    host = ChannelHost({"pager": plugin_with(*services)}, BotRuntime(harness.bot))
    await host.start()
    await host.stop()
    await host.stop()
    assert [service.calls for service in services] == [["start", "stop"]] * 2


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, [["start"], []]),
        ({"has_listeners": True}, [["start"], ["start"]]),
        ({"has_services": False, "has_listeners": True}, [[], ["start"]]),
    ],
    ids=["web", "up", "smtp"],
)
async def test_listeners_are_started_where_they_are_wanted(
    harness: BotHarness, parts: dict[str, bool], expected: list[list[str]]
) -> None:
    service, listener = RecordingService(), RecordingService()
    plugin = Plugin(RecordingChannel("pager"), services=(service,), listeners=(listener,))
    host = ChannelHost({"pager": plugin}, BotRuntime(harness.bot), **parts)
    await host.start()
    assert [service.calls, listener.calls] == expected
    await host.stop()


async def test_failed_start_leaves_the_service_out(harness: BotHarness, caplog: pytest.LogCaptureFixture) -> None:
    broken, working = RecordingService(start_error=ValueError("a secret")), RecordingService()
    host = ChannelHost({"pager": plugin_with(broken), "fax": plugin_with(working)}, BotRuntime(harness.bot))
    await host.start()
    assert working.calls == ["start"]
    assert harness.bot.channel_errors == {"service:pager": "could not be started: ValueError; see the log"}
    assert only_log_line(caplog, "channel_not_started")["channel"] == "pager"


async def test_service_without_configuration_ends_the_start(harness: BotHarness) -> None:
    first, second = RecordingService(), RecordingService(start_error=ConfigurationError("the port is in use"))
    host = ChannelHost({"pager": plugin_with(first, second)}, BotRuntime(harness.bot))
    with pytest.raises(ConfigurationError, match="the port is in use"):
        await host.start()
    await host.stop()
    assert first.calls == ["start", "stop"]


async def test_failed_stop_does_not_keep_others_running(harness: BotHarness, caplog: pytest.LogCaptureFixture) -> None:
    broken, working = RecordingService(stop_error=ValueError()), RecordingService()
    host = ChannelHost({"pager": plugin_with(broken, working)}, BotRuntime(harness.bot))
    await host.start()
    await host.stop()
    assert working.calls == ["start", "stop"]
    assert only_log_line(caplog, "background_task_failed")["channel"] == "pager"


# --- the runtime ---


async def test_runtime_has_the_time_and_the_waits_of_the_bot(harness: BotHarness) -> None:
    runtime, started_at = BotRuntime(harness.bot), harness.clock.now()
    for wait in (runtime.sleep(60, asyncio.Event()), runtime.back_off(3, asyncio.Event())):
        waiting = asyncio.create_task(wait)
        await asyncio.sleep(0)
        assert not waiting.done()
        harness.clock.advance(seconds=60)
        await waiting
    assert (runtime.now() - started_at).total_seconds() == 120
    is_set = asyncio.Event()
    is_set.set()
    await runtime.sleep(60, is_set)


async def test_runtime_runs_a_failed_loop_again(harness: BotHarness) -> None:
    stop_event, has_failed, attempts = asyncio.Event(), asyncio.Event(), []

    async def loop() -> None:
        attempts.append(len(attempts))
        if len(attempts) == 1:
            has_failed.set()
            raise ValueError

    running = asyncio.create_task(BotRuntime(harness.bot).supervise("pager", loop, stop_event))
    await has_failed.wait()
    harness.clock.advance(seconds=4)
    await running
    assert (attempts, harness.bot.supervisor.failure_counts["pager"]) == ([0, 1], 1)


async def test_reported_problem_makes_the_bot_unready(harness: BotHarness) -> None:
    runtime = BotRuntime(harness.bot)
    async with client_of(harness, Endpoint(PATH, None)) as client:
        runtime.report_problem("socket:pager", "the connection is down")
        response = await client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["checks"]["socket:pager"] == {"ok": False, "problem": "the connection is down"}
        runtime.report_problem("socket:pager", None)
        assert (await client.get("/readyz")).status_code == 200


async def test_runtime_logs_declared_actions_only(harness: BotHarness, caplog: pytest.LogCaptureFixture) -> None:
    runtime = BotRuntime(harness.bot)
    runtime.log("socket_lost", level="warning", channel="pager")
    assert only_log_line(caplog, "socket_lost")["channel"] == "pager"
    with pytest.raises(TypeError, match="not a member"):
        runtime.log("pager_lost")
    with pytest.raises(TypeError, match="not a field"):
        runtime.log("socket_lost", text="the words of a person")
