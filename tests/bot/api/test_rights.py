"""Threads and requests that a caller may not see do not exist for any route."""

from itertools import count
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.core.events import KnownEvent, MessageReceived, RequestOpened, ThreadCancelled, ThreadStarted
from agents.core.policy import ApprovalTerms, PolicyDecision
from agents.core.requests import Request
from agents.core.rights import may_view, to_viewer
from agents.core.values import Address, person_address
from bot.api.auth import RequireScope, require_visible_request, require_visible_thread
from tests.harness.api import CREDENTIALS, PEOPLE, ApiHarness
from tests.slow_cases import example_count

STRANGERS = ("dan-cli", "ci", "namesake")
CHECK_BY_PARAMETER = {"{thread_id}": require_visible_thread, "{id_or_code}": require_visible_request}


@pytest.fixture
def api(api_on_each_database: ApiHarness) -> ApiHarness:
    return api_on_each_database


def list_api_routes(api: ApiHarness) -> list[Any]:
    return [route for route in iter_route_contexts(api.app.routes) if str(route.path).startswith("/v1/")]


def list_dependencies(route: Any) -> list[Any]:
    return [dependency.call for dependency in route.dependant.dependencies]


ADMIN_ROUTES = ("scan_threads", "list_contacts")
"""Routes that show the threads of all people, or the senders of messages."""


async def test_every_route_checks_a_scope_and_visibility(api: ApiHarness) -> None:
    routes = list_api_routes(api)
    assert len(routes) > 10
    for route in routes:
        scopes = [check.scope for check in list_dependencies(route) if isinstance(check, RequireScope)]
        assert len(scopes) == 1, route.path
        read_scope = "admin" if route.name in ADMIN_ROUTES else "read"
        assert (scopes[0] == read_scope) == ("GET" in route.methods), route.path
        for parameter, check in CHECK_BY_PARAMETER.items():
            assert (parameter in route.path) == (check in list_dependencies(route)), route.path


@pytest.mark.parametrize("owner", STRANGERS)
async def test_every_route_hides_threads_from_strangers(api: ApiHarness, owner: str) -> None:
    request = await api.open_request("push v1")
    client, before = api.client(owner), await api.bot.engine.load(request["thread_id"])
    bodies = {"fork_thread": {"at": 1}, "post_message": {"text": "hi"}, "answer_request": {"decision": "deny"}}
    item_routes = [route for route in list_api_routes(api) if "{" in route.path]
    assert len(item_routes) >= 10
    for route in item_routes:
        responses = []
        for thread_id, request_name in ((request["thread_id"], request["id"]), ("thr_none", "req_none")):
            path = route.path.replace("{thread_id}", thread_id).replace("{id_or_code}", request_name)
            response = await client.request(next(iter(route.methods)), path, json=bodies.get(route.name))
            assert response.status_code == 404, route.path
            responses.append(response.text.replace(thread_id, "X").replace(request_name, "X"))
        assert responses[0] == responses[1]
    assert (await client.get(f"/v1/requests/{request['code']}")).status_code == 404
    assert await api.bot.engine.load(request["thread_id"]) == before
    assert (await client.get("/v1/requests", params={"thread_id": request["thread_id"]})).json()["requests"] == []
    assert (await client.get("/v1/threads")).json()["threads"] == []


async def test_requester_sees_a_request_they_may_not_decide(api: ApiHarness) -> None:
    request = await api.open_request("push v1", "dan-cli")
    assert (await api.answer_request(request, "dan-cli", decision="approve")).status_code == 403


async def test_decider_sees_the_thread_after_the_request_is_closed(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    assert (await api.answer_request(request, "bob", decision="deny")).status_code == 200
    await api.wait_until(request["thread_id"], lambda state: not state.requests)
    for path in (f"/v1/threads/{request['thread_id']}", f"/v1/requests/{request['id']}"):
        assert (await api.client("bob").get(path)).status_code == 200


async def test_recipient_of_replies_may_post_in_the_thread(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look", "carol", reply_to="person:dan")
    response = await api.client("dan-cli").post(f"/v1/threads/{thread_id}/messages", json={"text": "look"})
    assert response.status_code == 202


# Random threads and people


PEOPLE_AND_PROGRAMS = st.sampled_from(
    ["person:alice", "person:bob", "person:dan", "person:you", "token:ci", "token:dan", "web:visitor"]
).map(Address)
ORIGINS = st.sampled_from(
    ["terminal:dan", "web:ci", "web:dan", "web:alice-cli", "email:alice@example.com", "slack:C1:1"]
).map(Address)
TERMS = st.builds(
    lambda roles, people: ApprovalTerms(roles=tuple(roles), people=tuple(people)),
    st.lists(st.sampled_from(["release", "dev", "nobody", "*"]), max_size=1),
    st.lists(st.sampled_from(["dan", "alice"]), max_size=1),
)
THREADS = st.tuples(
    PEOPLE_AND_PROGRAMS, ORIGINS, st.lists(PEOPLE_AND_PROGRAMS, max_size=2), st.lists(TERMS, max_size=1)
)
NUMBERS = count(1)


def build_history(api: ApiHarness, example: Any) -> tuple[KnownEvent, ...]:
    """Return the events of a cancelled thread, so that no worker continues it: messages and perhaps a request."""
    requester, origin, authors, terms = example
    number, now = next(NUMBERS), api.bot.clock.now()
    thread_id = f"thr_random{number}"
    start_event = ThreadStarted(
        at=now, actor=requester, thread_id=thread_id, agent="porter", origin=origin, requester=requester
    )
    messages = [MessageReceived(at=now, actor=author, text="hi", source=origin) for author in authors]
    requests = [_build_request_opened(start_event, number, ask) for ask in terms]
    return (start_event, *messages, *requests, ThreadCancelled(at=now, actor=person_address("carol"), reason="over"))


def _build_request_opened(start_event: ThreadStarted, number: int, ask: ApprovalTerms) -> RequestOpened:
    request = Request(
        id=f"req_random{number}",
        code=f"X{number}",
        kind="approval",
        purpose="tool",
        thread_id=start_event.thread_id,
        agent="porter",
        requester=start_event.requester,
        digest="d",
        policy=PolicyDecision(answer="ask", rule="r", ask=ask),
        opened_at=start_event.at,
    )
    return RequestOpened(at=start_event.at, actor=Address("agent:porter"), request=request)


async def list_ids(api: ApiHarness, owner: str, kind: str, limit: int) -> list[str]:
    """Return the ids of all pages of a list."""
    ids: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await api.client(owner).get(f"/v1/{kind}", params={"limit": limit, "cursor": cursor})).json()
        assert len(page[kind]) == limit or page["next_cursor"] is None
        ids += [item["id"] for item in page[kind]]
        cursor = page["next_cursor"]
    assert len(ids) == len(set(ids))
    return ids


def credentials_by_owner() -> dict[str, Any]:
    return {c.token.secret.get_secret_value().removeprefix("secret-"): c for c in CREDENTIALS}


@settings(max_examples=example_count(0.1), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(examples=st.lists(THREADS, min_size=2, max_size=4), limit=st.integers(1, 5))
async def test_lists_and_items_follow_the_visibility_rule(api: ApiHarness, examples: list[Any], limit: int) -> None:
    engine = api.bot.engine
    histories = [build_history(api, example) for example in examples]
    states = [(await engine.apply(None, lambda _, events=events: events)).after for events in histories]
    threads_with_request = {state.thread_id for state, (_, _, _, terms) in zip(states, examples, strict=True) if terms}
    for owner, credential in credentials_by_owner().items():
        token = credential.token
        address = Address(f"person:{token.person}" if token.person else f"token:{token.name}")
        viewer = to_viewer(address, PEOPLE, source=Address(f"web:{token.name}"), is_admin=credential.is_admin)
        threads, requests = await list_ids(api, owner, "threads", limit), await list_ids(api, owner, "requests", limit)
        for state in states:
            is_visible, request_id = may_view(state, viewer), f"req_{state.thread_id[4:]}"
            response = await api.client(owner).get(f"/v1/threads/{state.thread_id}")
            assert (response.status_code == 200) == is_visible == (state.thread_id in threads), (owner, state.thread_id)
            response = await api.client(owner).get(f"/v1/requests/{request_id}")
            assert (
                (response.status_code == 200)
                == (request_id in requests)
                == (is_visible and state.thread_id in threads_with_request)
            )
