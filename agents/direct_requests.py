"""Choose people to ask directly about a request that no channel could show."""

from collections.abc import Iterator

from agents.addresses import Address, person_address
from agents.decisions import may_decide
from agents.people import People
from agents.requests import Request
from agents.state import ThreadState

MAX_DIRECT_STEPS = 2
"""Steps after the last escalation step. The first asks each person at one address, the second at all their others."""

MAX_APPROVERS = 10
"""Limit on approvers who are asked directly, so that a large role is not notified as a whole."""


def has_no_card(state: ThreadState, request: Request) -> bool:
    """Return whether no card of the request was delivered and none is pending, so that waiting is useless."""
    return not request.cards and not any(m.request_id == request.id for m in state.pending_messages)


def next_direct_step(state: ThreadState, request: Request) -> int | None:
    """Return the next direct step, 0 or 1; None while escalation steps remain or when both steps are done."""
    step = request.escalated - len(request.terms.escalate)
    return step if has_no_card(state, request) and 0 <= step < MAX_DIRECT_STEPS else None


def direct_recipients(state: ThreadState, request: Request, people: People, step: int) -> tuple[Address, ...]:
    """Return the direct addresses of the requester and of the possible approvers for this step."""
    found: list[Address] = []
    for address in _people_to_ask(request, people):
        direct = people.direct_addresses(address, state.origin.scheme)
        found += direct[:1] if step == 0 else direct[1:]
    return tuple(dict.fromkeys(found))


def _people_to_ask(request: Request, people: People) -> Iterator[Address]:
    yield request.requester
    if request.kind == "approval":
        approvers = (person for person in people.members if may_decide(person, request.terms))
        yield from (person_address(person.key) for person, _ in zip(approvers, range(MAX_APPROVERS), strict=False))
