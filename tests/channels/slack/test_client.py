"""Each call to Slack is made once and ends with a result or with one of Handrail's errors."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import repeat

import pytest

from agents.core.errors import (
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
_CONSTANT_TIME = repeat(0.0)
CALL = ("chat.postMessage", {"channel": "C1", "text": "hello"})


def json_response(body: object, status: int = 200, **headers: str) -> HttpResponse:
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, {"Content-Type": "application/json", **extra}, json.dumps(body).encode())


@asynccontextmanager
async def slack(
    reply: HttpResponse, times: Iterator[float] = _CONSTANT_TIME
) -> AsyncIterator[tuple[SlackClient, list[HttpRequest]]]:
    requests: list[HttpRequest] = []

    def handle(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return reply

    async with running_http_server(handle) as port:
        client = SlackClient(TOKEN, f"http://127.0.0.1:{port}/api/", timeout_seconds=1.5, monotonic=lambda: next(times))
        try:
            yield client, requests
        finally:
            await client.close()


async def test_call_sends_token_and_arguments_and_returns_the_body() -> None:
    async with slack(json_response({"ok": True, "ts": "1.2"})) as (client, requests):
        assert (await client.call(CALL[0], **CALL[1]))["ts"] == "1.2"
    assert requests[0].path == "/api/chat.postMessage"
    assert requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert json.loads(requests[0].body) == CALL[1]


async def test_form_encoded_methods_receive_their_arguments() -> None:
    async with fake_slack() as slack:
        client = SlackClient(slack.app.bot_token, slack.base_url)
        thread = await slack.add_person("alice", "U0ALICE").post_message("hello", channel="C0OPS")
        found = await client.call("conversations.replies", channel="C0OPS", ts=thread.ts, include_all_metadata=True)
        assert [message["text"] for message in found["messages"]] == ["hello"]
        await client.close()


async def test_ignores_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")  # aiohttp raises an unrelated error for it
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with slack(json_response({"ok": True, "ts": "1.2"})) as (client, _):
        assert (await client.call(CALL[0], **CALL[1]))["ts"] == "1.2"


async def test_response_headers_have_lower_case_names() -> None:
    async with slack(json_response({"ok": True}, X_OAuth_Scopes="chat:write,commands")) as (client, _):
        response = await client.call_with_headers("auth.test")
    assert (response.data, response.headers["x-oauth-scopes"]) == ({"ok": True}, "chat:write,commands")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (json_response({"ok": False, "error": "ratelimited"}, 429, Retry_After="7"), Unavailable),
        (json_response({"ok": False, "error": "internal_error"}), Unavailable),
        (json_response({"ok": False, "error": "channel_not_found"}), Permanent),
        (json_response({"ok": False, "error": "invalid_auth"}), ConfigurationError),
        (json_response({"ok": False, "error": "invalid_blocks"}), ContentRejected),
        (json_response({"ok": False, "error": "message_not_found"}), MessageNotEditable),
        (json_response({"ok": False, "error": "fatal_error"}), DeliveryUncertain),
        (json_response({"ok": False, "error": "service_unavailable"}, 503), Unavailable),
        (json_response({"ok": False}), DeliveryUncertain),
        (json_response([]), DeliveryUncertain),
        (json_response(["ok"]), DeliveryUncertain),
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
async def test_failed_call_raises_one_error_and_is_not_repeated(
    reply: HttpResponse, error: type[HandrailError]
) -> None:
    async with slack(reply) as (client, requests):
        with pytest.raises(error) as raised:
            await client.call(CALL[0], **CALL[1])
    assert type(raised.value) is error
    assert len(requests) == 1
    assert TOKEN not in str(raised.value)


async def test_rate_limited_method_is_not_called_before_its_time() -> None:
    rate_limited = json_response({"ok": False, "error": "ratelimited"}, 429, Retry_After="30")
    times = iter([100.0, 100.0, 129.0, 130.0, 130.0])
    async with slack(rate_limited, times) as (client, requests):
        for call_count, retry_after in ((1, 30.0), (1, 1.0), (2, 30.0)):
            with pytest.raises(Unavailable) as raised:
                await client.call(*CALL[:1])
            assert (len(requests), raised.value.retry_after) == (call_count, retry_after)


async def test_rate_limit_of_one_channel_does_not_affect_others() -> None:
    rate_limited = json_response({"ok": False, "error": "ratelimited"}, 429, Retry_After="30")
    async with slack(rate_limited) as (client, requests):
        for channel in ("C1", "C2", "C1"):
            with pytest.raises(Unavailable):
                await client.call("chat.postMessage", channel=channel, text="hello")
        assert [json.loads(request.body)["channel"] for request in requests] == ["C1", "C2"]


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
async def test_response_url_of_another_server_is_rejected(url: str) -> None:
    client = SlackClient(TOKEN)
    with pytest.raises(Forbidden):
        await client.post_to_response_url(url, "hello")


async def test_response_url_of_the_api_server_follows_no_redirect() -> None:
    async with slack(HttpResponse(302, {"Location": "http://127.0.0.1:1/"}, b"")) as (client, requests):
        await client.post_to_response_url(client.base_url.replace("/api/", "/response/R1"), "hello")
    assert [request.path for request in requests] == ["/response/R1"]


async def test_unreachable_server_raises_unavailable() -> None:
    client = SlackClient(TOKEN, "http://127.0.0.1:1/api/", timeout_seconds=5)
    with pytest.raises(Unavailable) as raised:
        await client.call("auth.test")
    await client.close()
    assert type(raised.value) is Unavailable


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("soon", None), ("-1", None), ("\N{ARABIC-INDIC DIGIT SEVEN}", None)],
)
def test_retry_after_must_be_whole_seconds(header: str, seconds: float | None) -> None:
    error = error_from_response("ratelimited", status=429, headers={"retry-after": header})
    assert isinstance(error, Retryable)
    assert error.retry_after == seconds


def test_unknown_error_code_is_permanent() -> None:
    assert type(error_from_response("something_new")) is Permanent
    assert "something_new" in str(error_from_response("something_new"))
