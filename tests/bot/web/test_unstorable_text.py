"""What one database can hold and the other cannot is answered alike: never as a failure of ours."""

from base64 import urlsafe_b64encode
from typing import Any

import pytest

from tests.bot.web.api_harness import ApiHarness

KEY = {"Idempotency-Key": "k"}
NOBODY = "/v1/threads/a%00b"
NOTHING = "/v1/requests/a%00b"


def cursor(identity: str) -> str:
    return urlsafe_b64encode(f"2026-01-01T00:00:00+00:00,{identity}".encode()).decode()


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", NOBODY, {}, 404),
        ("GET", f"{NOBODY}/events", {}, 404),
        ("POST", f"{NOBODY}/pause", {}, 404),
        ("POST", f"{NOBODY}/pause", {"headers": KEY}, 404),
        ("POST", f"{NOBODY}/messages", {"json": {"text": "x"}, "headers": KEY}, 404),
        ("POST", f"{NOBODY}/fork", {"json": {"at": 1}}, 404),
        ("GET", NOTHING, {}, 404),
        ("POST", f"{NOTHING}/answer", {"json": {"decision": "approve"}, "headers": KEY}, 404),
        ("GET", "/v1/threads", {"params": {"agent": "a\0b"}}, 200),
        ("GET", "/v1/threads", {"params": {"status": "a\0b"}}, 422),
        ("GET", "/v1/threads", {"params": {"cursor": cursor("a\0b")}}, 200),
        ("GET", "/v1/requests", {"params": {"cursor": cursor("a\0b")}}, 200),
        ("GET", "/v1/requests", {"params": {"thread_id": "a\0b"}}, 200),
        ("GET", "/v1/requests", {"params": {"as": "person:a\0b"}}, 422),
        ("POST", "/v1/threads", {"json": {"message": "look", "agent": "a\0b"}}, 422),
        ("POST", "/v1/threads", {"json": {"message": "look", "requester": "person:a\0b"}}, 422),
        ("POST", "/v1/threads", {"json": {"message": "look", "reply_to": "terminal:a\0b"}}, 422),
        ("POST", "/v1/threads", {"json": {"message": "look"}, "headers": {"Idempotency-Key": "a\0b"}}, 422),
        ("POST", "/v1/threads", {"json": {"message": "lo\0ok"}}, 201),
        ("POST", "/v1/threads", {"json": {"message": "lo\0ok"}, "headers": KEY}, 201),
        ("POST", "/v1/threads", {"json": {"message": "look", "labels": {"a\0": "b\0"}}}, 201),
    ],
)
async def test_a_nul_wherever_it_stands(
    api_on_each_database: ApiHarness, method: str, path: str, more: Any, status: int
) -> None:
    told = await api_on_each_database.client("local").request(method, path, **more)
    assert told.status_code == status, told.text


async def test_what_was_said_with_a_nul_is_kept_as_it_was_said(api_on_each_database: ApiHarness) -> None:
    thread = await api_on_each_database.start_thread("lo\0ok")
    events = (await api_on_each_database.client().get(f"/v1/threads/{thread}/events")).json()["events"]
    assert next(e for e in events if e["type"] == "MessageReceived")["data"]["text"] == "lo\0ok"


@pytest.mark.parametrize("after", [2**31 - 1, 2**31, 2**40])
async def test_behind_the_largest_numbers_there_are_no_events(api_on_each_database: ApiHarness, after: int) -> None:
    thread = await api_on_each_database.start_thread("look")
    told = await api_on_each_database.client().get(f"/v1/threads/{thread}/events", params={"after": after})
    assert (told.status_code, told.json()) == (200, {"events": []})
