from typing import Any

import pytest
from httpx import Headers, Response

from tests.bot.web.api_harness import ApiHarness


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer secret-alic",
        "Bearer secret-alicee",
        "Bearer secret-alice secret-bob",
        "Basic secret-alice",
        "secret-alice",
        "Bearer sécret-alice",
    ],
)
async def test_without_a_known_token_nobody_gets_in(api: ApiHarness, authorization: str | None) -> None:
    headers = Headers({} if authorization is None else {"Authorization": authorization}, encoding="latin-1")
    for path in ("/v1/threads", "/v1", "/v1/nothing", "/v1/threads/x/events"):
        told = await api.client(None).get(path, headers=headers)
        assert told.status_code == 401
        assert told.headers["WWW-Authenticate"] == "Bearer"
        assert told.json()["error"]["code"] == "unauthorized"


async def test_nobody_who_is_unknown_has_a_body_read(api: ApiHarness) -> None:
    told = await api.client(None).post("/v1/threads", content=b"{" * 300_000)
    assert told.status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_may_be_written_in_any_case(api: ApiHarness, scheme: str) -> None:
    told = await api.client(None).get("/v1/threads", headers={"Authorization": f"{scheme} secret-alice"})
    assert told.status_code == 200


async def spoken(api: ApiHarness, who: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    return await api.client(who).post("/v1/threads", json={"message": "look", **more}, headers=headers)


async def first_message(api: ApiHarness, told: Response) -> tuple[str, str, str]:
    """The actor of the first message, where it came from, and how far it is trusted."""
    assert told.status_code == 201, told.text
    events = (await api.client("carol").get(f"/v1/threads/{told.json()['id']}/events")).json()["events"]
    message = next(event for event in events if event["type"] == "MessageReceived")
    return message["actor"], message["data"]["source"], message["data"]["provenance"]


async def test_a_person_speaks_as_themselves(api: ApiHarness) -> None:
    told = await spoken(api, "alice")
    assert await first_message(api, told) == ("person:alice", "web:alice-cli", "verified person")


async def test_a_program_speaks_as_its_token(api: ApiHarness) -> None:
    told = await spoken(api, "ci")
    assert told.json()["requester"] == "token:ci"
    assert await first_message(api, told) == ("token:ci", "web:ci", "unverified")


async def test_a_program_named_like_a_person_is_not_that_person(api: ApiHarness) -> None:
    told = await spoken(api, "namesake")
    assert await first_message(api, told) == ("token:dan", "web:dan", "unverified")


async def test_the_token_of_somebody_nobody_knows_is_a_stranger(api: ApiHarness) -> None:
    told = await spoken(api, "local")
    assert await first_message(api, told) == ("person:you", "web:generated", "unverified")


@pytest.mark.parametrize("requester", ["person:alice", "email:alice@example.com", "terminal:alice"])
async def test_anybody_may_name_themselves_by_any_of_their_addresses(api: ApiHarness, requester: str) -> None:
    assert (await spoken(api, "alice", requester=requester)).json()["requester"] == "person:alice"


@pytest.mark.parametrize("admin", ["carol", "local"])
async def test_an_admin_may_speak_for_somebody_else(api: ApiHarness, admin: str) -> None:
    told = await spoken(api, admin, requester="email:bob@example.com")
    assert told.json()["requester"] == "person:bob"
    by, source, trusted = await first_message(api, told)
    assert (by, trusted) == ("person:bob", "verified person")
    assert source in ("web:carol-cli", "web:generated")


async def test_an_admin_may_speak_for_a_stranger_on_a_channel(api: ApiHarness) -> None:
    told = await spoken(api, "local", requester="web:visitor")
    assert await first_message(api, told) == ("web:visitor", "web:generated", "unverified")


@pytest.mark.parametrize("requester", ["person:nobody", "role:release", "agent:porter", "system:engine", "slack:U1"])
async def test_nobody_speaks_for_those_who_do_not_exist(api: ApiHarness, requester: str) -> None:
    told = await spoken(api, "local", requester=requester)
    assert told.status_code == 422
    assert "person:alice" in told.json()["error"]["message"]


@pytest.mark.parametrize("who", ["alice", "bob", "ci", "namesake"])
async def test_speaking_for_others_takes_an_admin(api: ApiHarness, who: str) -> None:
    thread_id, request = await api.start_thread("look", who), await api.open_request("push v1", who)
    client = api.client(who)
    answers = [
        await client.post("/v1/threads", json={"message": "look", "requester": "person:dan"}),
        await client.post(f"/v1/threads/{thread_id}/messages", json={"text": "look", "actor": "person:dan"}),
        await client.post(f"/v1/requests/{request['id']}/answer", json={"decision": "deny", "actor": "person:carol"}),
    ]
    assert {(told.status_code, told.json()["error"]["code"]) for told in answers} == {(403, "missing_scope")}


async def test_an_admin_says_a_message_for_somebody_else(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    body = {"text": "look", "actor": "person:bob"}
    assert (await api.client("carol").post(f"/v1/threads/{thread_id}/messages", json=body)).status_code == 202
    events = (await api.client().get(f"/v1/threads/{thread_id}/events")).json()["events"]
    assert [event["actor"] for event in events if event["type"] == "MessageReceived"] == ["person:alice", "person:bob"]


async def test_an_admin_answers_for_somebody_else_with_the_assurance_of_a_token(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    told = await api.answer_request(request, "local", decision="approve", actor="email:bob@example.com")
    [answer] = told.json()["answers"]
    assert (answer["by"], answer["channel"], answer["assurance"]) == ("person:bob", "web:generated", "medium")


async def test_both_names_stand_in_the_event_and_the_request_of_what_an_admin_says(api: ApiHarness) -> None:
    told = await spoken(api, "carol", requester="person:alice", message="push v1")
    request = await api.wait_for_request(told.json()["id"])
    assert request["requesters"] == ["person:alice", "person:carol"]
    events = (await api.client().get(f"/v1/threads/{told.json()['id']}/events")).json()["events"]
    assert [event["data"]["entered_by"] for event in events[:2]] == ["person:carol", "person:carol"]


async def test_both_names_stand_in_the_event_and_the_request_of_what_an_admin_decides(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    told = await api.answer_request(request, "carol", decision="approve", actor="person:bob")
    [answer] = told.json()["answers"]
    assert (answer["by"], answer["entered_by"]) == ("person:bob", "person:carol")
    events = (await api.client().get(f"/v1/threads/{request['thread_id']}/events")).json()["events"]
    [event] = [event for event in events if event["type"] == "RequestAnswered"]
    assert (event["actor"], event["data"]["answer"]["entered_by"]) == ("person:bob", "person:carol")
    assert event["data"]["outcome"] == "approved by Bob (web), entered by Carol"


async def test_an_admin_who_asked_may_not_approve_in_another_name(api: ApiHarness) -> None:
    told = await spoken(api, "carol", requester="person:alice", message="push v1")
    request = await api.wait_for_request(told.json()["id"])
    refused = await api.answer_request(request, "carol", decision="approve", actor="email:bob@example.com")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
    assert (await api.answer_request(request, "bob", decision="approve")).status_code == 200


async def test_one_operator_may_play_both_parts_with_the_generated_token(api: ApiHarness) -> None:
    told = await spoken(api, "local", requester="person:alice", message="push v1")
    request = await api.wait_for_request(told.json()["id"])
    approved = await api.answer_request(request, "local", decision="approve", actor="person:bob")
    assert (approved.status_code, approved.json()["status"]) == (200, "approved")
    assert approved.json()["answers"][0]["entered_by"] == "person:you"


async def test_two_addresses_of_one_person_are_one_approval(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    await api.answer_request(request, "local", decision="approve", actor="email:bob@example.com")
    told = await api.answer_request(request, "bob", decision="approve")
    assert told.json()["status"] == "open"


async def test_a_terminal_is_named_as_the_source(api: ApiHarness) -> None:
    told = await spoken(api, "alice", {"Handrail-Channel": "terminal:alice"})
    assert await first_message(api, told) == ("person:alice", "terminal:alice", "verified person")
    assert told.json()["origin"] == "web:alice-cli"


async def test_a_terminal_is_named_as_the_channel_of_an_answer(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    told = await api.client("local").post(
        f"/v1/requests/{request['id']}/answer",
        json={"decision": "approve", "actor": "person:bob"},
        headers={"Handrail-Channel": "terminal:bob"},
    )
    [answer] = told.json()["answers"]
    assert (answer["channel"], answer["assurance"]) == ("terminal:bob", "medium")


@pytest.mark.parametrize(
    "channel", ["terminal:bob", "slack:alice", "web:alice", "alice", "", "terminal:", "terminal:ä"]
)
async def test_a_terminal_of_somebody_else_is_refused(api: ApiHarness, channel: str) -> None:
    told = await api.client().post(
        "/v1/threads", json={"message": "look"}, headers=Headers({"Handrail-Channel": channel}, encoding="latin-1")
    )
    assert told.status_code == 422
    assert "terminal:alice" in told.json()["error"]["message"]


async def test_a_program_has_no_terminal(api: ApiHarness) -> None:
    assert (await spoken(api, "ci", {"Handrail-Channel": "terminal:ci"})).status_code == 422
