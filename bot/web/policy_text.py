"""The terms of a request in one sentence, for people who wonder why they are asked."""

from collections.abc import Iterator, Mapping

from agents.addresses import person_address
from agents.people import name_in
from agents.policy import ApprovalTerms, OnExpire, PolicyDecision

_DURATION_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_EXPIRY_TEXTS: dict[OnExpire, str] = {
    "deny": "counts as not approved",
    "hold": "stays open",
    "halt": "stops the thread",
}


def describe_policy(decision: PolicyDecision, names: Mapping[str, str]) -> str:
    """Return the rule that asked, who may decide, by the `names` of people, and how long they have."""
    ask = decision.ask or ApprovalTerms()
    return f"{decision.rule}: {'; '.join(_clauses(ask, _describe_deciders(ask, names)))}"


def _clauses(terms: ApprovalTerms, who: str) -> Iterator[str]:
    yield f"{terms.quorum} of {who} must agree" if terms.quorum > 1 else f"{who} may decide"
    yield f"whoever asked {'may' if terms.requester_may_approve else 'may not'} approve"
    if not terms.editor_may_approve:
        yield "an edit approves nothing: another person must approve the new arguments"
    yield f"approving takes {terms.min_assurance} assurance"
    yield f"without an answer in {_format_duration(terms.expires)} it {_EXPIRY_TEXTS[terms.on_expire]}"


def _describe_deciders(terms: ApprovalTerms, names: Mapping[str, str]) -> str:
    if "*" in terms.roles:
        return "anybody we know"
    named = [*(f"role {role}" for role in terms.roles), *(name_in(names, person_address(key)) for key in terms.people)]
    return " or ".join(named) or "nobody"


def _format_duration(seconds: int) -> str:
    size, unit = next((size, unit) for size, unit in _DURATION_UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"
