from typing import Any

import pytest
from httpx2 import Headers, Response

from tests.harness.api import ApiHarness


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
async def test_requests_without_a_valid_token_get_401(api: ApiHarness, authorization: str | None) -> None:
    headers = Headers({} if authorization is None else {"Authorization": authorization}, encoding="latin-1")
    for path in ("/v1/threads", "/v1", "/v1/nothing", "/v1/threads/x/events"):
        response = await api.client(None).get(path, headers=headers)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.json()["error"]["code"] == "unauthorized"


async def test_body_of_an_unauthenticated_request_is_not_read(api: ApiHarness) -> None:
    response = await api.client(None).post("/v1/threads", content=b"{" * 300_000)
    assert response.status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_bearer_scheme_is_case_insensitive(api: ApiHarness, scheme: str) -> None:
    response = await api.client(None).get("/v1/threads", headers={"Authorization": f"{scheme} secret-alice"})
    assert response.status_code == 200


async def open_thread(api: ApiHarness, owner: str, headers: dict[str, str] | None = None, **fields: Any) -> Response:
    return await api.client(owner).post("/v1/threads", json={"message": "look", **fields}, headers=headers)


async def load_first_message(api: ApiHarness, response: Response) -> tuple[str, str, str]:
    """Return the actor, source and provenance of the first message."""
    assert response.status_code == 201, response.text
    events = (await api.client("carol").get(f"/v1/threads/{response.json()['id']}/events")).json()["events"]
    message = next(event for event in events if event["type"] == "MessageReceived")
    return message["actor"], message["data"]["source"], message["data"]["provenance"]


async def test_person_acts_as_themselves(api: ApiHarness) -> None:
    response = await open_thread(api, "alice")
    assert await load_first_message(api, response) == ("person:alice", "web:alice-cli", "verified person")


async def test_program_acts_as_its_token(api: ApiHarness) -> None:
    response = await open_thread(api, "ci")
    assert response.json()["requester"] == "token:ci"
    assert await load_first_message(api, response) == ("token:ci", "web:ci", "unverified")


async def test_program_with_the_name_of_a_person_is_not_that_person(api: ApiHarness) -> None:
    response = await open_thread(api, "namesake")
    assert await load_first_message(api, response) == ("token:dan", "web:dan", "unverified")


async def test_token_of_an_unknown_person_is_unverified(api: ApiHarness) -> None:
    response = await open_thread(api, "local")
    assert await load_first_message(api, response) == ("person:you", "web:generated", "unverified")


@pytest.mark.parametrize("requester", ["person:alice", "email:alice@example.com", "terminal:alice"])
async def test_requester_may_be_any_address_of_the_caller(api: ApiHarness, requester: str) -> None:
    assert (await open_thread(api, "alice", requester=requester)).json()["requester"] == "person:alice"


@pytest.mark.parametrize("admin", ["carol", "local"])
async def test_admin_may_act_for_another_person(api: ApiHarness, admin: str) -> None:
    response = await open_thread(api, admin, requester="email:bob@example.com")
    assert response.json()["requester"] == "person:bob"
    by, source, provenance = await load_first_message(api, response)
    assert (by, provenance) == ("person:bob", "verified person")
    assert source in ("web:carol-cli", "web:generated")


async def test_admin_may_act_for_an_unknown_channel_user(api: ApiHarness) -> None:
    response = await open_thread(api, "local", requester="web:visitor")
    assert await load_first_message(api, response) == ("web:visitor", "web:generated", "unverified")


@pytest.mark.parametrize("requester", ["person:nobody", "role:release", "agent:porter", "system:engine", "slack:U1"])
async def test_acting_for_an_unknown_person_is_refused(api: ApiHarness, requester: str) -> None:
    response = await open_thread(api, "local", requester=requester)
    assert response.status_code == 422
    assert "person:alice" in response.json()["error"]["message"]


@pytest.mark.parametrize("owner", ["alice", "bob", "ci", "namesake"])
async def test_acting_for_others_requires_an_admin(api: ApiHarness, owner: str) -> None:
    thread_id, request = await api.start_thread("look", owner), await api.open_request("push v1", owner)
    client = api.client(owner)
    responses = [
        await client.post("/v1/threads", json={"message": "look", "requester": "person:dan"}),
        await client.post(f"/v1/threads/{thread_id}/messages", json={"text": "look", "actor": "person:dan"}),
        await client.post(f"/v1/requests/{request['id']}/answer", json={"decision": "deny", "actor": "person:carol"}),
    ]
    assert {(response.status_code, response.json()["error"]["code"]) for response in responses} == {
        (403, "missing_scope")
    }


async def test_admin_posts_a_message_for_another_person(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look")
    body = {"text": "look", "actor": "person:bob"}
    assert (await api.client("carol").post(f"/v1/threads/{thread_id}/messages", json=body)).status_code == 202
    events = (await api.client().get(f"/v1/threads/{thread_id}/events")).json()["events"]
    assert [event["actor"] for event in events if event["type"] == "MessageReceived"] == ["person:alice", "person:bob"]


async def test_answer_for_another_person_has_the_assurance_of_a_token(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    response = await api.answer_request(request, "local", decision="approve", actor="email:bob@example.com")
    [answer] = response.json()["answers"]
    assert (answer["by"], answer["channel"], answer["assurance"]) == ("person:bob", "web:generated", "medium")


async def test_message_for_another_person_records_both_people(api: ApiHarness) -> None:
    response = await open_thread(api, "carol", requester="person:alice", message="push v1")
    request = await api.wait_for_request(response.json()["id"])
    assert request["requesters"] == ["person:alice", "person:carol"]
    events = (await api.client().get(f"/v1/threads/{response.json()['id']}/events")).json()["events"]
    assert [event["data"]["entered_by"] for event in events[:2]] == ["person:carol", "person:carol"]


async def test_answer_for_another_person_records_both_people(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    response = await api.answer_request(request, "carol", decision="approve", actor="person:bob")
    [answer] = response.json()["answers"]
    assert (answer["by"], answer["entered_by"]) == ("person:bob", "person:carol")
    events = (await api.client().get(f"/v1/threads/{request['thread_id']}/events")).json()["events"]
    [event] = [event for event in events if event["type"] == "RequestAnswered"]
    assert (event["actor"], event["data"]["answer"]["entered_by"]) == ("person:bob", "person:carol")
    assert event["data"]["outcome"] == "approved by Bob (web), entered by Carol"


async def test_requester_may_not_approve_as_another_person(api: ApiHarness) -> None:
    response = await open_thread(api, "carol", requester="person:alice", message="push v1")
    request = await api.wait_for_request(response.json()["id"])
    refused = await api.answer_request(request, "carol", decision="approve", actor="email:bob@example.com")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
    assert (await api.answer_request(request, "bob", decision="approve")).status_code == 200


async def test_generated_token_may_request_and_approve(api: ApiHarness) -> None:
    response = await open_thread(api, "local", requester="person:alice", message="push v1")
    request = await api.wait_for_request(response.json()["id"])
    approved = await api.answer_request(request, "local", decision="approve", actor="person:bob")
    assert (approved.status_code, approved.json()["status"]) == (200, "approved")
    assert approved.json()["answers"][0]["entered_by"] == "person:you"


async def test_two_addresses_of_one_person_are_one_approval(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    await api.answer_request(request, "local", decision="approve", actor="email:bob@example.com")
    response = await api.answer_request(request, "bob", decision="approve")
    assert response.json()["status"] == "open"


async def test_terminal_is_the_source_of_a_message(api: ApiHarness) -> None:
    response = await open_thread(api, "alice", {"Handrail-Channel": "terminal:alice"})
    assert await load_first_message(api, response) == ("person:alice", "terminal:alice", "verified person")
    assert response.json()["origin"] == "web:alice-cli"


async def test_terminal_is_the_channel_of_an_answer(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    response = await api.client("local").post(
        f"/v1/requests/{request['id']}/answer",
        json={"decision": "approve", "actor": "person:bob"},
        headers={"Handrail-Channel": "terminal:bob"},
    )
    [answer] = response.json()["answers"]
    assert (answer["channel"], answer["assurance"]) == ("terminal:bob", "medium")


@pytest.mark.parametrize(
    "channel", ["terminal:bob", "slack:alice", "web:alice", "alice", "", "terminal:", "terminal:ä"]
)
async def test_terminal_of_another_person_is_refused(api: ApiHarness, channel: str) -> None:
    response = await api.client().post(
        "/v1/threads", json={"message": "look"}, headers=Headers({"Handrail-Channel": channel}, encoding="latin-1")
    )
    assert response.status_code == 422
    assert "terminal:alice" in response.json()["error"]["message"]


async def test_program_has_no_terminal(api: ApiHarness) -> None:
    assert (await open_thread(api, "ci", {"Handrail-Channel": "terminal:ci"})).status_code == 422
