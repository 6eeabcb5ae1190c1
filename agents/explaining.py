"""Why a request is there, who asked, who may decide, and what happens otherwise: in words, from the request alone."""

from agents.addresses import Address
from agents.messages import Explanation
from agents.people import name_in
from agents.policy import OnExpire
from agents.requests import Deciders, GivenAnswer, Request
from agents.visible import cut, visible

MAX_WHY = 300
"""Characters of the agent's reasoning on a card."""

_AFTERWARDS: dict[OnExpire, str] = {
    "deny": "without an answer by then nothing is done",
    "hold": "it stays open after that",
    "halt": "without an answer by then the thread stops",
}


def explain(request: Request) -> Explanation:
    """Return the explanation of a request as it stands."""
    return Explanation(
        why=cut(" ".join(request.reasoning.split()), MAX_WHY),
        asked_by=_joined([name_of(request, address) for address in request.asked_by], "and"),
        decided_by=who_decides(request),
        progress=progress(request),
        afterwards="" if request.held else _AFTERWARDS[request.ask.on_expire],
    )


def who_decides(request: Request) -> str:
    """Return who may decide: roles with the names of their people, and people named one by one."""
    groups = request.deciders or tuple(Deciders(role=role) for role in request.ask.roles)
    return _joined([_group(request, group) for group in groups], "or") or "nobody"


def progress(request: Request) -> str:
    """Return how many have approved and who, where it takes more than one; else nothing."""
    if request.kind == "question" or request.ask.quorum == 1:
        return ""
    signed = {given.by: _signed(request, given) for given in request.approvals}
    return f"{len(signed)} of {request.ask.quorum} so far" + (f": {', '.join(signed.values())}" if signed else "")


def _signed(request: Request, given: GivenAnswer) -> str:
    """Return the name of who gave an answer, and of who entered it where that is another person."""
    entered = f" (entered by {name_of(request, given.entered_by)})" if given.entered_by else ""
    return f"{name_of(request, given.by)}{entered}"


def name_of(request: Request, address: Address) -> str:
    """Return the name of somebody a request speaks of, or what stands in their address."""
    return name_in(request.names, address)


def _group(request: Request, group: Deciders) -> str:
    names = [name_of(request, address) for address in group.people]
    names += [f"{group.more} more"] if group.more else []
    if group.role is None:
        return ", ".join(names)
    if group.role == "*":
        return "everyone who is known here"
    return f"{visible(group.role)} ({', '.join(names)})" if names else f"{visible(group.role)}"


def _joined(words: list[str], last: str) -> str:
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
