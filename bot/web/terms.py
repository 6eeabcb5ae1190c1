"""The terms of a request in one sentence, for people who wonder why they are asked."""

from collections.abc import Iterator, Mapping

from agents.addresses import person
from agents.people import name_in
from agents.policy import Ask, OnExpire, Verdict

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_AFTERWARDS: dict[OnExpire, str] = {
    "deny": "counts as not approved",
    "hold": "stays open",
    "halt": "stops the thread",
}


def in_words(verdict: Verdict, names: Mapping[str, str]) -> str:
    """Return the rule that asked, who may decide, by the `names` of people, and how long they have."""
    ask = verdict.ask or Ask()
    return f"{verdict.rule}: {'; '.join(_clauses(ask, _who(ask, names)))}"


def _clauses(ask: Ask, who: str) -> Iterator[str]:
    yield f"{ask.quorum} of {who} must agree" if ask.quorum > 1 else f"{who} may decide"
    yield f"whoever asked {'may' if ask.requester_may_approve else 'may not'} approve"
    if not ask.editor_may_approve:
        yield "an edit approves nothing: another person must approve the new arguments"
    yield f"approving takes {ask.min_assurance} assurance"
    yield f"without an answer in {_lasting(ask.expires)} it {_AFTERWARDS[ask.on_expire]}"


def _who(ask: Ask, names: Mapping[str, str]) -> str:
    if "*" in ask.roles:
        return "anybody we know"
    named = [*(f"role {role}" for role in ask.roles), *(name_in(names, person(key)) for key in ask.people)]
    return " or ".join(named) or "nobody"


def _lasting(seconds: int) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"
