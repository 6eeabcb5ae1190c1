"""The approval terms of a request in one sentence."""

from collections.abc import Iterator, Mapping

from agents.core.people import name_in
from agents.core.policy import ApprovalTerms, OnExpire, PolicyDecision
from agents.core.values import person_address

_DURATION_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_EXPIRY_TEXTS: dict[OnExpire, str] = {
    "deny": "counts as not approved",
    "hold": "stays open",
    "halt": "stops the thread",
}


def describe_policy(decision: PolicyDecision, names: Mapping[str, str]) -> str:
    """Return the name of the rule, who may decide and until when. `names` has people's names by address."""
    terms = decision.ask or ApprovalTerms()
    return f"{decision.rule}: {'; '.join(_clauses(terms, _describe_deciders(terms, names)))}"


def _clauses(terms: ApprovalTerms, deciders: str) -> Iterator[str]:
    yield f"{terms.quorum} of {deciders} must agree" if terms.quorum > 1 else f"{deciders} may decide"
    yield f"the requester {'may' if terms.requester_may_approve else 'may not'} approve"
    if not terms.editor_may_approve:
        yield "an edit does not approve: another person must approve the new arguments"
    yield f"approving requires {terms.min_assurance} assurance"
    yield f"without an answer in {_format_duration(terms.expires)} it {_EXPIRY_TEXTS[terms.on_expire]}"


def _describe_deciders(terms: ApprovalTerms, names: Mapping[str, str]) -> str:
    if "*" in terms.roles:
        return "any known person"
    named = [*(f"role {role}" for role in terms.roles), *(name_in(names, person_address(key)) for key in terms.people)]
    return " or ".join(named) or "no approver"


def _format_duration(seconds: int) -> str:
    size, unit = next((size, unit) for size, unit in _DURATION_UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"
