"""Text that only one kind of database can store gets the same response on each, and never a server error."""

from base64 import urlsafe_b64encode
from typing import Any

import pytest

from tests.harness.api import ApiHarness

KEY_HEADER = {"Idempotency-Key": "k"}
THREAD_PATH = "/v1/threads/a%00b"
REQUEST_PATH = "/v1/requests/a%00b"


def make_cursor(item_id: str) -> str:
    return urlsafe_b64encode(f"2026-01-01T00:00:00+00:00,{item_id}".encode()).decode()


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", THREAD_PATH, {}, 404),
        ("GET", f"{THREAD_PATH}/events", {}, 404),
        ("POST", f"{THREAD_PATH}/pause", {}, 404),
        ("POST", f"{THREAD_PATH}/pause", {"headers": KEY_HEADER}, 404),
        ("POST", f"{THREAD_PATH}/messages", {"json": {"text": "x"}, "headers": KEY_HEADER}, 404),
        ("POST", f"{THREAD_PATH}/fork", {"json": {"at": 1}}, 404),
        ("GET", REQUEST_PATH, {}, 404),
        ("POST", f"{REQUEST_PATH}/answer", {"json": {"decision": "approve"}, "headers": KEY_HEADER}, 404),
        ("GET", "/v1/threads", {"params": {"agent": "a\0b"}}, 200),
        ("GET", "/v1/threads", {"params": {"status": "a\0b"}}, 422),
        ("GET", "/v1/threads", {"params": {"cursor": make_cursor("a\0b")}}, 200),
        ("GET", "/v1/requests", {"params": {"cursor": make_cursor("a\0b")}}, 200),
        ("GET", "/v1/requests", {"params": {"thread_id": "a\0b"}}, 200),
        ("GET", "/v1/requests", {"params": {"as": "person:a\0b"}}, 422),
        ("POST", "/v1/threads", {"json": {"message": "look", "agent": "a\0b"}}, 422),
        ("POST", "/v1/threads", {"json": {"message": "look", "requester": "person:a\0b"}}, 422),
        ("POST", "/v1/threads", {"json": {"message": "look", "reply_to": "terminal:a\0b"}}, 422),
        ("POST", "/v1/threads", {"json": {"message": "look"}, "headers": {"Idempotency-Key": "a\0b"}}, 422),
        ("POST", "/v1/threads", {"json": {"message": "lo\0ok"}}, 201),
        ("POST", "/v1/threads", {"json": {"message": "lo\0ok"}, "headers": KEY_HEADER}, 201),
        ("POST", "/v1/threads", {"json": {"message": "look", "labels": {"a\0": "b\0"}}}, 201),
    ],
)
async def test_nul_characters_are_handled_everywhere(
    api_on_each_database: ApiHarness, method: str, path: str, options: Any, status: int
) -> None:
    response = await api_on_each_database.client("local").request(method, path, **options)
    assert response.status_code == status, response.text


async def test_message_with_a_nul_is_stored_unchanged(api_on_each_database: ApiHarness) -> None:
    thread_id = await api_on_each_database.start_thread("lo\0ok")
    events = (await api_on_each_database.client().get(f"/v1/threads/{thread_id}/events")).json()["events"]
    assert next(e for e in events if e["type"] == "MessageReceived")["data"]["text"] == "lo\0ok"


@pytest.mark.parametrize("after", [2**31 - 1, 2**31, 2**40])
async def test_after_a_very_large_seq_there_are_no_events(api_on_each_database: ApiHarness, after: int) -> None:
    thread_id = await api_on_each_database.start_thread("look")
    response = await api_on_each_database.client().get(f"/v1/threads/{thread_id}/events", params={"after": after})
    assert (response.status_code, response.json()) == (200, {"events": []})
