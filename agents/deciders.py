"""Resolve the names of the people who may decide a request, when it is opened or edited."""

from collections.abc import Iterable
from typing import Any

from agents.addresses import person_address
from agents.events import KnownEvent, RequestAnswered, RequestOpened
from agents.people import People, Person
from agents.policy import ApprovalTerms
from agents.requests import Deciders, Request

MAX_NAMES_PER_ROLE = 10
"""Limit on people listed by name per role; the others are only counted."""


def add_decider_names(event: KnownEvent, people: People, request: Request | None = None) -> KnownEvent:
    """Return the event with deciders and names filled in; for an answer, `request` is the answered request."""
    if isinstance(event, RequestOpened):
        named = event.request.model_copy(update=_decider_fields(event.request.terms, event.request, people))
        return event.model_copy(update={"request": named})
    if isinstance(event, RequestAnswered) and request is not None:
        return add_names_to_answer(event, people, request)
    return event


def add_names_to_answer(event: RequestAnswered, people: People, request: Request) -> RequestAnswered:
    """Return the answer with the name of the person who gave it and, after an edit, with the new deciders."""
    new_fields = {} if event.policy is None else _decider_fields(event.policy.ask or ApprovalTerms(), request, people)
    answer_names = people.names_of(filter(None, (event.answer.by, event.answer.entered_by)))
    names = {**new_fields.get("names", {}), **answer_names}
    return event.model_copy(update={**new_fields, "names": names} if names else new_fields)


def _decider_fields(terms: ApprovalTerms, request: Request, people: People) -> dict[str, Any]:
    requesters = request.all_requesters
    excluded = [] if terms.requester_may_approve else [people.get(address) for address in requesters]
    deciders = tuple(_resolve_deciders(terms, people, [person.key for person in excluded if person is not None]))
    found = {address: people.get(address) for group in deciders for address in group.people}
    found |= {address: people.get(address) for address in requesters}
    return {"deciders": deciders, "names": {str(a): person.name for a, person in found.items() if person is not None}}


def _resolve_deciders(terms: ApprovalTerms, people: People, excluded_keys: list[str]) -> Iterable[Deciders]:
    for role in terms.roles:
        yield _to_deciders(role, () if role == "*" else people.with_role(role), excluded_keys)
    if named := [person for key in terms.people if (person := people.get(person_address(key))) is not None]:
        yield _to_deciders(None, named, excluded_keys)


def _to_deciders(role: str | None, people: Iterable[Person], excluded_keys: list[str]) -> Deciders:
    allowed = [person_address(person.key) for person in people if person.key not in excluded_keys]
    return Deciders(role=role, people=tuple(allowed[:MAX_NAMES_PER_ROLE]), more=len(allowed[MAX_NAMES_PER_ROLE:]))
