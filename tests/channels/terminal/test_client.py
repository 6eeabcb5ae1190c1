"""The API client against servers that answer, refuse, send partial data and disconnect."""

import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import httpx2
import pytest

from agents.core.errors import (
    AlreadySettled,
    Conflict,
    Forbidden,
    HandrailError,
    IdempotencyKeyReused,
    StoreUnavailable,
    ThreadNotFound,
    Unavailable,
)
from channels.terminal.client import ConnectionChange, LoggedEvent, TerminalClient, api_path

Handler = Callable[[httpx2.Request], httpx2.Response]


class SleepRecorder:
    """Sleep function that records the seconds and returns at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def make_client(
    handler: Handler, *, name: str | None = "alice", sleep: Callable[[float], Awaitable[None]] | None = None
):
    transport = httpx2.MockTransport(handler)
    return TerminalClient("http://127.0.0.1:1", "secret", name, sleep=sleep or SleepRecorder(), transport=transport)


def event_text(seq: int) -> str:
    data = {"seq": seq, "type": "ReplyChosen", "at": "2026-03-01T09:00:00Z", "actor": "agent:deploy", "data": {}}
    return f"id: {seq}\nevent: ReplyChosen\ndata: {json.dumps(data)}\n\n"


def stream_response(text: str) -> httpx2.Response:
    return httpx2.Response(200, text=text, headers={"Content-Type": "text/event-stream"})


def error_response(status: int, code: str, **fields: object) -> httpx2.Response:
    return httpx2.Response(status, json={"error": {"code": code, "message": f"error: {code}", **fields}})


class ScriptedServer:
    """Server that returns scripted responses and records requests. For None, the connection fails."""

    def __init__(self, *responses: httpx2.Response | None) -> None:
        self.requests: list[httpx2.Request] = []
        self._responses = list(responses)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        response = self._responses.pop(0)
        if response is None:
            raise httpx2.ConnectError("refused", request=request)
        return response


async def test_requests_have_a_token_and_posts_an_idempotency_key():
    server = ScriptedServer(httpx2.Response(200, json={}), httpx2.Response(200, json={}))
    async with make_client(server) as client:
        await client.get(api_path("threads"), status="open", agent=None)
        await client.post(api_path("threads"), {"message": "hello", "agent": None})
    get_request, post_request = server.requests
    assert get_request.headers["Authorization"] == "Bearer secret"
    assert get_request.url.query == b"status=open"
    assert post_request.headers["Handrail-Channel"] == "terminal:alice"
    assert len(post_request.headers["Idempotency-Key"]) == 32
    assert json.loads(post_request.content) == {"message": "hello"}


async def test_client_without_a_name_sends_no_channel_and_no_requester():
    server = ScriptedServer(httpx2.Response(200, json={}))
    async with make_client(server, name=None) as client:
        await client.post(api_path("threads"), {"message": "hello", "requester": client.person})
    assert "Handrail-Channel" not in server.requests[0].headers
    assert json.loads(server.requests[0].content) == {"message": "hello"}


@pytest.mark.parametrize(
    ("status", "code", "error_type"),
    [
        (404, "thread_not_found", ThreadNotFound),
        (409, "already_settled", AlreadySettled),
        (422, "key_reused", IdempotencyKeyReused),
        (503, "store_unavailable", StoreUnavailable),
        (401, "unauthorized", Forbidden),
        (403, "not_allowed", Forbidden),
        (418, "teapot", Conflict),
    ],
)
async def test_error_response_becomes_the_original_error(status, code, error_type):
    async with make_client(ScriptedServer(error_response(status, code, details={"id": "req_1"}))) as client:
        with pytest.raises(error_type, match=f"error: {code}") as caught:
            await client.get("/v1/anything")
    assert isinstance(caught.value, HandrailError)


async def test_error_for_a_wrong_token_names_the_setting():
    async with make_client(ScriptedServer(error_response(401, "unauthorized"))) as client:
        with pytest.raises(Forbidden, match="HANDRAIL_API_TOKEN"):
            await client.get("/v1/anything")


@pytest.mark.parametrize("response", [httpx2.Response(502, text="<html>"), httpx2.Response(200, text="hello")])
async def test_response_of_another_server_is_reported(response):
    async with make_client(ScriptedServer(response)) as client:
        with pytest.raises(Conflict, match="is this a Handrail"):
            await client.get("/v1/anything")


async def test_error_without_a_server_says_how_to_start_one():
    async with make_client(ScriptedServer(None)) as client:
        with pytest.raises(
            Unavailable, match=r"no Handrail server answers at http://127\.0\.0\.1:1; start it with `make up`"
        ):
            await client.get("/v1/anything")


async def test_post_is_retried_with_the_same_key():
    sleeps = SleepRecorder()
    server = ScriptedServer(None, error_response(503, "store_unavailable"), httpx2.Response(200, json={"id": "thr_1"}))
    async with make_client(server, sleep=sleeps) as client:
        assert await client.post(api_path("threads"), {"message": "hello"}, retries=5) == {"id": "thr_1"}
    assert len({request.headers["Idempotency-Key"] for request in server.requests}) == 1
    assert sleeps.seconds == [0.2, 0.4]


async def test_retries_are_limited():
    async with make_client(ScriptedServer(None, None, None)) as client:
        with pytest.raises(Unavailable):
            await client.get("/v1/anything", retries=2)


async def test_rejected_request_is_not_retried():
    server = ScriptedServer(error_response(404, "thread_not_found"))
    async with make_client(server) as client:
        with pytest.raises(ThreadNotFound):
            await client.get("/v1/anything", retries=5)
    assert len(server.requests) == 1


async def test_list_reads_all_pages():
    pages = [{"threads": [1, 2], "next_cursor": "c2"}, {"threads": [3], "next_cursor": None}]
    server = ScriptedServer(*(httpx2.Response(200, json=page) for page in pages))
    async with make_client(server) as client:
        assert await client.list_all(api_path("threads"), "threads", max_items=10) == [1, 2, 3]
    assert server.requests[1].url.params["cursor"] == "c2"


async def test_list_stops_at_max_items():
    server = ScriptedServer(httpx2.Response(200, json={"threads": [1, 2], "next_cursor": "c2"}))
    async with make_client(server) as client:
        assert await client.list_all(api_path("threads"), "threads", max_items=2) == [1, 2]
    assert server.requests[0].url.params["limit"] == "2"


async def follow_until(client: TerminalClient, seq: int, after: int = 0) -> Sequence[LoggedEvent | ConnectionChange]:
    found: list[LoggedEvent | ConnectionChange] = []
    async with aclosing(client.follow("thr_1", after)) as stream:
        async for item in stream:
            found.append(item)
            if isinstance(item, LoggedEvent) and item.seq == seq:
                break
    return found


async def test_follow_reconnects_and_yields_each_event_once():
    sleeps = SleepRecorder()
    server = ScriptedServer(
        stream_response(event_text(1) + event_text(2)),
        None,
        None,
        stream_response(": still here\n\n" + event_text(2) + event_text(3)),
    )
    async with make_client(server, sleep=sleeps) as client:
        found = await follow_until(client, seq=3)
    seqs = [one.seq for one in found if isinstance(one, LoggedEvent)]
    assert seqs == [1, 2, 3]
    assert [one.is_lost for one in found if isinstance(one, ConnectionChange)] == [True, False]
    assert [request.url.params["after"] for request in server.requests] == ["0", "2", "2", "2"]
    assert sleeps.seconds == [0.2, 0.4, 0.8]


async def test_follow_raises_the_error_of_the_server():
    async with make_client(ScriptedServer(error_response(404, "thread_not_found"))) as client:
        with pytest.raises(ThreadNotFound):
            await follow_until(client, seq=1)


async def test_follow_reports_an_invalid_event():
    async with make_client(ScriptedServer(stream_response("data: {]\n\n"))) as client:
        with pytest.raises(Conflict, match="is this a Handrail"):
            await follow_until(client, seq=1)


async def test_follow_does_not_split_events_at_unicode_separators():
    text = event_text(1).replace('"data": {}', '"data": {"text": "a\u2028b\x85c"}')
    async with make_client(ScriptedServer(stream_response(text))) as client:
        (event,) = await follow_until(client, seq=1)
    assert event.data == {"text": "a\u2028b\x85c"}


async def test_readiness_is_read_also_when_a_check_failed():
    readiness = {"ready": False, "checks": {}}
    async with make_client(ScriptedServer(httpx2.Response(503, json=readiness))) as client:
        assert await client.get_readiness() == readiness


def test_api_path_quotes_typed_text():
    assert api_path("threads", "../requests?x=1", "events") == "/v1/threads/..%2Frequests%3Fx%3D1/events"
