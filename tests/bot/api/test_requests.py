import pytest

from tests.bot.api.test_threads import RFC3339_UTC
from tests.harness.api import ApiHarness, is_at_rest


async def test_approval_has_all_documented_fields(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    assert set(request) == {
        *("id", "code", "kind", "thread_id", "agent", "requester", "tool", "arguments", "filled_in", "urgency"),
        *("digest", "status", "policy", "opened_at", "expires_at", "answers", "cards"),
        *("requesters", "reasoning", "deciders", "names", "explanation"),
    }
    assert request["kind"] == "approval"
    assert request["tool"] == "push"
    assert request["arguments"] == {"tag": "v1", "note": ""}
    assert request["status"] == "open"
    assert request["requester"] == "person:alice"
    assert request["answers"] == []
    assert RFC3339_UTC.fullmatch(request["expires_at"])


async def test_request_has_an_explanation(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    assert request["requesters"] == ["person:alice"]
    assert [group["role"] for group in request["deciders"]] == ["release"]
    assert request["names"]["person:bob"] in request["explanation"]["decided_by"]
    assert request["explanation"]["afterwards"] == "without an answer by then nothing is done"


async def test_policy_is_shown_as_text_and_as_data(api: ApiHarness) -> None:
    policy = (await api.open_request("push v1"))["policy"]
    assert policy["rule"] == "push's own default"
    assert policy["words"] == (
        "push's own default: role release may decide; the requester may not approve; "
        "approving requires medium assurance; without an answer in 30m it counts as not approved"
    )
    assert policy["ask"] == {
        "roles": ["release"],
        "people": [],
        "quorum": 1,
        "requester_may_approve": False,
        "editor_may_approve": True,
        "min_assurance": "medium",
        "expires": 1800,
        "on_expire": "deny",
        "remind": [],
        "escalate": [],
    }


async def test_cards_have_their_address_and_state(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    [card] = request["cards"]
    assert set(card) == {"address", "state", "shown_at"}
    assert (card["address"], card["state"]) == ("web:alice-cli", "open")
    await api.answer_request(request, "bob", decision="approve")
    await api.wait_until(request["thread_id"], lambda state: state.status == "done" and not state.pending_messages)
    [card] = (await api.client().get(f"/v1/requests/{request['id']}")).json()["cards"]
    assert card["state"] == "approved"
    assert RFC3339_UTC.fullmatch(card["settled_at"])


async def test_question_has_choices_and_no_tool(api: ApiHarness) -> None:
    request = await api.open_request("choose")
    assert request["kind"] == "question"
    assert request["question"] == "Which?"
    assert request["choices"] == ["a", "b"]
    assert request["format"] == "multiple_choice"
    assert not {"tool", "arguments"} & set(request)


async def test_request_is_found_by_its_code_in_any_case(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    for id_or_code in (request["id"], request["code"], request["code"].lower()):
        assert (await api.client().get(f"/v1/requests/{id_or_code}")).json() == request


async def test_unknown_request_is_not_found(api: ApiHarness) -> None:
    client = api.client("bob")
    responses = [
        await client.get("/v1/requests/req_none"),
        await client.post("/v1/requests/req_none/answer", json={"decision": "approve"}),
    ]
    assert {(response.status_code, response.json()["error"]["code"]) for response in responses} == {
        (404, "request_not_found")
    }


async def test_approved_tool_runs(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    response = await api.answer_request(request, "bob", decision="approve", comment="go", digest=request["digest"])
    assert response.status_code == 200
    closed_request = response.json()
    assert closed_request["status"] == "approved"
    [answer] = closed_request["answers"]
    assert RFC3339_UTC.fullmatch(answer.pop("at"))
    assert answer == {
        "by": "person:bob",
        "channel": "web:bob-cli",
        "assurance": "medium",
        "decision": "approve",
        "comment": "go",
        "counted": True,
    }
    await api.wait_until(request["thread_id"], lambda state: state.status == "done")
    events = (await api.client().get(f"/v1/threads/{request['thread_id']}/events")).json()["events"]
    assert [e["data"]["summary"] for e in events if e["type"] == "ToolSucceeded"] == ["pushed v1"]


async def test_denied_tool_does_not_run(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    assert (await api.answer_request(request, "bob", decision="deny")).json()["status"] == "denied"
    await api.wait_until(request["thread_id"], is_at_rest)
    events = (await api.client().get(f"/v1/threads/{request['thread_id']}/events")).json()["events"]
    assert "ToolStarted" not in {event["type"] for event in events}


async def test_question_is_answered(api: ApiHarness) -> None:
    request = await api.open_request("ask")
    response = await api.answer_request(request, "bob", decision="answer", text="because")
    assert (response.status_code, response.json()["status"]) == (200, "answered")
    assert response.json()["answers"][0]["text"] == "because"


async def test_edit_changes_the_arguments_and_approves_them(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    response = await api.answer_request(request, "bob", decision="edit", arguments={"tag": "v2"})
    assert response.status_code == 200
    edited_request = response.json()
    assert edited_request["status"] == "approved"
    assert edited_request["arguments"] == {"tag": "v2", "note": ""}
    assert edited_request["digest"] != request["digest"]


async def test_edit_invalidates_earlier_approvals(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    first = await api.answer_request(request, "bob", decision="approve")
    assert (first.status_code, first.json()["status"]) == (200, "open")
    edited_request = (
        await api.answer_request(request, "carol", decision="edit", arguments={"tag": "gold", "note": "x"})
    ).json()
    assert edited_request["status"] == "open"
    assert [answer["counted"] for answer in edited_request["answers"]] == [False, True]
    assert edited_request["answers"][0]["reason"] == "the arguments were edited"


async def test_second_approval_of_one_person_does_not_count(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    responses = [await api.answer_request(request, "bob", decision="approve") for _ in range(2)]
    assert [response.status_code for response in responses] == [200, 200]
    assert [len(response.json()["answers"]) for response in responses] == [1, 1]
    assert responses[1].json()["status"] == "open"
    assert [response.json()["note"] for response in responses] == [
        "Approval recorded. 1 more approval is required.",
        "You already approved this; 1 more approval is required.",
    ]


@pytest.mark.parametrize(("person", "reason"), [("dan", "not allowed to decide"), ("alice", "not allowed to decide")])
async def test_answer_of_a_person_who_may_not_decide_is_recorded(api: ApiHarness, person: str, reason: str) -> None:
    request = await api.open_request("push v1")
    response = await api.client("local").post(
        f"/v1/requests/{request['id']}/answer", json={"decision": "approve", "actor": f"person:{person}"}
    )
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "not_allowed"
    assert reason in response.json()["error"]["message"]
    stored_request = (await api.client().get(f"/v1/requests/{request['id']}")).json()
    assert stored_request["status"] == "open"
    [answer] = stored_request["answers"]
    assert (answer["by"], answer["counted"]) == (f"person:{person}", False)
    assert reason in answer["reason"]


async def test_requester_may_not_approve(api: ApiHarness) -> None:
    request = await api.open_request("push v1", "bob")
    response = await api.answer_request(request, "bob", decision="approve")
    assert response.status_code == 403
    assert "another person must" in response.json()["error"]["message"]


async def start_thread_denied_by_carol(api: ApiHarness) -> str:
    """Return the id of a done thread of Alice. Bob may see it, because a closed request in it named his role."""
    request = await api.open_request("push v2")
    await api.answer_request(request, "carol", decision="deny")
    await api.wait_until(request["thread_id"], lambda state: state.status == "done")
    return str(request["thread_id"])


async def test_author_of_a_message_may_not_approve_what_follows(api: ApiHarness) -> None:
    thread_id = await start_thread_denied_by_carol(api)
    await api.client("bob").post(f"/v1/threads/{thread_id}/messages", json={"text": "push v1"})
    request = await api.wait_for_request(thread_id)
    assert request["requesters"] == ["person:alice", "person:bob"]
    for body in ({"decision": "approve"}, {"decision": "edit", "arguments": {"tag": "v2"}}):
        response = await api.answer_request(request, "bob", **body)
        assert (response.status_code, response.json()["error"]["code"]) == (403, "not_allowed")
        assert "another person must" in response.json()["error"]["message"]
    assert (await api.answer_request(request, "carol", decision="approve")).json()["status"] == "approved"


async def test_person_who_forked_a_thread_may_not_approve_what_follows(api: ApiHarness) -> None:
    thread_id = await start_thread_denied_by_carol(api)
    response = await api.client("bob").post(f"/v1/threads/{thread_id}/fork", json={"at": 2})
    fork_id = response.json()["id"]
    await api.client("alice").post(f"/v1/threads/{fork_id}/messages", json={"text": "push v1"})
    request = await api.wait_for_request(fork_id)
    assert request["requesters"] == ["person:alice", "person:bob"]
    assert (await api.answer_request(request, "bob", decision="approve")).status_code == 403
    assert (await api.answer_request(request, "carol", decision="approve")).status_code == 200


async def test_author_of_a_later_message_may_approve(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    await api.client("bob").post(f"/v1/threads/{request['thread_id']}/messages", json={"text": "hm"})
    response = await api.answer_request(request, "bob", decision="approve", comment="well")
    assert (response.status_code, response.json()["status"]) == (200, "approved")
    await api.wait_until(request["thread_id"], lambda state: state.status == "done")
    await api.client("alice").post(f"/v1/threads/{request['thread_id']}/messages", json={"text": "push v2"})
    assert (await api.wait_for_request(request["thread_id"]))["requesters"] == ["person:alice", "person:bob"]


async def test_person_who_may_not_decide_gets_no_preparation_error(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    for arguments in ({"tag": "v0"}, {"tag": 1}, {"tag": "lead"}):
        response = await api.answer_request(request, "alice", decision="edit", arguments=arguments)
        assert (response.status_code, response.json()["error"]["code"]) == (403, "not_allowed")
        assert "not allowed to decide" in response.json()["error"]["message"]


async def test_outcome_says_that_only_the_editor_saw_the_edited_call(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    await api.answer_request(request, "bob", decision="edit", arguments={"tag": "v2"})
    events = (await api.client().get(f"/v1/threads/{request['thread_id']}/events")).json()["events"]
    [outcome] = [event["data"]["outcome"] for event in events if event["type"] == "RequestAnswered"]
    assert outcome == "edited and approved by Bob; no other person saw this version (web)"


async def test_edit_needs_another_approver_if_the_rule_says_so(api: ApiHarness) -> None:
    request = await api.open_request("push silver")
    body = {"decision": "edit", "arguments": {"tag": "silver", "note": "x"}}
    edited_request = (await api.answer_request(request, "bob", **body)).json()
    assert (edited_request["status"], edited_request["arguments"]["note"]) == ("open", "x")
    assert edited_request["note"] == "Edit proposed. 1 more approval is required, from another person."
    assert edited_request["digest"] != request["digest"]
    again = await api.answer_request(request, "bob", decision="approve", digest=edited_request["digest"])
    assert (again.status_code, "another person" in again.json()["error"]["message"]) == (403, True)
    response = await api.answer_request(request, "carol", decision="approve", digest=edited_request["digest"])
    assert response.json()["status"] == "approved"


async def test_edited_request_is_not_approved_without_its_digest(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    await api.answer_request(request, "carol", decision="edit", arguments={"tag": "gold", "note": "x"})
    response = await api.answer_request(request, "bob", decision="approve")
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (409, "approval_changed")
    assert error["details"]["arguments"] == {"tag": "gold", "note": "x"}
    digest = error["details"]["digest"]
    assert (await api.answer_request(request, "bob", decision="approve", digest=digest)).json()["status"] == "approved"


async def test_edited_request_can_be_denied_without_its_digest(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    await api.answer_request(request, "carol", decision="edit", arguments={"tag": "gold", "note": "x"})
    assert (await api.answer_request(request, "bob", decision="deny")).json()["status"] == "denied"


async def test_program_may_not_answer(api: ApiHarness) -> None:
    for token in ("ci", "namesake"):
        request = await api.open_request("push v1", token)
        response = await api.answer_request(request, token, decision="deny")
        assert response.status_code == 403
        assert (await api.client(token).get(f"/v1/requests/{request['id']}")).json()["answers"] == []


async def test_closed_request_says_who_closed_it(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    await api.answer_request(request, "bob", decision="deny", comment="not today")
    for late_answer in ({"decision": "approve"}, {"decision": "edit", "arguments": {"tag": "v0"}}):
        response = await api.answer_request(request, "carol", **late_answer)
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (409, "already_settled")
        assert "denied by Bob" in error["message"]
        assert "not today" in error["message"]
        assert error["details"]["status"] == "denied"
        assert error["details"]["id"] == request["id"]
        assert error["details"]["answers"][0]["by"] == "person:bob"


async def test_only_the_first_of_several_answers_decides(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    responses = [await api.answer_request(request, owner, decision="deny") for owner in ("bob", "carol", "bob")]
    assert sorted(response.status_code for response in responses) == [200, 409, 409]


async def test_answer_with_an_outdated_digest_is_refused(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    await api.answer_request(request, "carol", decision="edit", arguments={"tag": "gold", "note": "x"})
    response = await api.answer_request(request, "bob", decision="approve", digest=request["digest"])
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (409, "approval_changed")
    assert error["details"]["arguments"] == {"tag": "gold", "note": "x"}
    assert error["details"]["status"] == "open"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "maybe"},
        {"decision": "answer", "text": "yes"},
        {"decision": "edit"},
        {"decision": "edit", "arguments": {}},
        {"decision": "edit", "arguments": {"tag": 1}},
        {"decision": "edit", "arguments": {"tag": "v0"}},
        {"decision": "edit", "arguments": {"tag": 2**60}},
        {"decision": "edit", "arguments": []},
        {"decision": "approve", "arguments": {"tag": "v2"}},
        {"decision": "approve", "comment": "x" * 2_001},
        {"decision": "approve", "digest": 1},
        {"decision": "approve", "actor": "bob"},
        {"decision": "approve", "decisions": []},
    ],
)
async def test_invalid_answer_is_refused(api: ApiHarness, body: dict[str, object]) -> None:
    request = await api.open_request("push v1")
    response = await api.client("bob").post(f"/v1/requests/{request['id']}/answer", json=body)
    assert response.status_code == 422
    assert (await api.client().get(f"/v1/requests/{request['id']}")).json()["status"] == "open"


@pytest.mark.parametrize("body", [{"decision": "approve"}, {"decision": "answer"}, {"decision": "answer", "text": "c"}])
async def test_invalid_answer_to_a_question_is_refused(api: ApiHarness, body: dict[str, str]) -> None:
    request = await api.open_request("choose")
    assert (await api.answer_request(request, "bob", **body)).status_code == 422


async def test_deeply_nested_arguments_are_refused(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    nested = '{"decision": "edit", "arguments": {"tag": ' + "[" * 300 + "]" * 300 + "}}"
    response = await api.client("bob").post(
        f"/v1/requests/{request['id']}/answer", content=nested, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422


async def test_arguments_that_the_policy_denies_are_refused(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    response = await api.answer_request(request, "bob", decision="edit", arguments={"tag": "lead"})
    assert response.status_code == 403
    assert "lead is poison" in response.json()["error"]["message"]


async def test_requests_are_listed_and_filtered(api: ApiHarness) -> None:
    open_request, denied_request = await api.open_request("push v1"), await api.open_request("push v2")
    await api.answer_request(denied_request, "bob", decision="deny")

    async def list_ids(owner: str = "alice", **query: str) -> list[str]:
        page = await api.client(owner).get("/v1/requests", params=query)
        assert page.status_code == 200, page.text
        return [request["id"] for request in page.json()["requests"]]

    assert await list_ids() == [denied_request["id"], open_request["id"]]
    assert await list_ids(status="open") == [open_request["id"]]
    assert await list_ids(status="denied") == [denied_request["id"]]
    assert await list_ids(thread_id=denied_request["thread_id"]) == [denied_request["id"]]
    assert await list_ids(thread_id="thr_none") == []
    assert await list_ids("bob", mine="true") == [open_request["id"]]
    assert await list_ids("bob", mine="true", status="denied") == []
    assert await list_ids("alice", mine="true") == []
    assert await list_ids("ci", mine="true") == []
    assert await list_ids("local", mine="true", **{"as": "person:bob"}) == [open_request["id"]]
    assert await list_ids("carol", mine="true", **{"as": "person:alice"}) == []


async def test_requests_are_listed_in_pages(api: ApiHarness) -> None:
    request_ids = [(await api.open_request(f"push v{n}"))["id"] for n in range(1, 4)]
    first = (await api.client("bob").get("/v1/requests", params={"limit": 2, "mine": "true"})).json()
    rest = (
        await api.client("bob").get("/v1/requests", params={"limit": 2, "mine": "true", "cursor": first["next_cursor"]})
    ).json()
    assert [request["id"] for request in first["requests"] + rest["requests"]] == request_ids[::-1]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("query", ["status=pending", "limit=0", "cursor=x", "mine=perhaps", "as=bob"])
async def test_invalid_list_query_is_refused(api: ApiHarness, query: str) -> None:
    assert (await api.client("local").get(f"/v1/requests?{query}")).status_code == 422


async def test_request_list_for_another_person_requires_an_admin(api: ApiHarness) -> None:
    response = await api.client("alice").get("/v1/requests", params={"mine": "true", "as": "person:bob"})
    assert response.status_code == 403
