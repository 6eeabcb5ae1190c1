import re

import pytest

from agents.messages import Provenance
from tests.bot.web.api_harness import ApiHarness, is_settled

RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


async def test_opening_a_thread_answers_with_all_that_the_contract_promises(api: ApiHarness) -> None:
    told = await api.client().post("/v1/threads", json={"message": "look", "labels": {"ticket": "T-1"}})
    assert told.status_code == 201
    thread = told.json()
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


async def test_an_opened_thread_goes_to_work(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    thread = (await api.client().get(f"/v1/threads/{thread_id}")).json()
    assert thread["status"] == "done"
    assert thread["budget"]["steps"]["spent"] > 0


async def test_a_thread_that_asks_names_its_open_request(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    thread = (await api.client().get(f"/v1/threads/{request['thread_id']}")).json()
    assert thread["status"] == "waiting_for_human"
    assert thread["open_requests"] == [request["id"]]


async def test_what_a_known_person_says_is_trusted_and_what_a_program_says_is_not(api: ApiHarness) -> None:
    first, second = await api.start_thread("look", "alice"), await api.start_thread("look", "ci")
    heard = [(await api.bot.engine.load(one)).history[0].provenance for one in (first, second)]
    assert heard == [Provenance.VERIFIED_PERSON, Provenance.UNVERIFIED]


async def test_the_agent_may_be_chosen(api: ApiHarness) -> None:
    told = await api.client().post("/v1/threads", json={"message": "hi", "agent": "guard"})
    assert told.json()["agent"] == "guard"


async def test_an_agent_there_is_not_is_refused_with_those_there_are(api: ApiHarness) -> None:
    told = await api.client().post("/v1/threads", json={"message": "hi", "agent": "nobody"})
    assert told.status_code == 422
    assert told.json()["error"]["code"] == "unknown_agent"
    assert "porter, guard" in told.json()["error"]["message"]


@pytest.mark.parametrize(
    ("to", "origin"),
    [("terminal:alice", "terminal:alice"), ("web:elsewhere", "web:elsewhere"), ("person:bob", "terminal:bob")],
)
async def test_replies_may_go_where_a_channel_or_a_person_is(api: ApiHarness, to: str, origin: str) -> None:
    told = await api.client().post("/v1/threads", json={"message": "look", "reply_to": to})
    assert told.json()["origin"] == origin


@pytest.mark.parametrize("to", ["slack:C0OPS", "agent:porter", "system:engine", "person:nobody", "role:release"])
async def test_replies_cannot_go_where_nobody_is(api: ApiHarness, to: str) -> None:
    told = await api.client().post("/v1/threads", json={"message": "look", "reply_to": to})
    assert told.status_code == 422
    assert "reply_to" in told.json()["error"]["message"]


async def test_a_channel_that_is_not_here_is_refused_with_the_channels_that_are(api: ApiHarness) -> None:
    told = await api.client().post("/v1/threads", json={"message": "look", "reply_to": "slack:C0OPS"})
    assert "person, terminal, web" in told.json()["error"]["message"]


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
async def test_a_thread_of_the_wrong_shape_is_refused_with_the_name_of_the_field(
    api: ApiHarness, body: dict[str, object], field: str
) -> None:
    told = await api.client().post("/v1/threads", json=body)
    assert told.status_code == 422
    error = told.json()["error"]
    assert error["code"] == "invalid"
    assert error["message"].startswith(f"{field}: ")
    assert error["details"][0]["field"] == field


async def test_a_message_of_the_greatest_length_is_taken(api: ApiHarness) -> None:
    told = await api.client().post("/v1/threads", json={"message": "ä" * 16_000})
    assert told.status_code == 201


async def test_fields_that_are_null_are_as_good_as_absent(api: ApiHarness) -> None:
    body = {"message": "look", "agent": None, "requester": None, "reply_to": None, "labels": None}
    assert (await api.client().post("/v1/threads", json=body)).status_code == 201


async def test_threads_are_listed_newest_first_and_page_by_page(api: ApiHarness) -> None:
    opened = [await api.start_thread("look") for _ in range(5)]
    client = api.client()
    seen, cursor = [], None
    for size in (2, 2, 1):
        page = (await client.get("/v1/threads", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        assert len(page["threads"]) == size
        seen += [thread["id"] for thread in page["threads"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == opened[::-1]


async def test_a_page_that_ends_with_the_list_has_no_next(api: ApiHarness) -> None:
    await api.start_thread("look")
    assert (await api.client().get("/v1/threads", params={"limit": 1})).json()["next_cursor"] is None


async def test_threads_are_filtered_by_status_and_agent(api: ApiHarness) -> None:
    done, waiting = await api.start_thread("look"), (await api.open_request("push v1"))["thread_id"]
    guarded = await api.start_thread("hi", agent="guard")

    async def listed(**query: str) -> set[str]:
        page = await api.client().get("/v1/threads", params=query)
        return {thread["id"] for thread in page.json()["threads"]}

    assert await listed(status="waiting_for_human") == {waiting}
    assert await listed(status="done") == {done, guarded}
    assert await listed(agent="guard") == {guarded}
    assert await listed(agent="porter", status="done") == {done}
    assert await listed(agent="nobody") == set()
    assert await listed(agent="", status="", cursor="", limit="") == {done, waiting, guarded}


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
async def test_a_list_that_makes_no_sense_is_refused(api: ApiHarness, query: str) -> None:
    told = await api.client().get(f"/v1/threads?{query}")
    assert told.status_code == 422
    assert query.partition("=")[0] in told.json()["error"]["message"]


async def test_a_thread_there_is_not_is_not_found(api: ApiHarness) -> None:
    client = api.client()
    answers = [
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
    assert {(told.status_code, told.json()["error"]["code"]) for told in answers} == {(404, "thread_not_found")}


async def test_a_message_goes_to_the_thread(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    told = await api.client().post(f"/v1/threads/{thread_id}/messages", json={"text": "push v1"})
    assert told.status_code == 202
    assert told.json()["status"] == "running"
    assert (await api.wait_until(thread_id, is_settled)).status == "waiting_for_human"


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": " "}, {"text": "x" * 16_001}, {"text": "a", "b": 1}])
async def test_a_message_of_the_wrong_shape_is_refused(api: ApiHarness, body: dict[str, object]) -> None:
    thread_id = await api.start_thread("look")
    assert (await api.client().post(f"/v1/threads/{thread_id}/messages", json=body)).status_code == 422


async def test_a_cancelled_thread_takes_no_message(api: ApiHarness) -> None:
    waiting = (await api.open_request("push v1"))["thread_id"]
    await api.client().post(f"/v1/threads/{waiting}/cancel")
    told = await api.client().post(f"/v1/threads/{waiting}/messages", json={"text": "hi"})
    assert told.status_code == 409
    assert told.json()["error"]["details"] == {"status": "cancelled"}


async def test_a_replay_folds_to_what_is_stored(api: ApiHarness) -> None:
    thread_id = await api.start_thread("push v1")
    state = await api.wait_until(thread_id, lambda state: bool(state.open_request and state.open_request.cards))
    told = await api.client().get(f"/v1/threads/{thread_id}/replay")
    assert told.json() == {
        "id": thread_id,
        "version": state.version,
        "status": "waiting_for_human",
        "events": state.version,
        "matches": True,
    }
