"""Who may decide a request, by name: resolved when it is opened or edited, so that whoever reads it later need not."""

from collections.abc import Iterable
from typing import Any

from agents.addresses import person_address
from agents.events import KnownEvent, RequestAnswered, RequestOpened
from agents.people import People, Person
from agents.policy import ApprovalTerms
from agents.requests import Deciders, Request

MAX_NAMES_PER_ROLE = 10
"""People named for each role; the others are counted."""


def add_decider_names(event: KnownEvent, people: People, request: Request | None = None) -> KnownEvent:
    """Return the event with the deciders and names it gives to its request; `request` is the one that is answered."""
    if isinstance(event, RequestOpened):
        named = event.request.model_copy(update=_decider_fields(event.request.terms, event.request, people))
        return event.model_copy(update={"request": named})
    if isinstance(event, RequestAnswered) and request is not None:
        return name_answer(event, people, request)
    return event


def name_answer(event: RequestAnswered, people: People, request: Request) -> RequestAnswered:
    """Return the answer with the names of its giver, and after an edit of those who may decide."""
    known = {} if event.policy is None else _decider_fields(event.policy.ask or ApprovalTerms(), request, people)
    givers = people.names_of(filter(None, (event.answer.by, event.answer.entered_by)))
    names = {**known.get("names", {}), **givers}
    return event.model_copy(update={**known, "names": names} if names else known)


def _decider_fields(terms: ApprovalTerms, request: Request, people: People) -> dict[str, Any]:
    asking = request.all_requesters
    excluded = [] if terms.requester_may_approve else [people.get(address) for address in asking]
    deciders = tuple(_resolve_deciders(terms, people, [who.key for who in excluded if who is not None]))
    told = {address: people.get(address) for group in deciders for address in group.people}
    told |= {address: people.get(address) for address in asking}
    return {"deciders": deciders, "names": {str(a): who.name for a, who in told.items() if who is not None}}


def _resolve_deciders(terms: ApprovalTerms, people: People, excluded_keys: list[str]) -> Iterable[Deciders]:
    for role in terms.roles:
        yield _to_deciders(role, () if role == "*" else people.with_role(role), excluded_keys)
    if named := [who for key in terms.people if (who := people.get(person_address(key))) is not None]:
        yield _to_deciders(None, named, excluded_keys)


def _to_deciders(role: str | None, people: Iterable[Person], excluded_keys: list[str]) -> Deciders:
    able = [person_address(who.key) for who in people if who.key not in excluded_keys]
    return Deciders(role=role, people=tuple(able[:MAX_NAMES_PER_ROLE]), more=len(able[MAX_NAMES_PER_ROLE:]))
