"""Explain a request to people: its reason, requesters, deciders and what happens without an answer."""

from agents.addresses import Address
from agents.messages import Explanation
from agents.people import name_in
from agents.policy import OnExpire
from agents.requests import Deciders, RecordedAnswer, Request
from agents.visible_text import escape_and_truncate, escape_hidden_characters

MAX_REASON_LENGTH = 300
"""Limit in characters for the agent's reasoning on a card."""

_EXPIRY_CONSEQUENCES: dict[OnExpire, str] = {
    "deny": "without an answer by then nothing is done",
    "hold": "it stays open after that",
    "halt": "without an answer by then the thread stops",
}


def explain(request: Request) -> Explanation:
    """Return the explanation of a request in its current state."""
    return Explanation(
        why=escape_and_truncate(" ".join(request.reasoning.split()), MAX_REASON_LENGTH),
        asked_by=_join_words([display_name(request, address) for address in request.all_requesters], "and"),
        decided_by=describe_deciders(request),
        progress=describe_progress(request),
        afterwards="" if request.is_kept_open else _EXPIRY_CONSEQUENCES[request.terms.on_expire],
    )


def describe_deciders(request: Request) -> str:
    """Return who may decide: roles with the names of their members, and people who are named individually."""
    groups = request.deciders or tuple(Deciders(role=role) for role in request.terms.roles)
    return _join_words([_describe_group(request, group) for group in groups], "or") or "no person"


def describe_progress(request: Request) -> str:
    """Return how many people have approved and their names; empty if one approval is enough."""
    if request.kind == "question" or request.terms.quorum == 1:
        return ""
    approvers = {answer.by: _describe_approver(request, answer) for answer in request.approvals}
    names = f": {', '.join(approvers.values())}" if approvers else ""
    return f"{len(approvers)} of {request.terms.quorum} so far{names}"


def _describe_approver(request: Request, answer: RecordedAnswer) -> str:
    """Return the name of the approver and, if another person entered the answer, that person's name."""
    entered = f" (entered by {display_name(request, answer.entered_by)})" if answer.entered_by else ""
    return f"{display_name(request, answer.by)}{entered}"


def display_name(request: Request, address: Address) -> str:
    """Return the name of a person in a request, or the id in their address."""
    return name_in(request.names, address)


def _describe_group(request: Request, group: Deciders) -> str:
    names = [display_name(request, address) for address in group.people]
    names += [f"{group.more} more"] if group.more else []
    if group.role is None:
        return ", ".join(names)
    if group.role == "*":
        return "any known person"
    return (
        f"{escape_hidden_characters(group.role)} ({', '.join(names)})"
        if names
        else f"{escape_hidden_characters(group.role)}"
    )


def _join_words(words: list[str], conjunction: str) -> str:
    return f" {conjunction} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
