"""Whatever is sent, an answer of the API is never a failure of ours, and always says what it is."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from httpx import Headers
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.bot.web.api_harness import ApiHarness

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
ADDRESS = st.sampled_from(["person:alice", "person:bob", "person:nobody", "web:x", "role:release", "slack:C1", "alice"])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "message": TEXT | st.sampled_from(["look", "push v1", "push v0", "ask", "choose", "nap", "cancel"]),
    "text": TEXT | st.sampled_from(["look", "push v1", "a", "stop", "yes"]),
    "agent": st.sampled_from(["porter", "guard", "nobody"]),
    "requester": ADDRESS,
    "actor": ADDRESS,
    "reply_to": ADDRESS,
    "labels": st.dictionaries(TEXT, TEXT, max_size=3),
    "at": st.integers(-2, 12),
    "decision": st.sampled_from(["approve", "deny", "edit", "answer", "maybe"]),
    "comment": TEXT,
    "arguments": st.dictionaries(st.sampled_from(["tag", "note", "x"]), JSON, max_size=3),
    "digest": TEXT,
}
BODIES = JSON | st.fixed_dictionaries({}, optional={name: value | JSON for name, value in FIELDS.items()})
JSON_TYPE = {"Content-Type": "application/json"}
ORDERS = ("messages", "pause", "resume", "cancel", "fork")

fuzzed = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def api(api_on_each_database: ApiHarness) -> ApiHarness:
    return api_on_each_database


@pytest.fixture
async def targets(api: ApiHarness) -> list[str]:
    """Every path that takes a POST: of a thread at rest, of one that waits, and of an approval and a question."""
    approval, question = await api.open_request("push v1"), await api.open_request("choose")
    resting = await api.start_thread("look")
    orders = [f"/v1/threads/{one}/{order}" for one in (resting, approval["thread_id"]) for order in ORDERS]
    return ["/v1/threads", *orders, *(f"/v1/requests/{one['id']}/answer" for one in (approval, question))]


def check(status: int, body: Any) -> None:
    assert status < 500, body
    if status >= 400:
        assert set(body["error"]) <= {"code", "message", "details"}


@fuzzed
@given(body=BODIES, who=st.sampled_from(["alice", "bob", "local", "ci"]), place=st.integers(0, 12))
@example(body={"decision": "edit", "arguments": {"tag": "v2", "note": float(2**70)}}, who="bob", place=11)
@example(body={"text": "push " + "9" * 15_000}, who="alice", place=6)
async def test_no_json_breaks_it(api: ApiHarness, targets: list[str], body: Any, who: str, place: int) -> None:
    told = await api.client(who).post(targets[place], content=json.dumps(body), headers=JSON_TYPE)
    check(told.status_code, told.json())


@fuzzed
@given(
    raw=st.binary(max_size=60), kind=st.sampled_from(["application/json", "text/plain", "multipart/form-data", "\xff"])
)
async def test_no_bytes_break_it(api: ApiHarness, targets: list[str], raw: bytes, kind: str) -> None:
    for path in targets:
        told = await api.client("local").post(
            path, content=raw, headers=Headers({"Content-Type": kind, "Idempotency-Key": "k"}, encoding="latin-1")
        )
        check(told.status_code, told.json())


@fuzzed
@given(
    query=st.dictionaries(
        st.sampled_from(["status", "agent", "cursor", "limit", "after", "mine", "as", "thread_id", "x"]),
        TEXT | st.integers() | ADDRESS | st.sampled_from(["open", "done", "true"]),
        max_size=4,
    )
)
async def test_no_query_breaks_it(api: ApiHarness, targets: list[str], query: dict[str, Any]) -> None:
    for path in ("/v1/threads", "/v1/requests", f"{targets[1].rpartition('/')[0]}/events"):
        told = await api.client("local").get(path, params=query)
        check(told.status_code, told.json())


@fuzzed
@given(
    headers=st.dictionaries(
        st.sampled_from(["Authorization", "Idempotency-Key", "Handrail-Channel", "Last-Event-ID", "Accept", "Host"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30),
    )
)
async def test_no_header_breaks_it(api: ApiHarness, headers: dict[str, str]) -> None:
    raw = Headers(headers, encoding="latin-1")
    for path in ("/v1/threads", "/healthz"):
        told = await api.client("alice").get(path, headers=raw)
        check(told.status_code, told.json())
    told = await api.client("alice").post("/v1/threads", json={"message": "hi"}, headers=raw)
    check(told.status_code, told.json())


@fuzzed
@given(name=st.text(max_size=20).filter(lambda name: name not in (".", "..")))
async def test_no_name_breaks_it(api: ApiHarness, name: str) -> None:
    for path in ("/v1/threads/{}", "/v1/threads/{}/events", "/v1/requests/{}", "/v1/threads/{}/replay"):
        told = await api.client().get(path.format(quote(name, safe="", errors="replace")))
        check(told.status_code, told.json())
