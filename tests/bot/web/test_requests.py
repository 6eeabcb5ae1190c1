import pytest

from tests.bot.web.api_harness import ApiHarness, is_settled
from tests.bot.web.test_threads import RFC3339_UTC


async def test_an_approval_shows_all_that_the_contract_promises(api: ApiHarness) -> None:
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


async def test_a_request_explains_itself_in_words_and_as_data(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    assert request["requesters"] == ["person:alice"]
    assert [group["role"] for group in request["deciders"]] == ["release"]
    assert request["names"]["person:bob"] in request["explanation"]["decided_by"]
    assert request["explanation"]["afterwards"] == "without an answer by then nothing is done"


async def test_the_policy_is_told_in_words_and_as_data(api: ApiHarness) -> None:
    policy = (await api.open_request("push v1"))["policy"]
    assert policy["rule"] == "push's own default"
    assert policy["words"] == (
        "push's own default: role release may decide; whoever asked may not approve; "
        "approving takes medium assurance; without an answer in 30m it counts as not approved"
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


async def test_cards_tell_where_the_request_is_shown_and_what_they_say(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    [card] = request["cards"]
    assert set(card) == {"address", "state", "shown_at"}
    assert (card["address"], card["state"]) == ("web:alice-cli", "open")
    await api.answer_request(request, "bob", decision="approve")
    await api.wait_until(request["thread_id"], lambda state: state.status == "done" and not state.pending_messages)
    [card] = (await api.client().get(f"/v1/requests/{request['id']}")).json()["cards"]
    assert card["state"] == "approved"
    assert RFC3339_UTC.fullmatch(card["settled_at"])


async def test_a_question_shows_its_question_and_choices_and_no_tool(api: ApiHarness) -> None:
    request = await api.open_request("choose")
    assert request["kind"] == "question"
    assert request["question"] == "Which?"
    assert request["choices"] == ["a", "b"]
    assert request["format"] == "multiple_choice"
    assert not {"tool", "arguments"} & set(request)


async def test_a_request_is_found_by_its_code_however_it_is_typed(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    for named in (request["id"], request["code"], request["code"].lower()):
        assert (await api.client().get(f"/v1/requests/{named}")).json() == request


async def test_a_request_there_is_not_is_not_found(api: ApiHarness) -> None:
    client = api.client("bob")
    answers = [
        await client.get("/v1/requests/req_none"),
        await client.post("/v1/requests/req_none/answer", json={"decision": "approve"}),
    ]
    assert {(told.status_code, told.json()["error"]["code"]) for told in answers} == {(404, "request_not_found")}


async def test_an_approval_lets_the_tool_run(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    told = await api.answer_request(request, "bob", decision="approve", comment="go", digest=request["digest"])
    assert told.status_code == 200
    settled = told.json()
    assert settled["status"] == "approved"
    [answer] = settled["answers"]
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


async def test_a_denial_keeps_the_tool_from_running(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    assert (await api.answer_request(request, "bob", decision="deny")).json()["status"] == "denied"
    await api.wait_until(request["thread_id"], is_settled)
    events = (await api.client().get(f"/v1/threads/{request['thread_id']}/events")).json()["events"]
    assert "ToolStarted" not in {event["type"] for event in events}


async def test_a_question_is_answered(api: ApiHarness) -> None:
    request = await api.open_request("ask")
    told = await api.answer_request(request, "bob", decision="answer", text="because")
    assert (told.status_code, told.json()["status"]) == (200, "answered")
    assert told.json()["answers"][0]["text"] == "because"


async def test_an_edit_changes_the_arguments_and_approves_them(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    told = await api.answer_request(request, "bob", decision="edit", arguments={"tag": "v2"})
    assert told.status_code == 200
    edited = told.json()
    assert edited["status"] == "approved"
    assert edited["arguments"] == {"tag": "v2", "note": ""}
    assert edited["digest"] != request["digest"]


async def test_an_edit_lets_earlier_approvals_lapse(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    first = await api.answer_request(request, "bob", decision="approve")
    assert (first.status_code, first.json()["status"]) == (200, "open")
    edited = (
        await api.answer_request(request, "carol", decision="edit", arguments={"tag": "gold", "note": "x"})
    ).json()
    assert edited["status"] == "open"
    assert [answer["counted"] for answer in edited["answers"]] == [False, True]
    assert edited["answers"][0]["reason"] == "the arguments were edited"


async def test_approving_twice_counts_once(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    told = [await api.answer_request(request, "bob", decision="approve") for _ in range(2)]
    assert [one.status_code for one in told] == [200, 200]
    assert [len(one.json()["answers"]) for one in told] == [1, 1]
    assert told[1].json()["status"] == "open"
    assert [one.json()["note"] for one in told] == [
        "Approval recorded. 1 more approval is required.",
        "You already approved this; 1 more approval is required.",
    ]


@pytest.mark.parametrize(("who", "why"), [("dan", "not among those"), ("alice", "not among those")])
async def test_whoever_may_not_decide_is_refused_and_it_is_kept(api: ApiHarness, who: str, why: str) -> None:
    request = await api.open_request("push v1")
    told = await api.client("local").post(
        f"/v1/requests/{request['id']}/answer", json={"decision": "approve", "actor": f"person:{who}"}
    )
    assert told.status_code == 403
    assert told.json()["error"]["code"] == "not_allowed"
    assert why in told.json()["error"]["message"]
    kept = (await api.client().get(f"/v1/requests/{request['id']}")).json()
    assert kept["status"] == "open"
    [answer] = kept["answers"]
    assert (answer["by"], answer["counted"]) == (f"person:{who}", False)
    assert why in answer["reason"]


async def test_whoever_asked_may_not_approve_it(api: ApiHarness) -> None:
    request = await api.open_request("push v1", "bob")
    told = await api.answer_request(request, "bob", decision="approve")
    assert told.status_code == 403
    assert "second person" in told.json()["error"]["message"]


async def denied_by_carol(api: ApiHarness) -> str:
    """A thread of alice that bob may see, because a request in it named his role, and in which nothing is open."""
    request = await api.open_request("push v2")
    await api.answer_request(request, "carol", decision="deny")
    await api.wait_until(request["thread_id"], lambda state: state.status == "done")
    return str(request["thread_id"])


async def test_who_speaks_in_a_thread_of_another_may_not_approve_what_follows(api: ApiHarness) -> None:
    thread_id = await denied_by_carol(api)
    await api.client("bob").post(f"/v1/threads/{thread_id}/messages", json={"text": "push v1"})
    request = await api.wait_for_request(thread_id)
    assert request["requesters"] == ["person:alice", "person:bob"]
    for body in ({"decision": "approve"}, {"decision": "edit", "arguments": {"tag": "v2"}}):
        told = await api.answer_request(request, "bob", **body)
        assert (told.status_code, told.json()["error"]["code"]) == (403, "not_allowed")
        assert "second person" in told.json()["error"]["message"]
    assert (await api.answer_request(request, "carol", decision="approve")).json()["status"] == "approved"


async def test_who_forks_a_thread_may_not_approve_what_follows(api: ApiHarness) -> None:
    thread_id = await denied_by_carol(api)
    forked = await api.client("bob").post(f"/v1/threads/{thread_id}/fork", json={"at": 2})
    fork = forked.json()["id"]
    await api.client("alice").post(f"/v1/threads/{fork}/messages", json={"text": "push v1"})
    request = await api.wait_for_request(fork)
    assert request["requesters"] == ["person:alice", "person:bob"]
    assert (await api.answer_request(request, "bob", decision="approve")).status_code == 403
    assert (await api.answer_request(request, "carol", decision="approve")).status_code == 200


async def test_words_after_the_proposal_leave_their_author_free_to_approve(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    await api.client("bob").post(f"/v1/threads/{request['thread_id']}/messages", json={"text": "hm"})
    told = await api.answer_request(request, "bob", decision="approve", comment="well")
    assert (told.status_code, told.json()["status"]) == (200, "approved")
    await api.wait_until(request["thread_id"], lambda state: state.status == "done")
    await api.client("alice").post(f"/v1/threads/{request['thread_id']}/messages", json={"text": "push v2"})
    assert (await api.wait_for_request(request["thread_id"]))["requesters"] == ["person:alice", "person:bob"]


async def test_who_may_not_decide_learns_nothing_of_the_preparation(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    for arguments in ({"tag": "v0"}, {"tag": 1}, {"tag": "lead"}):
        told = await api.answer_request(request, "alice", decision="edit", arguments=arguments)
        assert (told.status_code, told.json()["error"]["code"]) == (403, "not_allowed")
        assert "not among those" in told.json()["error"]["message"]


async def test_the_log_and_the_request_say_that_nobody_else_saw_an_edit(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    await api.answer_request(request, "bob", decision="edit", arguments={"tag": "v2"})
    events = (await api.client().get(f"/v1/threads/{request['thread_id']}/events")).json()["events"]
    [outcome] = [event["data"]["outcome"] for event in events if event["type"] == "RequestAnswered"]
    assert outcome == "edited and approved by Bob; no other person saw this version (web)"


async def test_an_edit_by_a_rule_without_its_editor_is_for_another_person_to_approve(api: ApiHarness) -> None:
    request = await api.open_request("push silver")
    body = {"decision": "edit", "arguments": {"tag": "silver", "note": "x"}}
    edited = (await api.answer_request(request, "bob", **body)).json()
    assert (edited["status"], edited["arguments"]["note"]) == ("open", "x")
    assert edited["note"] == "Edit proposed. 1 more approval is required, from another person."
    assert edited["digest"] != request["digest"]
    again = await api.answer_request(request, "bob", decision="approve", digest=edited["digest"])
    assert (again.status_code, "another person" in again.json()["error"]["message"]) == (403, True)
    told = await api.answer_request(request, "carol", decision="approve", digest=edited["digest"])
    assert told.json()["status"] == "approved"


async def test_an_edited_request_is_not_approved_without_its_digest(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    await api.answer_request(request, "carol", decision="edit", arguments={"tag": "gold", "note": "x"})
    told = await api.answer_request(request, "bob", decision="approve")
    error = told.json()["error"]
    assert (told.status_code, error["code"]) == (409, "approval_changed")
    assert error["details"]["arguments"] == {"tag": "gold", "note": "x"}
    digest = error["details"]["digest"]
    assert (await api.answer_request(request, "bob", decision="approve", digest=digest)).json()["status"] == "approved"


async def test_an_edited_request_is_denied_without_its_digest(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    await api.answer_request(request, "carol", decision="edit", arguments={"tag": "gold", "note": "x"})
    assert (await api.answer_request(request, "bob", decision="deny")).json()["status"] == "denied"


async def test_a_program_may_answer_nothing(api: ApiHarness) -> None:
    for token in ("ci", "namesake"):
        request = await api.open_request("push v1", token)
        told = await api.answer_request(request, token, decision="deny")
        assert told.status_code == 403
        assert (await api.client(token).get(f"/v1/requests/{request['id']}")).json()["answers"] == []


async def test_a_settled_request_is_settled_and_says_by_whom(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    await api.answer_request(request, "bob", decision="deny", comment="not today")
    for late in ({"decision": "approve"}, {"decision": "edit", "arguments": {"tag": "v0"}}):
        told = await api.answer_request(request, "carol", **late)
        error = told.json()["error"]
        assert (told.status_code, error["code"]) == (409, "already_settled")
        assert "denied by Bob" in error["message"]
        assert "not today" in error["message"]
        assert error["details"]["status"] == "denied"
        assert error["details"]["id"] == request["id"]
        assert error["details"]["answers"][0]["by"] == "person:bob"


async def test_of_many_who_answer_at_once_one_settles_it(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    told = [await api.answer_request(request, who, decision="deny") for who in ("bob", "carol", "bob")]
    assert sorted(one.status_code for one in told) == [200, 409, 409]


async def test_an_answer_to_what_was_edited_meanwhile_is_refused(api: ApiHarness) -> None:
    request = await api.open_request("push gold")
    await api.answer_request(request, "carol", decision="edit", arguments={"tag": "gold", "note": "x"})
    told = await api.answer_request(request, "bob", decision="approve", digest=request["digest"])
    error = told.json()["error"]
    assert (told.status_code, error["code"]) == (409, "approval_changed")
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
async def test_an_answer_that_does_not_fit_is_refused(api: ApiHarness, body: dict[str, object]) -> None:
    request = await api.open_request("push v1")
    told = await api.client("bob").post(f"/v1/requests/{request['id']}/answer", json=body)
    assert told.status_code == 422
    assert (await api.client().get(f"/v1/requests/{request['id']}")).json()["status"] == "open"


@pytest.mark.parametrize("body", [{"decision": "approve"}, {"decision": "answer"}, {"decision": "answer", "text": "c"}])
async def test_an_answer_that_does_not_fit_the_question_is_refused(api: ApiHarness, body: dict[str, str]) -> None:
    request = await api.open_request("choose")
    assert (await api.answer_request(request, "bob", **body)).status_code == 422


async def test_arguments_nested_beyond_reason_are_refused(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    nested = '{"decision": "edit", "arguments": {"tag": ' + "[" * 300 + "]" * 300 + "}}"
    told = await api.client("bob").post(
        f"/v1/requests/{request['id']}/answer", content=nested, headers={"Content-Type": "application/json"}
    )
    assert told.status_code == 422


async def test_arguments_that_policy_denies_are_refused(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    told = await api.answer_request(request, "bob", decision="edit", arguments={"tag": "lead"})
    assert told.status_code == 403
    assert "lead is poison" in told.json()["error"]["message"]


async def test_requests_are_listed_and_filtered(api: ApiHarness) -> None:
    open_one, denied = await api.open_request("push v1"), await api.open_request("push v2")
    await api.answer_request(denied, "bob", decision="deny")

    async def listed(who: str = "alice", **query: str) -> list[str]:
        page = await api.client(who).get("/v1/requests", params=query)
        assert page.status_code == 200, page.text
        return [request["id"] for request in page.json()["requests"]]

    assert await listed() == [denied["id"], open_one["id"]]
    assert await listed(status="open") == [open_one["id"]]
    assert await listed(status="denied") == [denied["id"]]
    assert await listed(thread_id=denied["thread_id"]) == [denied["id"]]
    assert await listed(thread_id="thr_none") == []
    assert await listed("bob", mine="true") == [open_one["id"]]
    assert await listed("bob", mine="true", status="denied") == []
    assert await listed("alice", mine="true") == []
    assert await listed("ci", mine="true") == []
    assert await listed("local", mine="true", **{"as": "person:bob"}) == [open_one["id"]]
    assert await listed("carol", mine="true", **{"as": "person:alice"}) == []


async def test_requests_are_listed_page_by_page(api: ApiHarness) -> None:
    asked = [(await api.open_request(f"push v{n}"))["id"] for n in range(1, 4)]
    first = (await api.client("bob").get("/v1/requests", params={"limit": 2, "mine": "true"})).json()
    rest = (
        await api.client("bob").get("/v1/requests", params={"limit": 2, "mine": "true", "cursor": first["next_cursor"]})
    ).json()
    assert [request["id"] for request in first["requests"] + rest["requests"]] == asked[::-1]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("query", ["status=pending", "limit=0", "cursor=x", "mine=perhaps", "as=bob"])
async def test_a_list_of_requests_that_makes_no_sense_is_refused(api: ApiHarness, query: str) -> None:
    assert (await api.client("local").get(f"/v1/requests?{query}")).status_code == 422


async def test_a_request_list_for_somebody_else_takes_an_admin(api: ApiHarness) -> None:
    told = await api.client("alice").get("/v1/requests", params={"mine": "true", "as": "person:bob"})
    assert told.status_code == 403
