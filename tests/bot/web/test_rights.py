"""Others' threads and requests do not exist, whichever route is asked."""

from itertools import count
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.addresses import Address, person_address
from agents.events import KnownEvent, MessageReceived, RequestOpened, ThreadCancelled, ThreadStarted
from agents.policy import ApprovalTerms, PolicyDecision
from agents.requests import Request
from agents.rights import may_view, to_viewer
from bot.web.rights import RequireScope, require_visible_request, require_visible_thread
from tests.bot.web.api_harness import CREDENTIALS, PEOPLE, ApiHarness

STRANGERS = ("dan-cli", "ci", "namesake")
PATHS = {"{thread_id}": require_visible_thread, "{id_or_code}": require_visible_request}


@pytest.fixture
def api(api_on_each_database: ApiHarness) -> ApiHarness:
    return api_on_each_database


def routes(api: ApiHarness) -> list[Any]:
    return [one for one in iter_route_contexts(api.app.routes) if str(one.path).startswith("/v1/")]


def checks(route: Any) -> list[Any]:
    return [dependency.call for dependency in route.dependant.dependencies]


FOR_ADMINS = ("scan_threads",)
"""Routes that tell about threads of everybody."""


async def test_every_route_takes_a_scope_and_asks_for_what_it_names(api: ApiHarness) -> None:
    found = routes(api)
    assert len(found) > 10
    for route in found:
        scopes = [check.scope for check in checks(route) if isinstance(check, RequireScope)]
        assert len(scopes) == 1, route.path
        reads = "admin" if route.name in FOR_ADMINS else "read"
        assert (scopes[0] == reads) == ("GET" in route.methods), route.path
        for parameter, check in PATHS.items():
            assert (parameter in route.path) == (check in checks(route)), route.path


@pytest.mark.parametrize("who", STRANGERS)
async def test_every_route_answers_a_stranger_as_if_there_were_nothing(api: ApiHarness, who: str) -> None:
    request = await api.open_request("push v1")
    client, before = api.client(who), await api.bot.engine.load(request["thread_id"])
    bodies = {"fork_thread": {"at": 1}, "say": {"text": "hi"}, "answer_request": {"decision": "deny"}}
    named = [route for route in routes(api) if "{" in route.path]
    assert len(named) >= 10
    for route in named:
        answers = []
        for thread_id, request_name in ((request["thread_id"], request["id"]), ("thr_none", "req_none")):
            path = route.path.replace("{thread_id}", thread_id).replace("{id_or_code}", request_name)
            told = await client.request(next(iter(route.methods)), path, json=bodies.get(route.name))
            assert told.status_code == 404, route.path
            answers.append(told.text.replace(thread_id, "X").replace(request_name, "X"))
        assert answers[0] == answers[1]
    assert (await client.get(f"/v1/requests/{request['code']}")).status_code == 404
    assert await api.bot.engine.load(request["thread_id"]) == before
    assert (await client.get("/v1/requests", params={"thread_id": request["thread_id"]})).json()["requests"] == []
    assert (await client.get("/v1/threads")).json()["threads"] == []


async def test_a_requester_sees_the_request_they_may_not_decide(api: ApiHarness) -> None:
    request = await api.open_request("push v1", "dan-cli")
    assert (await api.answer_request(request, "dan-cli", decision="approve")).status_code == 403


async def test_a_decider_still_sees_the_thread_once_the_request_is_settled(api: ApiHarness) -> None:
    request = await api.open_request("push v1")
    assert (await api.answer_request(request, "bob", decision="deny")).status_code == 200
    await api.wait_until(request["thread_id"], lambda state: not state.requests)
    for path in (f"/v1/threads/{request['thread_id']}", f"/v1/requests/{request['id']}"):
        assert (await api.client("bob").get(path)).status_code == 200


async def test_whom_replies_go_to_may_speak_in_the_thread(api: ApiHarness) -> None:
    thread_id = await api.start_thread("look", "carol", reply_to="person:dan")
    told = await api.client("dan-cli").post(f"/v1/threads/{thread_id}/messages", json={"text": "look"})
    assert told.status_code == 202


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


def history(api: ApiHarness, drawn: Any) -> tuple[KnownEvent, ...]:
    """A thread that is over, so that nothing moves it on: opened, spoken in, perhaps asked for something."""
    requester, origin, speakers, terms = drawn
    number, now = next(NUMBERS), api.bot.clock.now()
    thread_id = f"thr_random{number}"
    started = ThreadStarted(
        at=now, actor=requester, thread_id=thread_id, agent="porter", origin=origin, requester=requester
    )
    said = [MessageReceived(at=now, actor=speaker, text="hi", source=origin) for speaker in speakers]
    asked = [_asked(started, number, ask) for ask in terms]
    return (started, *said, *asked, ThreadCancelled(at=now, actor=person_address("carol"), reason="over"))


def _asked(started: ThreadStarted, number: int, ask: ApprovalTerms) -> RequestOpened:
    request = Request(
        id=f"req_random{number}",
        code=f"X{number}",
        kind="approval",
        purpose="tool",
        thread_id=started.thread_id,
        agent="porter",
        requester=started.requester,
        digest="d",
        policy=PolicyDecision(answer="ask", rule="r", ask=ask),
        opened_at=started.at,
    )
    return RequestOpened(at=started.at, actor=Address("agent:porter"), request=request)


async def listed(api: ApiHarness, who: str, kind: str, limit: int) -> list[str]:
    """The ids of all pages of a list."""
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await api.client(who).get(f"/v1/{kind}", params={"limit": limit, "cursor": cursor})).json()
        assert len(page[kind]) == limit or page["next_cursor"] is None
        found += [one["id"] for one in page[kind]]
        cursor = page["next_cursor"]
    assert len(found) == len(set(found))
    return found


def tokens() -> dict[str, Any]:
    return {one.token.secret.get_secret_value().removeprefix("secret-"): one for one in CREDENTIALS}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(THREADS, min_size=2, max_size=4), limit=st.integers(1, 5))
async def test_what_is_listed_is_what_is_shown_and_what_the_rule_says(
    api: ApiHarness, drawn: list[Any], limit: int
) -> None:
    engine = api.bot.engine
    histories = [history(api, one) for one in drawn]
    states = [(await engine.apply(None, lambda _, events=events: events)).after for events in histories]
    asking = {state.thread_id for state, (_, _, _, terms) in zip(states, drawn, strict=True) if terms}
    for who, credential in tokens().items():
        token = credential.token
        address = Address(f"person:{token.person}" if token.person else f"token:{token.name}")
        viewer = to_viewer(address, PEOPLE, source=Address(f"web:{token.name}"), is_admin=credential.is_admin)
        threads, requests = await listed(api, who, "threads", limit), await listed(api, who, "requests", limit)
        for state in states:
            allowed, own = may_view(state, viewer), f"req_{state.thread_id[4:]}"
            told = await api.client(who).get(f"/v1/threads/{state.thread_id}")
            assert (told.status_code == 200) == allowed == (state.thread_id in threads), (who, state.thread_id)
            told = await api.client(who).get(f"/v1/requests/{own}")
            assert (told.status_code == 200) == (own in requests) == (allowed and state.thread_id in asking)
