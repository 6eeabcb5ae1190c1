"""Each call to Slack is made once, and ends in our words: done, again later, never, or nobody knows."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import repeat

import pytest

from agents.errors import (
    ConfigurationError,
    DeliveryUncertain,
    Forbidden,
    HandrailError,
    Permanent,
    Retryable,
    Unavailable,
)
from channels.slack.client import SlackClient
from channels.slack.errors import ContentRejected, MessageNotEditable, error_from_response
from tests.fakes.http_server import HttpRequest, HttpResponse, running_http_server
from tests.fakes.slack.slack import fake_slack

TOKEN = "xoxb-1-secret"
_NO_TIME = repeat(0.0)
CALL = ("chat.postMessage", {"channel": "C1", "text": "hello"})


def answer(body: object, status: int = 200, **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, {"Content-Type": "application/json", **named}, json.dumps(body).encode())


@asynccontextmanager
async def slack(
    reply: HttpResponse, times: Iterator[float] = _NO_TIME
) -> AsyncIterator[tuple[SlackClient, list[HttpRequest]]]:
    seen: list[HttpRequest] = []

    def handle(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return reply

    async with running_http_server(handle) as port:
        client = SlackClient(TOKEN, f"http://127.0.0.1:{port}/api/", timeout_seconds=0.5, monotonic=lambda: next(times))
        try:
            yield client, seen
        finally:
            await client.close()


async def test_a_call_carries_the_token_and_its_arguments_and_returns_what_slack_says() -> None:
    async with slack(answer({"ok": True, "ts": "1.2"})) as (client, seen):
        assert (await client.call(CALL[0], **CALL[1]))["ts"] == "1.2"
    assert seen[0].path == "/api/chat.postMessage"
    assert seen[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert json.loads(seen[0].body) == CALL[1]


async def test_what_methods_that_only_look_are_asked_arrives() -> None:
    async with fake_slack() as slack:
        client = SlackClient(slack.app.bot_token, slack.base_url)
        thread = await slack.add_person("alice", "U0ALICE").post_message("hello", channel="C0OPS")
        found = await client.call("conversations.replies", channel="C0OPS", ts=thread.ts, include_all_metadata=True)
        assert [message["text"] for message in found["messages"]] == ["hello"]
        await client.close()


async def test_proxy_of_the_machine_is_not_taken_unless_it_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")  # of which aiohttp makes an error of no family of ours
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with slack(answer({"ok": True, "ts": "1.2"})) as (client, _):
        assert (await client.call(CALL[0], **CALL[1]))["ts"] == "1.2"


async def test_who_needs_the_headers_gets_them_under_names_in_lower_case() -> None:
    async with slack(answer({"ok": True}, X_OAuth_Scopes="chat:write,commands")) as (client, _):
        answered = await client.call_with_headers("auth.test")
    assert (answered.data, answered.headers["x-oauth-scopes"]) == ({"ok": True}, "chat:write,commands")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer({"ok": False, "error": "ratelimited"}, 429, Retry_After="7"), Unavailable),
        (answer({"ok": False, "error": "internal_error"}), Unavailable),
        (answer({"ok": False, "error": "channel_not_found"}), Permanent),
        (answer({"ok": False, "error": "invalid_auth"}), ConfigurationError),
        (answer({"ok": False, "error": "invalid_blocks"}), ContentRejected),
        (answer({"ok": False, "error": "message_not_found"}), MessageNotEditable),
        (answer({"ok": False, "error": "fatal_error"}), DeliveryUncertain),
        (answer({"ok": False, "error": "service_unavailable"}, 503), Unavailable),
        (answer({"ok": False}), DeliveryUncertain),
        (answer([]), DeliveryUncertain),
        (answer(["ok"]), DeliveryUncertain),
        (HttpResponse(503, {"Content-Type": "text/html"}, b"<html>busy</html>"), DeliveryUncertain),
        (HttpResponse(200, {"Content-Type": "text/html"}, b"<html>busy</html>"), DeliveryUncertain),
        (HttpResponse(200, {"Content-Type": "text/html"}, b""), DeliveryUncertain),
        (HttpResponse(200, {"Content-Type": "application/json"}, b""), DeliveryUncertain),
        (HttpResponse(200, {"Content-Type": "application/json"}, b"\xff\xfe{}"), DeliveryUncertain),
        (HttpResponse(200, {"Content-Type": "text/plain"}, b"busy"), DeliveryUncertain),
        (HttpResponse(404, {"Content-Type": "text/html"}, b"<html>no such page</html>"), DeliveryUncertain),
        (HttpResponse(502, {"Content-Type": "application/json"}, b"{not json"), DeliveryUncertain),
        (HttpResponse(end="hang up"), DeliveryUncertain),
        (HttpResponse(end="hang"), DeliveryUncertain),
    ],
    ids=lambda value: "" if isinstance(value, HttpResponse) else value.__name__,
)
async def test_every_end_of_a_call_has_one_error_and_the_call_is_made_once(
    reply: HttpResponse, error: type[HandrailError]
) -> None:
    async with slack(reply) as (client, seen):
        with pytest.raises(error) as raised:
            await client.call(CALL[0], **CALL[1])
    assert type(raised.value) is error
    assert len(seen) == 1
    assert TOKEN not in str(raised.value)


async def test_a_method_slack_wants_left_alone_is_not_called_before_its_time() -> None:
    too_fast = answer({"ok": False, "error": "ratelimited"}, 429, Retry_After="30")
    times = iter([100.0, 100.0, 129.0, 130.0, 130.0])
    async with slack(too_fast, times) as (client, seen):
        for called, rest in ((1, 30.0), (1, 1.0), (2, 30.0)):
            with pytest.raises(Unavailable) as raised:
                await client.call(*CALL[:1])
            assert (len(seen), raised.value.retry_after) == (called, rest)


async def test_a_limit_in_one_channel_leaves_the_other_channels_alone() -> None:
    too_fast = answer({"ok": False, "error": "ratelimited"}, 429, Retry_After="30")
    async with slack(too_fast) as (client, seen):
        for channel in ("C1", "C2", "C1"):
            with pytest.raises(Unavailable):
                await client.call("chat.postMessage", channel=channel, text="hello")
        assert [json.loads(request.body)["channel"] for request in seen] == ["C1", "C2"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "//x",
        "https:",
        "https://evil.example/",
        "http://hooks.slack.com/x",
        "https://hooks.slack.com.evil.example/x",
        "https://hooks.slack.com@evil.example/",
        "https://hooks.slack.com:8443/x",
        "http://127.0.0.1:1/x",
        "file:///etc",
    ],
)
async def test_a_response_url_of_another_server_is_not_called(url: str) -> None:
    client = SlackClient(TOKEN)
    with pytest.raises(Forbidden):
        await client.post_to_response_url(url, "hello")


async def test_a_response_url_of_the_server_of_the_api_is_called_and_follows_no_redirect() -> None:
    async with slack(HttpResponse(302, {"Location": "http://127.0.0.1:1/"}, b"")) as (client, seen):
        await client.post_to_response_url(client.base_url.replace("/api/", "/response/R1"), "hello")
    assert [request.path for request in seen] == ["/response/R1"]


async def test_a_server_that_is_not_there_has_done_nothing() -> None:
    client = SlackClient(TOKEN, "http://127.0.0.1:1/api/", timeout_seconds=5)
    with pytest.raises(Unavailable) as raised:
        await client.call("auth.test")
    await client.close()
    assert type(raised.value) is Unavailable


@pytest.mark.parametrize(("said", "pause"), [("7", 7.0), ("0", 0.0), ("soon", None), ("-1", None), ("\u0667", None)])
def test_only_a_time_in_whole_seconds_is_a_time(said: str, pause: float | None) -> None:
    error = error_from_response("ratelimited", status=429, headers={"retry-after": said})
    assert isinstance(error, Retryable)
    assert error.retry_after == pause


def test_a_code_nobody_has_told_us_of_is_final() -> None:
    assert type(error_from_response("something_new")) is Permanent
    assert "something_new" in str(error_from_response("something_new"))
