"""Outcomes: how a request ended, in the same words on every card, in every list and in the log."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from agents.people import name_in
from agents.visible_text import escape_and_truncate, escape_hidden_characters

MAX_COMMENT = 300
"""Characters of an answer's own words."""

Names = Mapping[str, str]
"""The names of people, by address."""

When = Callable[[datetime], str]

_WITHOUT_ANSWER = {
    "expired": "nobody answered in time",
    "superseded": "taken back, or replaced by a new instruction",
    "cancelled": "cancelled with its thread",
}


class Given(Protocol):
    """An answer to a request, as the core keeps it or as a client of the API gets it."""

    @property
    def by(self) -> str: ...
    @property
    def entered_by(self) -> str | None: ...
    @property
    def channel(self) -> str: ...
    @property
    def decision(self) -> str: ...
    @property
    def comment(self) -> str | None: ...
    @property
    def text(self) -> str | None: ...
    @property
    def at(self) -> datetime: ...
    @property
    def counted(self) -> bool: ...
    @property
    def is_proposal(self) -> bool: ...


def describe_outcome(status: str, answers: Sequence[Given], names: Names, when: When | None = None) -> str:
    """Return how a request ended in one line: who decided, from where, `when` if that is to be told, their words."""
    last = next((given for given in reversed(answers) if given.counted), None)
    if status in _WITHOUT_ANSWER or last is None:
        return _WITHOUT_ANSWER.get(status, status)
    return f"{_decision(status, answers, last, names)}{_circumstances(last, names, when)}"


def describe_answer(given: Given, names: Names, when: When | None = None) -> str:
    """Return one answer in a line of the same form."""
    return (
        f"{escape_hidden_characters(given.decision)} by {name_in(names, given.by)}{_circumstances(given, names, when)}"
    )


def _decision(status: str, answers: Sequence[Given], last: Given, names: Names) -> str:
    """Name who decided: everybody who approved, who edited, and that only the editor saw what was approved."""
    by = name_in(names, last.by)
    if status != "approved":
        return f"{escape_hidden_characters(status)} by {by}"
    approvals = [given for given in answers if _approves(given)]
    edit = next((given for given in reversed(answers) if given.counted and given.decision == "edit"), None)
    if edit is not None and {given.by for given in approvals} == {edit.by}:
        return f"edited and approved by {by}; nobody else saw this version"
    others = {g.by: _signature(g, names) for g in approvals if g.decision == "approve" and g.by != last.by}
    approved = f"approved by {', then '.join([*others.values(), by])}"
    return approved if edit is None else f"edited by {_signature(edit, names)}, {approved}"


def _signature(given: Given, names: Names) -> str:
    """Return who gave an answer, and who entered it where that is another person."""
    entered = f" (entered by {name_in(names, given.entered_by)})" if given.entered_by else ""
    return f"{name_in(names, given.by)}{entered}"


def _approves(given: Given) -> bool:
    return given.counted and given.decision in ("approve", "edit") and not given.is_proposal


def _circumstances(given: Given, names: Names, when: When | None) -> str:
    """Return from where, who entered it, when, and the words that came with it."""
    said = given.comment or given.text
    entered = f", entered by {name_in(names, given.entered_by)}" if given.entered_by else ""
    told = f" ({escape_hidden_characters(given.channel.partition(':')[0])}){entered}{when(given.at) if when else ''}"
    return f"{told}: {escape_and_truncate(said, MAX_COMMENT)}" if said else told
