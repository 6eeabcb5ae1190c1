"""Describe how a request ended, with the same text on cards, in lists and in the log."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from agents.core.people import name_in
from agents.core.visible_text import escape_and_truncate, escape_hidden_characters

MAX_COMMENT_LENGTH = 300
"""Limit in characters for the comment or text of an answer."""

Names = Mapping[str, str]
"""Names of people by address."""

FormatTime = Callable[[datetime], str]
"""Returns a time as text with the space or comma before it, such as ` at 14:05 UTC`."""

_WITHOUT_ANSWER = {
    "expired": "no answer in time",
    "superseded": "withdrawn, or replaced by a new instruction",
    "cancelled": "cancelled with its thread",
}


class AnswerLike(Protocol):
    """Fields of an answer that the core's records and the API's response models have in common."""

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


def describe_outcome(status: str, answers: Sequence[AnswerLike], names: Names, when: FormatTime | None = None) -> str:
    """Describe in one line how a request ended: who decided it, on which channel, when, and with which comment.

    `when` formats the time of the last answer; without it the time is left out.
    """
    last = next((answer for answer in reversed(answers) if answer.counted), None)
    if status in _WITHOUT_ANSWER or last is None:
        return _WITHOUT_ANSWER.get(status, status)
    return f"{_describe_decision(status, answers, last, names)}{_describe_circumstances(last, names, when)}"


def describe_answer(answer: AnswerLike, names: Names, when: FormatTime | None = None) -> str:
    """Describe one answer in a line of the form that `describe_outcome` returns."""
    return (
        f"{escape_hidden_characters(answer.decision)} by {name_in(names, answer.by)}"
        f"{_describe_circumstances(answer, names, when)}"
    )


def _describe_decision(status: str, answers: Sequence[AnswerLike], last: AnswerLike, names: Names) -> str:
    """Return who decided: all approvers, the editor, or a remark if only the editor saw the approved version."""
    by = name_in(names, last.by)
    if status != "approved":
        return f"{escape_hidden_characters(status)} by {by}"
    approvals = [answer for answer in answers if _is_approval(answer)]
    edit = next((answer for answer in reversed(answers) if answer.counted and answer.decision == "edit"), None)
    if edit is not None and {answer.by for answer in approvals} == {edit.by}:
        return f"edited and approved by {by}; no other person saw this version"
    others = {a.by: _describe_approver(a, names) for a in approvals if a.decision == "approve" and a.by != last.by}
    approved = f"approved by {', then '.join([*others.values(), by])}"
    return approved if edit is None else f"edited by {_describe_approver(edit, names)}, {approved}"


def _describe_approver(answer: AnswerLike, names: Names) -> str:
    """Return the name of the person who answered and, if another person entered the answer, that name."""
    entered = f" (entered by {name_in(names, answer.entered_by)})" if answer.entered_by else ""
    return f"{name_in(names, answer.by)}{entered}"


def _is_approval(answer: AnswerLike) -> bool:
    return answer.counted and answer.decision in ("approve", "edit") and not answer.is_proposal


def _describe_circumstances(answer: AnswerLike, names: Names, when: FormatTime | None) -> str:
    """Return the channel, the person who entered the answer, the time and the comment."""
    comment = answer.comment or answer.text
    entered = f", entered by {name_in(names, answer.entered_by)}" if answer.entered_by else ""
    channel = escape_hidden_characters(answer.channel.partition(":")[0])
    text = f" ({channel}){entered}{when(answer.at) if when else ''}"
    return f"{text}: {escape_and_truncate(comment, MAX_COMMENT_LENGTH)}" if comment else text
