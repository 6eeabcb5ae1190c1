"""Why a request is there, who asked, who may decide, and what happens otherwise: in words, from the request alone."""

from agents.addresses import Address
from agents.messages import Explanation
from agents.people import name_in
from agents.policy import OnExpire
from agents.requests import Deciders, RecordedAnswer, Request
from agents.visible_text import escape_and_truncate, escape_hidden_characters

MAX_REASON_LENGTH = 300
"""Characters of the agent's reasoning on a card."""

_EXPIRY_CONSEQUENCES: dict[OnExpire, str] = {
    "deny": "without an answer by then nothing is done",
    "hold": "it stays open after that",
    "halt": "without an answer by then the thread stops",
}


def explain(request: Request) -> Explanation:
    """Return the explanation of a request as it stands."""
    return Explanation(
        why=escape_and_truncate(" ".join(request.reasoning.split()), MAX_REASON_LENGTH),
        asked_by=_join_words([display_name(request, address) for address in request.all_requesters], "and"),
        decided_by=describe_deciders(request),
        progress=describe_progress(request),
        afterwards="" if request.is_kept_open else _EXPIRY_CONSEQUENCES[request.terms.on_expire],
    )


def describe_deciders(request: Request) -> str:
    """Return who may decide: roles with the names of their people, and people named one by one."""
    groups = request.deciders or tuple(Deciders(role=role) for role in request.terms.roles)
    return _join_words([_describe_group(request, group) for group in groups], "or") or "nobody"


def describe_progress(request: Request) -> str:
    """Return how many have approved and who, where it takes more than one; else nothing."""
    if request.kind == "question" or request.terms.quorum == 1:
        return ""
    signed = {given.by: _signed(request, given) for given in request.approvals}
    return f"{len(signed)} of {request.terms.quorum} so far" + (f": {', '.join(signed.values())}" if signed else "")


def _signed(request: Request, given: RecordedAnswer) -> str:
    """Return the name of who gave an answer, and of who entered it where that is another person."""
    entered = f" (entered by {display_name(request, given.entered_by)})" if given.entered_by else ""
    return f"{display_name(request, given.by)}{entered}"


def display_name(request: Request, address: Address) -> str:
    """Return the name of somebody a request speaks of, or what stands in their address."""
    return name_in(request.names, address)


def _describe_group(request: Request, group: Deciders) -> str:
    names = [display_name(request, address) for address in group.people]
    names += [f"{group.more} more"] if group.more else []
    if group.role is None:
        return ", ".join(names)
    if group.role == "*":
        return "everyone who is known here"
    return (
        f"{escape_hidden_characters(group.role)} ({', '.join(names)})"
        if names
        else f"{escape_hidden_characters(group.role)}"
    )


def _join_words(words: list[str], conjunction: str) -> str:
    return f" {conjunction} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
