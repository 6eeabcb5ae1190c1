"""No input causes a server error, and every error response has the documented form."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from httpx2 import Headers
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.harness.api import ApiHarness
from tests.slow_cases import example_count

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
JSON_VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
ADDRESSES = st.sampled_from(
    ["person:alice", "person:bob", "person:nobody", "web:x", "role:release", "slack:C1", "alice"]
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "message": TEXTS | st.sampled_from(["look", "push v1", "push v0", "ask", "choose", "nap", "cancel"]),
    "text": TEXTS | st.sampled_from(["look", "push v1", "a", "stop", "yes"]),
    "agent": st.sampled_from(["porter", "guard", "nobody"]),
    "requester": ADDRESSES,
    "actor": ADDRESSES,
    "reply_to": ADDRESSES,
    "labels": st.dictionaries(TEXTS, TEXTS, max_size=3),
    "at": st.integers(-2, 12),
    "decision": st.sampled_from(["approve", "deny", "edit", "answer", "maybe"]),
    "comment": TEXTS,
    "arguments": st.dictionaries(st.sampled_from(["tag", "note", "x"]), JSON_VALUES, max_size=3),
    "digest": TEXTS,
}
BODIES = JSON_VALUES | st.fixed_dictionaries({}, optional={name: value | JSON_VALUES for name, value in FIELDS.items()})
JSON_TYPE = {"Content-Type": "application/json"}
ACTIONS = ("messages", "pause", "resume", "cancel", "fork")

fuzz_settings = settings(max_examples=example_count(0.5), suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def api(api_on_each_database: ApiHarness) -> ApiHarness:
    return api_on_each_database


@pytest.fixture
async def targets(api: ApiHarness) -> list[str]:
    """Return every path that accepts POST, for a done and a waiting thread, an approval and a question."""
    approval, question = await api.open_request("push v1"), await api.open_request("choose")
    done_thread_id = await api.start_thread("look")
    actions = [
        f"/v1/threads/{thread_id}/{action}"
        for thread_id in (done_thread_id, approval["thread_id"])
        for action in ACTIONS
    ]
    return ["/v1/threads", *actions, *(f"/v1/requests/{request['id']}/answer" for request in (approval, question))]


def check_response(status: int, body: Any) -> None:
    assert status < 500, body
    if status >= 400:
        assert set(body["error"]) <= {"code", "message", "details"}


@fuzz_settings
@given(body=BODIES, owner=st.sampled_from(["alice", "bob", "local", "ci"]), index=st.integers(0, 12))
@example(body={"decision": "edit", "arguments": {"tag": "v2", "note": float(2**70)}}, owner="bob", index=11)
@example(body={"text": "push " + "9" * 15_000}, owner="alice", index=6)
async def test_any_json_body_is_handled(api: ApiHarness, targets: list[str], body: Any, owner: str, index: int) -> None:
    response = await api.client(owner).post(targets[index], content=json.dumps(body), headers=JSON_TYPE)
    check_response(response.status_code, response.json())


@fuzz_settings
@given(
    raw=st.binary(max_size=60),
    media_type=st.sampled_from(["application/json", "text/plain", "multipart/form-data", "\xff"]),
)
async def test_any_bytes_are_handled(api: ApiHarness, targets: list[str], raw: bytes, media_type: str) -> None:
    for path in targets:
        response = await api.client("local").post(
            path, content=raw, headers=Headers({"Content-Type": media_type, "Idempotency-Key": "k"}, encoding="latin-1")
        )
        check_response(response.status_code, response.json())


@fuzz_settings
@given(
    query=st.dictionaries(
        st.sampled_from(["status", "agent", "cursor", "limit", "after", "mine", "as", "thread_id", "x"]),
        TEXTS | st.integers() | ADDRESSES | st.sampled_from(["open", "done", "true"]),
        max_size=4,
    )
)
async def test_any_query_is_handled(api: ApiHarness, targets: list[str], query: dict[str, Any]) -> None:
    for path in ("/v1/threads", "/v1/requests", f"{targets[1].rpartition('/')[0]}/events"):
        response = await api.client("local").get(path, params=query)
        check_response(response.status_code, response.json())


@fuzz_settings
@given(
    headers=st.dictionaries(
        st.sampled_from(["Authorization", "Idempotency-Key", "Handrail-Channel", "Last-Event-ID", "Accept", "Host"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30),
    )
)
async def test_any_header_is_handled(api: ApiHarness, headers: dict[str, str]) -> None:
    raw = Headers(headers, encoding="latin-1")
    for path in ("/v1/threads", "/healthz"):
        response = await api.client("alice").get(path, headers=raw)
        check_response(response.status_code, response.json())
    response = await api.client("alice").post("/v1/threads", json={"message": "hi"}, headers=raw)
    check_response(response.status_code, response.json())


@fuzz_settings
@given(name=st.text(max_size=20).filter(lambda name: name not in (".", "..")))
async def test_any_id_is_handled(api: ApiHarness, name: str) -> None:
    for path in ("/v1/threads/{}", "/v1/threads/{}/events", "/v1/requests/{}", "/v1/threads/{}/replay"):
        response = await api.client().get(path.format(quote(name, safe="", errors="replace")))
        check_response(response.status_code, response.json())
