import re

import pytest

from agents.core.messages import Provenance
from tests.harness.api import ApiHarness, is_at_rest

RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


async def test_opened_thread_has_all_documented_fields(api: ApiHarness) -> None:
    response = await api.client().post("/v1/threads", json={"message": "look", "labels": {"ticket": "T-1"}})
    assert response.status_code == 201
    thread = response.json()
    assert set(thread) == {
        *("id", "title", "agent", "status", "version", "origin", "requester", "names", "open_requests"),
        *("created_at", "updated_at", "budget", "labels"),
    }
    assert thread["agent"] == "porter"
    assert thread["status"] == "running"
    assert thread["origin"] == "web:alice-cli"
    assert thread["requester"] == "person:alice"
    assert thread["names"] == {"person:alice": "Alice"}
    assert thread["open_requests"] == []
    assert thread["title"] == "look"
    assert thread["labels"] == {"ticket": "T-1"}
    assert thread["budget"]["steps"] == {"limit": 50, "spent": 0}
    assert thread["budget"]["usd"] == {"limit": None, "spent": 0}
    assert RFC3339_UTC.fullmatch(thread["created_at"])
    assert RFC3339_UTC.fullmatch(thread["updated_at"])


async def test_opened_thread_runs(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    thread = (await api.client().get(f"/v1/threads/{thread_id}")).json()
    assert thread["status"] == "done"
    assert thread["budget"]["steps"]["spent"] > 0


async def test_waiting_thread_names_its_open_request(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    thread = (await api.client().get(f"/v1/threads/{request['thread_id']}")).json()
    assert thread["status"] == "waiting_for_human"
    assert thread["open_requests"] == [request["id"]]


async def test_provenance_depends_on_the_author(api: ApiHarness) -> None:
    first, second = await api.start_thread("look", "alice"), await api.start_thread("look", "ci")
    provenances = [(await api.bot.engine.load(thread_id)).history[0].provenance for thread_id in (first, second)]
    assert provenances == [Provenance.VERIFIED_PERSON, Provenance.UNVERIFIED]


async def test_agent_can_be_chosen(api: ApiHarness) -> None:
    response = await api.client().post("/v1/threads", json={"message": "hi", "agent": "guard"})
    assert response.json()["agent"] == "guard"


async def test_unknown_agent_is_refused_with_the_known_ones(api: ApiHarness) -> None:
    response = await api.client().post("/v1/threads", json={"message": "hi", "agent": "nobody"})
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "unknown_agent"
    assert "porter, guard" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("to", "origin"),
    [("terminal:alice", "terminal:alice"), ("web:other", "web:other"), ("person:bob", "terminal:bob")],
)
async def test_replies_can_go_to_a_channel_or_a_person(api: ApiHarness, to: str, origin: str) -> None:
    response = await api.client().post("/v1/threads", json={"message": "look", "reply_to": to})
    assert response.json()["origin"] == origin


@pytest.mark.parametrize("to", ["slack:C0OPS", "agent:porter", "system:engine", "person:nobody", "role:release"])
async def test_invalid_reply_address_is_refused(api: ApiHarness, to: str) -> None:
    response = await api.client().post("/v1/threads", json={"message": "look", "reply_to": to})
    assert response.status_code == 422
    assert "reply_to" in response.json()["error"]["message"]


async def test_unknown_channel_is_refused_with_the_known_ones(api: ApiHarness) -> None:
    response = await api.client().post("/v1/threads", json={"message": "look", "reply_to": "slack:C0OPS"})
    assert "person, terminal, web" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": " \n\t"}, "message"),
        ({"message": "x" * 16_001}, "message"),
        ({"message": 1}, "message"),
        ({"message": "hi", "mesage": "typo"}, "mesage"),
        ({"message": "hi", "requester": "alice"}, "requester"),
        ({"message": "hi", "reply_to": "nowhere"}, "reply_to"),
        ({"message": "hi", "labels": {"a": 1}}, "labels.a"),
        ({"message": "hi", "labels": {str(n): "" for n in range(21)}}, "labels"),
        ({"message": "hi", "labels": {"a": "x" * 257}}, "labels.a"),
    ],
)
async def test_invalid_thread_is_refused_with_the_name_of_the_field(
    api: ApiHarness, body: dict[str, object], field: str
) -> None:
    response = await api.client().post("/v1/threads", json=body)
    assert response.status_code == 422
    error = response.json()["error"]
    assert error["code"] == "invalid"
    assert error["message"].startswith(f"{field}: ")
    assert error["details"][0]["field"] == field


async def test_message_of_the_maximum_length_is_accepted(api: ApiHarness) -> None:
    response = await api.client().post("/v1/threads", json={"message": "ä" * 16_000})
    assert response.status_code == 201


async def test_null_fields_count_as_omitted(api: ApiHarness) -> None:
    body = {"message": "look", "agent": None, "requester": None, "reply_to": None, "labels": None}
    assert (await api.client().post("/v1/threads", json=body)).status_code == 201


async def test_threads_are_listed_newest_first_in_pages(api: ApiHarness) -> None:
    thread_ids = [await api.start_thread("look") for _ in range(5)]
    client = api.client()
    listed_ids, cursor = [], None
    for size in (2, 2, 1):
        page = (await client.get("/v1/threads", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        assert len(page["threads"]) == size
        listed_ids += [thread["id"] for thread in page["threads"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert listed_ids == thread_ids[::-1]


async def test_last_page_has_no_next_cursor(api: ApiHarness) -> None:
    await api.start_thread("look")
    assert (await api.client().get("/v1/threads", params={"limit": 1})).json()["next_cursor"] is None


async def test_threads_are_filtered_by_status_and_agent(api: ApiHarness) -> None:
    done, waiting = await api.start_thread("look"), (await api.open_request("push v1"))["thread_id"]
    guarded = await api.start_thread("hi", agent="guard")

    async def list_ids(**query: str) -> set[str]:
        page = await api.client().get("/v1/threads", params=query)
        return {thread["id"] for thread in page.json()["threads"]}

    assert await list_ids(status="waiting_for_human") == {waiting}
    assert await list_ids(status="done") == {done, guarded}
    assert await list_ids(agent="guard") == {guarded}
    assert await list_ids(agent="porter", status="done") == {done}
    assert await list_ids(agent="nobody") == set()
    assert await list_ids(agent="", status="", cursor="", limit="") == {done, waiting, guarded}


@pytest.mark.parametrize(
    "query",
    [
        "status=sleeping",
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=!!!",
        "cursor=bm9wZQ",
        "cursor=%C3%A4",
        "stauts=done",
    ],
)
async def test_invalid_list_query_is_refused(api: ApiHarness, query: str) -> None:
    response = await api.client().get(f"/v1/threads?{query}")
    assert response.status_code == 422
    assert query.partition("=")[0] in response.json()["error"]["message"]


async def test_unknown_thread_is_not_found(api: ApiHarness) -> None:
    client = api.client()
    responses = [
        await client.get("/v1/threads/thr_none"),
        await client.get("/v1/threads/thr_none/events"),
        await client.get("/v1/threads/thr_none/events", headers={"Accept": "text/event-stream"}),
        await client.get("/v1/threads/thr_none/replay"),
        await client.post("/v1/threads/thr_none/messages", json={"text": "hi"}),
        await client.post("/v1/threads/thr_none/pause"),
        await client.post("/v1/threads/thr_none/resume"),
        await client.post("/v1/threads/thr_none/cancel"),
        await client.post("/v1/threads/thr_none/fork", json={"at": 1}),
    ]
    assert {(response.status_code, response.json()["error"]["code"]) for response in responses} == {
        (404, "thread_not_found")
    }


async def test_message_is_posted_to_the_thread(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    response = await api.client().post(f"/v1/threads/{thread_id}/messages", json={"text": "push v1"})
    assert response.status_code == 202
    assert response.json()["status"] == "running"
    assert (await api.wait_until(thread_id, is_at_rest)).status == "waiting_for_human"


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": " "}, {"text": "x" * 16_001}, {"text": "a", "b": 1}])
async def test_invalid_message_is_refused(api: ApiHarness, body: dict[str, object]) -> None:
    thread_id = await api.start_thread("look")
    assert (await api.client().post(f"/v1/threads/{thread_id}/messages", json=body)).status_code == 422


async def test_cancelled_thread_refuses_messages(api: ApiHarness) -> None:
    waiting = (await api.open_request("push v1"))["thread_id"]
    await api.client().post(f"/v1/threads/{waiting}/cancel")
    response = await api.client().post(f"/v1/threads/{waiting}/messages", json={"text": "hi"})
    assert response.status_code == 409
    assert response.json()["error"]["details"] == {"status": "cancelled"}


async def test_replay_matches_the_stored_state(api: ApiHarness) -> None:
    thread_id = await api.start_thread("push v1")
    state = await api.wait_until(thread_id, lambda state: bool(state.open_request and state.open_request.cards))
    response = await api.client().get(f"/v1/threads/{thread_id}/replay")
    assert response.json() == {
        "id": thread_id,
        "version": state.version,
        "status": "waiting_for_human",
        "events": state.version,
        "matches": True,
    }
