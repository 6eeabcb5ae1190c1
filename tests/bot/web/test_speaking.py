from typing import Any

import pytest
from httpx import Headers, Response

from tests.bot.web.surface import Surface


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
async def test_without_a_known_token_nobody_gets_in(surface: Surface, authorization: str | None) -> None:
    headers = Headers({} if authorization is None else {"Authorization": authorization}, encoding="latin-1")
    for path in ("/v1/threads", "/v1", "/v1/nothing", "/v1/threads/x/events"):
        told = await surface.client(None).get(path, headers=headers)
        assert told.status_code == 401
        assert told.headers["WWW-Authenticate"] == "Bearer"
        assert told.json()["error"]["code"] == "unauthorized"


async def test_nobody_who_is_unknown_has_a_body_read(surface: Surface) -> None:
    told = await surface.client(None).post("/v1/threads", content=b"{" * 300_000)
    assert told.status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_may_be_written_in_any_case(surface: Surface, scheme: str) -> None:
    told = await surface.client(None).get("/v1/threads", headers={"Authorization": f"{scheme} secret-alice"})
    assert told.status_code == 200


async def spoken(surface: Surface, who: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    return await surface.client(who).post("/v1/threads", json={"message": "look", **more}, headers=headers)


async def first_message(surface: Surface, told: Response) -> tuple[str, str, str]:
    """The actor of the first message, where it came from, and how far it is trusted."""
    assert told.status_code == 201, told.text
    events = (await surface.client("carol").get(f"/v1/threads/{told.json()['id']}/events")).json()["events"]
    message = next(event for event in events if event["type"] == "MessageReceived")
    return message["actor"], message["data"]["source"], message["data"]["provenance"]


async def test_a_person_speaks_as_themselves(surface: Surface) -> None:
    told = await spoken(surface, "alice")
    assert await first_message(surface, told) == ("person:alice", "web:alice-cli", "verified person")


async def test_a_program_speaks_as_its_token(surface: Surface) -> None:
    told = await spoken(surface, "ci")
    assert told.json()["requester"] == "token:ci"
    assert await first_message(surface, told) == ("token:ci", "web:ci", "unverified")


async def test_a_program_named_like_a_person_is_not_that_person(surface: Surface) -> None:
    told = await spoken(surface, "namesake")
    assert await first_message(surface, told) == ("token:dan", "web:dan", "unverified")


async def test_the_token_of_somebody_nobody_knows_is_a_stranger(surface: Surface) -> None:
    told = await spoken(surface, "local")
    assert await first_message(surface, told) == ("person:you", "web:generated", "unverified")


@pytest.mark.parametrize("requester", ["person:alice", "email:alice@example.com", "terminal:alice"])
async def test_anybody_may_name_themselves_by_any_of_their_addresses(surface: Surface, requester: str) -> None:
    assert (await spoken(surface, "alice", requester=requester)).json()["requester"] == "person:alice"


@pytest.mark.parametrize("admin", ["carol", "local"])
async def test_an_admin_may_speak_for_somebody_else(surface: Surface, admin: str) -> None:
    told = await spoken(surface, admin, requester="email:bob@example.com")
    assert told.json()["requester"] == "person:bob"
    by, source, trusted = await first_message(surface, told)
    assert (by, trusted) == ("person:bob", "verified person")
    assert source in ("web:carol-cli", "web:generated")


async def test_an_admin_may_speak_for_a_stranger_on_a_channel(surface: Surface) -> None:
    told = await spoken(surface, "local", requester="web:visitor")
    assert await first_message(surface, told) == ("web:visitor", "web:generated", "unverified")


@pytest.mark.parametrize("requester", ["person:nobody", "role:release", "agent:porter", "system:engine", "slack:U1"])
async def test_nobody_speaks_for_those_who_do_not_exist(surface: Surface, requester: str) -> None:
    told = await spoken(surface, "local", requester=requester)
    assert told.status_code == 422
    assert "person:alice" in told.json()["error"]["message"]


@pytest.mark.parametrize("who", ["alice", "bob", "ci", "namesake"])
async def test_speaking_for_others_takes_an_admin(surface: Surface, who: str) -> None:
    thread_id, request = await surface.opened("look", who), await surface.asked("push v1", who)
    client = surface.client(who)
    answers = [
        await client.post("/v1/threads", json={"message": "look", "requester": "person:dan"}),
        await client.post(f"/v1/threads/{thread_id}/messages", json={"text": "look", "actor": "person:dan"}),
        await client.post(f"/v1/requests/{request['id']}/answer", json={"decision": "deny", "actor": "person:carol"}),
    ]
    assert {(told.status_code, told.json()["error"]["code"]) for told in answers} == {(403, "missing_scope")}


async def test_an_admin_says_a_message_for_somebody_else(surface: Surface) -> None:
    thread_id = await surface.opened("look")
    body = {"text": "look", "actor": "person:bob"}
    assert (await surface.client("carol").post(f"/v1/threads/{thread_id}/messages", json=body)).status_code == 202
    events = (await surface.client().get(f"/v1/threads/{thread_id}/events")).json()["events"]
    assert [event["actor"] for event in events if event["type"] == "MessageReceived"] == ["person:alice", "person:bob"]


async def test_an_admin_answers_for_somebody_else_with_the_assurance_of_a_token(surface: Surface) -> None:
    request = await surface.asked("push v1")
    told = await surface.answer(request, "local", decision="approve", actor="email:bob@example.com")
    [answer] = told.json()["answers"]
    assert (answer["by"], answer["channel"], answer["assurance"]) == ("person:bob", "web:generated", "medium")


async def test_both_names_stand_in_the_event_and_the_request_of_what_an_admin_says(surface: Surface) -> None:
    told = await spoken(surface, "carol", requester="person:alice", message="push v1")
    request = await surface.request_in(told.json()["id"])
    assert request["requesters"] == ["person:alice", "person:carol"]
    events = (await surface.client().get(f"/v1/threads/{told.json()['id']}/events")).json()["events"]
    assert [event["data"]["entered_by"] for event in events[:2]] == ["person:carol", "person:carol"]


async def test_both_names_stand_in_the_event_and_the_request_of_what_an_admin_decides(surface: Surface) -> None:
    request = await surface.asked("push v1")
    told = await surface.answer(request, "carol", decision="approve", actor="person:bob")
    [answer] = told.json()["answers"]
    assert (answer["by"], answer["entered_by"]) == ("person:bob", "person:carol")
    events = (await surface.client().get(f"/v1/threads/{request['thread_id']}/events")).json()["events"]
    [event] = [event for event in events if event["type"] == "RequestAnswered"]
    assert (event["actor"], event["data"]["answer"]["entered_by"]) == ("person:bob", "person:carol")
    assert event["data"]["outcome"] == "approved by Bob (web), entered by Carol"


async def test_an_admin_who_asked_may_not_approve_in_another_name(surface: Surface) -> None:
    told = await spoken(surface, "carol", requester="person:alice", message="push v1")
    request = await surface.request_in(told.json()["id"])
    refused = await surface.answer(request, "carol", decision="approve", actor="email:bob@example.com")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
    assert (await surface.answer(request, "bob", decision="approve")).status_code == 200


async def test_one_operator_may_play_both_parts_with_the_generated_token(surface: Surface) -> None:
    told = await spoken(surface, "local", requester="person:alice", message="push v1")
    request = await surface.request_in(told.json()["id"])
    approved = await surface.answer(request, "local", decision="approve", actor="person:bob")
    assert (approved.status_code, approved.json()["status"]) == (200, "approved")
    assert approved.json()["answers"][0]["entered_by"] == "person:you"


async def test_two_addresses_of_one_person_are_one_approval(surface: Surface) -> None:
    request = await surface.asked("push gold")
    await surface.answer(request, "local", decision="approve", actor="email:bob@example.com")
    told = await surface.answer(request, "bob", decision="approve")
    assert told.json()["status"] == "open"


async def test_a_terminal_is_named_as_the_source(surface: Surface) -> None:
    told = await spoken(surface, "alice", {"Handrail-Channel": "terminal:alice"})
    assert await first_message(surface, told) == ("person:alice", "terminal:alice", "verified person")
    assert told.json()["origin"] == "web:alice-cli"


async def test_a_terminal_is_named_as_the_channel_of_an_answer(surface: Surface) -> None:
    request = await surface.asked("push v1")
    told = await surface.client("local").post(
        f"/v1/requests/{request['id']}/answer",
        json={"decision": "approve", "actor": "person:bob"},
        headers={"Handrail-Channel": "terminal:bob"},
    )
    [answer] = told.json()["answers"]
    assert (answer["channel"], answer["assurance"]) == ("terminal:bob", "medium")


@pytest.mark.parametrize(
    "channel", ["terminal:bob", "slack:alice", "web:alice", "alice", "", "terminal:", "terminal:ä"]
)
async def test_a_terminal_of_somebody_else_is_refused(surface: Surface, channel: str) -> None:
    told = await surface.client().post(
        "/v1/threads", json={"message": "look"}, headers=Headers({"Handrail-Channel": channel}, encoding="latin-1")
    )
    assert told.status_code == 422
    assert "terminal:alice" in told.json()["error"]["message"]


async def test_a_program_has_no_terminal(surface: Surface) -> None:
    assert (await spoken(surface, "ci", {"Handrail-Channel": "terminal:ci"})).status_code == 422
