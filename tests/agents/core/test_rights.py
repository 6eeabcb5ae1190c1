"""A thread is visible to its requesters, deciders, conversation and admins."""

from datetime import UTC, datetime

import pytest
from hypothesis import given

from agents.core.events import MessageReceived, RequestOpened, ThreadForked, ThreadPaused, ThreadStarted
from agents.core.people import People, Person
from agents.core.policy import ApprovalTerms, PolicyDecision
from agents.core.reducer import fold, reduce
from agents.core.requests import Request
from agents.core.rights import audience_addresses, may_view, to_viewer
from agents.core.state import ThreadState
from agents.core.values import Address, person_address
from tests.harness import people
from tests.harness.people import with_roles
from tests.histories import RandomHistory, random_histories

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAN = Person(key="dan", name="Dan", addresses=(Address("terminal:dans"), Address("web:tool")))
EVE = Person(key="eve", name="Eve", roles=("*",))
PEOPLE = People(members=(*with_roles(people.PEOPLE, carol=("admin",)).members, DAN, EVE))


def thread(requester: str = "person:alice", origin: str = "web:alice-cli") -> ThreadState:
    named = Address(requester)
    started = ThreadStarted(at=NOW, actor=named, thread_id="thr_1", agent="a", origin=Address(origin), requester=named)
    return fold(ThreadState(), [started])


def with_request(state: ThreadState, **terms: object) -> ThreadState:
    verdict = PolicyDecision(answer="ask", rule="r", ask=ApprovalTerms(**terms))
    request = Request(
        id="req_1",
        code="AAAAA",
        kind="approval",
        purpose="tool",
        thread_id=state.thread_id,
        agent="a",
        requester=state.requester,
        digest="d",
        policy=verdict,
        opened_at=NOW,
    )
    return reduce(state, RequestOpened(at=NOW, actor=Address("agent:a"), request=request))


def viewer_keys(state: ThreadState) -> set[str]:
    return {one.key for one in PEOPLE.members if may_view(state, to_viewer(person_address(one.key), PEOPLE))}


ADMINS = {"carol", "eve"}


def test_opener_and_admins_may_view_a_thread() -> None:
    assert viewer_keys(thread()) == {"alice", *ADMINS}


def test_writing_gives_access_and_controlling_does_not() -> None:
    said = MessageReceived(at=NOW, actor=person_address("dan"), text="hi", source=Address("slack:C1:1"))
    assert viewer_keys(reduce(thread(), said)) == {"alice", "dan", *ADMINS}
    assert viewer_keys(reduce(thread(), ThreadPaused(at=NOW, actor=person_address("dan"), reason="x"))) == {
        "alice",
        *ADMINS,
    }


@pytest.mark.parametrize(
    ("terms", "more"),
    [
        ({"roles": ("release",)}, {"bob"}),
        ({"people": ("dan",)}, {"dan"}),
        ({"roles": ("*",)}, {"bob", "dan"}),
        ({}, set()),
    ],
)
def test_deciders_may_view_the_thread(terms: dict[str, tuple[str, ...]], more: set[str]) -> None:
    assert viewer_keys(with_request(thread(), **terms)) == {"alice", *more, *ADMINS}


def test_fork_is_visible_to_its_creator_not_old_deciders() -> None:
    forked = ThreadForked(at=NOW, actor=person_address("dan"), thread_id="thr_2", parent="thr_1", at_seq=2)
    assert viewer_keys(reduce(with_request(thread(), roles=("release",)), forked)) == {"alice", "dan", *ADMINS}


def test_person_may_view_threads_of_their_terminal() -> None:
    assert viewer_keys(thread(origin="terminal:dans")) == {"alice", "dan", *ADMINS}


def test_token_name_does_not_identify_a_person() -> None:
    state = thread("token:tool", "web:tool")
    assert viewer_keys(state) == ADMINS
    program = to_viewer(Address("token:tool"), PEOPLE, source=Address("web:tool"))
    assert may_view(state, program)
    assert not may_view(state, to_viewer(Address("token:other"), PEOPLE, source=Address("web:other")))


def test_unknown_person_does_not_match_the_star_role() -> None:
    assert not may_view(with_request(thread(), roles=("*",)), to_viewer(Address("slack:T1/U1"), PEOPLE))


@given(history=random_histories())
def test_audience_contains_authors_and_deciders(history: RandomHistory) -> None:
    names = audience_addresses(history.state)
    forks = [index for index, event in enumerate(history.events) if isinstance(event, ThreadForked)]
    authors = {event.actor for event in history.events if isinstance(event, ThreadStarted | MessageReceived)}
    named = {
        name
        for event in history.events[forks[-1] if forks else 0 :]  # a fork drops earlier deciders
        if isinstance(event, RequestOpened)
        for name in (
            *(f"role:{role}" for role in event.request.terms.roles),
            *(f"person:{key}" for key in event.request.terms.people),
        )
    }
    assert authors | named | {history.state.requester, history.state.origin} <= names
