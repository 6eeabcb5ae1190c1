"""The client of the API, against servers that answer, refuse, stutter and go away."""

import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import (
    AlreadySettled,
    Conflict,
    Forbidden,
    HandrailError,
    IdempotencyKeyReused,
    StoreUnavailable,
    ThreadNotFound,
    Unavailable,
)
from channels.terminal.client import ConnectionChange, LoggedEvent, SseDecoder, TerminalClient, api_path

Handler = Callable[[httpx.Request], httpx.Response]


class RecordedSleeps:
    """Sleeps that take no time, and are remembered."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def a_client(handler: Handler, *, name: str | None = "alice", sleep: Callable[[float], Awaitable[None]] | None = None):
    transport = httpx.MockTransport(handler)
    return TerminalClient("http://127.0.0.1:1", "secret", name, sleep=sleep or RecordedSleeps(), transport=transport)


def an_event(seq: int) -> str:
    data = {"seq": seq, "type": "ReplyChosen", "at": "2026-03-01T09:00:00Z", "actor": "agent:deploy", "data": {}}
    return f"id: {seq}\nevent: ReplyChosen\ndata: {json.dumps(data)}\n\n"


def a_problem(status: int, code: str, **more: object) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": f"told: {code}", **more}})


class Server:
    """Answers from a script, and remembers what it was asked; None hangs up."""

    def __init__(self, *answers: httpx.Response | None) -> None:
        self.asked: list[httpx.Request] = []
        self._answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers.pop(0)
        if answer is None:
            raise httpx.ConnectError("refused", request=request)
        return answer


async def test_every_request_carries_the_token_and_every_order_a_key_and_the_terminal():
    server = Server(httpx.Response(200, json={}), httpx.Response(200, json={}))
    async with a_client(server) as client:
        await client.get(api_path("threads"), status="open", agent=None)
        await client.post(api_path("threads"), {"message": "hello", "agent": None})
    seen, ordered = server.asked
    assert seen.headers["Authorization"] == "Bearer secret"
    assert seen.url.query == b"status=open"
    assert ordered.headers["Handrail-Channel"] == "terminal:alice"
    assert len(ordered.headers["Idempotency-Key"]) == 32
    assert json.loads(ordered.content) == {"message": "hello"}


async def test_a_stranger_names_no_terminal():
    server = Server(httpx.Response(200, json={}))
    async with a_client(server, name=None) as client:
        await client.post(api_path("threads"), {"message": "hello", "requester": client.person})
    assert "Handrail-Channel" not in server.asked[0].headers
    assert json.loads(server.asked[0].content) == {"message": "hello"}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
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
async def test_a_problem_becomes_the_error_it_was(status, code, kind):
    async with a_client(Server(a_problem(status, code, details={"id": "req_1"}))) as client:
        with pytest.raises(kind, match=f"told: {code}") as caught:
            await client.get("/v1/anything")
    assert isinstance(caught.value, HandrailError)


async def test_a_wrong_token_says_where_tokens_are():
    async with a_client(Server(a_problem(401, "unauthorized"))) as client:
        with pytest.raises(Forbidden, match="HANDRAIL_API_TOKEN"):
            await client.get("/v1/anything")


@pytest.mark.parametrize("answer", [httpx.Response(502, text="<html>"), httpx.Response(200, text="hello")])
async def test_what_is_no_handrail_is_told_as_such(answer):
    async with a_client(Server(answer)) as client:
        with pytest.raises(Conflict, match="is this a Handrail"):
            await client.get("/v1/anything")


async def test_no_server_says_how_to_start_one():
    async with a_client(Server(None)) as client:
        with pytest.raises(Unavailable, match=r"no Handrail answers at http://127\.0\.0\.1:1; start it with `make up`"):
            await client.get("/v1/anything")


async def test_an_order_is_sent_again_under_the_same_key_until_the_server_is_back():
    naps = RecordedSleeps()
    server = Server(None, a_problem(503, "store_unavailable"), httpx.Response(200, json={"id": "thr_1"}))
    async with a_client(server, sleep=naps) as client:
        assert await client.post(api_path("threads"), {"message": "hello"}, timeout_seconds=5) == {"id": "thr_1"}
    assert len({request.headers["Idempotency-Key"] for request in server.asked}) == 1
    assert naps.seconds == [0.2, 0.4]


async def test_patience_ends():
    async with a_client(Server(None, None, None)) as client:
        with pytest.raises(Unavailable):
            await client.get("/v1/anything", timeout_seconds=2)


async def test_a_refusal_is_not_asked_for_twice():
    server = Server(a_problem(404, "thread_not_found"))
    async with a_client(server) as client:
        with pytest.raises(ThreadNotFound):
            await client.get("/v1/anything", timeout_seconds=5)
    assert len(server.asked) == 1


async def test_a_list_is_read_page_by_page_as_far_as_wanted():
    pages = [{"threads": [1, 2], "next_cursor": "c2"}, {"threads": [3], "next_cursor": None}]
    server = Server(*(httpx.Response(200, json=page) for page in pages))
    async with a_client(server) as client:
        assert await client.list_all(api_path("threads"), "threads", most=10) == [1, 2, 3]
    assert server.asked[1].url.params["cursor"] == "c2"


async def test_a_list_is_not_read_further_than_wanted():
    server = Server(httpx.Response(200, json={"threads": [1, 2], "next_cursor": "c2"}))
    async with a_client(server) as client:
        assert await client.list_all(api_path("threads"), "threads", most=2) == [1, 2]
    assert server.asked[0].url.params["limit"] == "2"


async def followed(client: TerminalClient, until: int, after: int = 0) -> Sequence[LoggedEvent | ConnectionChange]:
    found: list[LoggedEvent | ConnectionChange] = []
    async with aclosing(client.follow("thr_1", after)) as news:
        async for one in news:
            found.append(one)
            if isinstance(one, LoggedEvent) and one.seq == until:
                break
    return found


async def test_a_log_is_followed_across_a_restart_and_nothing_is_told_twice():
    naps = RecordedSleeps()
    server = Server(
        httpx.Response(200, text=an_event(1) + an_event(2)),
        None,
        None,
        httpx.Response(200, text=": still here\n\n" + an_event(2) + an_event(3)),
    )
    async with a_client(server, sleep=naps) as client:
        found = await followed(client, until=3)
    seqs = [one.seq for one in found if isinstance(one, LoggedEvent)]
    assert seqs == [1, 2, 3]
    assert [one.is_lost for one in found if isinstance(one, ConnectionChange)] == [True, False]
    assert [request.url.params["after"] for request in server.asked] == ["0", "2", "2", "2"]
    assert naps.seconds == [0.2, 0.4, 0.8]


async def test_a_log_that_is_refused_is_not_followed():
    async with a_client(Server(a_problem(404, "thread_not_found"))) as client:
        with pytest.raises(ThreadNotFound):
            await followed(client, until=1)


async def test_an_event_that_is_none_ends_in_an_error_and_not_in_a_stack_trace():
    async with a_client(Server(httpx.Response(200, text="data: {]\n\n"))) as client:
        with pytest.raises(Conflict, match="is this a Handrail"):
            await followed(client, until=1)


async def test_what_the_server_says_of_itself_is_read_also_when_it_is_not_well():
    told = {"ready": False, "checks": {}}
    async with a_client(Server(httpx.Response(503, json=told))) as client:
        assert await client.ready() == told


def test_what_a_person_typed_cannot_lead_elsewhere():
    assert api_path("threads", "../requests?x=1", "events") == "/v1/threads/..%2Frequests%3Fx%3D1/events"


MESSAGES = st.lists(
    st.text(st.characters(exclude_characters="\r\n\x00", exclude_categories=["Cs"]), min_size=1), max_size=5
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(MESSAGES, ENDS, st.lists(st.integers(1, 40)))
def test_a_stream_is_the_same_in_whatever_pieces_it_arrives(messages, end, sizes):
    whole = "".join(f": ping{end}id: 1{end}data: {message}{end}{end}" for message in messages).encode()
    stream, found = SseDecoder(), []
    for size in [*sizes, len(whole)]:
        piece, whole = whole[:size], whole[size:]
        found += stream.feed(piece)
    assert found + stream.feed(b"\n") == messages
    assert stream.feed(b"data: a\ndata: b\n\n") == ["a\nb"]


def test_separators_of_unicode_end_no_line():
    assert SseDecoder().feed('data: "a\u2028b\x85c\x0bd"\n\n'.encode()) == ['"a\u2028b\x85c\x0bd"']
