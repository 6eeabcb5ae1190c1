"""Notice for a person who writes while a request is open: who can decide it, until when and how."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from agents.core.cards import allowed_choices
from agents.core.decisions import evaluate_answer, is_same_person, may_decide
from agents.core.errors import AlreadySettled, InvalidAnswer
from agents.core.events import NoticeGiven
from agents.core.messages import Assurance, IncomingMessage
from agents.core.people import People, Person
from agents.core.requests import Answer, Request
from agents.core.state import ThreadState
from agents.core.values import ENGINE, person_address
from agents.core.visible_text import escape_hidden_characters

AnswerInstructions = Callable[[Request], str]
"""Returns the text that says how to answer a request on the channel of the message; empty if that is impossible."""

MIN_NOTICE_INTERVAL = timedelta(seconds=5)
"""Minimum time between two equal notices in a shared conversation."""

MAX_NAMES_PER_ROLE = 10
CONSENT_WORDS = frozenset(
    {"approve", "approved", "confirm", "confirmed", "fine", "go", "granted", "lgtm", "ok", "okay", "sure", "yeah"}
    | {"yep", "yes", "👍", "✅", "+1"}
)
_MESSAGES_NEVER_APPROVE = " A message never approves."
_WORDS = re.compile(r"[^\s,.!:;]+")


def open_request_notice(
    state: ThreadState,
    message: IncomingMessage,
    people: People,
    answer_instructions: AnswerInstructions,
    *,
    is_shared: bool = False,
) -> tuple[NoticeGiven, ...]:
    """Return the notice for the author of a message that left the open request unchanged.

    In a shared conversation an equal notice is not repeated within MIN_NOTICE_INTERVAL.
    """
    request = state.open_request
    if request is None or _is_expired(request, message.at):
        return ()
    text = describe_open_request(request, people, message, answer_instructions(request))
    notice = NoticeGiven(at=message.at, actor=ENGINE, text=text, to=message.source)
    return () if is_shared and _is_repeated(notice, state.last_notice) else (notice,)


def _is_repeated(notice: NoticeGiven, last: NoticeGiven | None) -> bool:
    if last is None or (last.to, last.text) != (notice.to, notice.text):
        return False
    return notice.at - last.at < MIN_NOTICE_INTERVAL


def describe_open_request(request: Request, people: People, message: IncomingMessage, instructions: str) -> str:
    """Return a text with the people who can still decide, the number of approvals, the deadline and how to answer."""
    if request.kind == "question":
        return _describe_question(request, people, message, instructions)
    approved = f"{len(request.approvers)} of {request.terms.quorum}"
    deciders, deadline = describe_remaining_deciders(request, people), _describe_deadline(request, message.at)
    text = f"{request.code} still waits for {deciders}, {approved}{deadline}"
    return _append_instructions(text, instructions) + (_MESSAGES_NEVER_APPROVE if is_consent(message.text) else "")


def describe_remaining_deciders(request: Request, people: People) -> str:
    """Return the roles and people who can still decide a request, with the names of those who have not decided."""
    terms = request.terms
    groups = (
        ["any known person"] if "*" in terms.roles else [_describe_role(request, role, people) for role in terms.roles]
    )
    named = [person for key in terms.people if (person := people.get(person_address(key))) is not None]
    groups += [escape_hidden_characters(one.name) for one in named if _is_decision_missing(request, one, people)]
    return " or ".join(groups) or "an approval that no known person can give"


def is_consent(text: str) -> bool:
    """Return whether a message looks as if it was meant as an approval."""
    words = _WORDS.findall(text.lower()[:200])  # an approval is meant in the first sentence, if at all
    return bool(words) and (words[0] in CONSENT_WORDS or "approve" in words)


def _describe_question(request: Request, people: People, message: IncomingMessage, instructions: str) -> str:
    until = _describe_deadline(request, message.at)
    text = f"{request.code} still waits for {_describe_answerers(request, people)}{until}"
    # An "outcome" question asks whether an interrupted call took effect; a message could make it run again.
    if request.purpose == "outcome":
        return _append_instructions(
            f"{text}; a message does not answer this question", instructions
        ) + _describe_choices(request)
    if _may_answer(request, people, message):
        return f"{request.code} still waits for an answer{until}.{_describe_choices(request)}"
    return _append_instructions(text, instructions) + _describe_choices(request)


def _describe_answerers(request: Request, people: People) -> str:
    names = [people.name_of(request.requester)]
    if request.terms.roles or request.terms.people:
        names.append(describe_remaining_deciders(request, people))
    return " or ".join(names)


def _may_answer(request: Request, people: People, message: IncomingMessage) -> bool:
    answer = Answer(
        by=message.by,
        entered_by=message.entered_by,
        channel=message.source,
        assurance=Assurance.MEDIUM,
        decision="answer",
        text=message.text,
    )
    try:
        return evaluate_answer(request, answer, people=people, now=message.at).answer.counted
    except InvalidAnswer:  # the right to answer is checked before the answer
        return True
    except AlreadySettled:
        return False


def _describe_role(request: Request, role: str, people: People) -> str:
    names = [
        escape_hidden_characters(person.name)
        for person in people.with_role(role)
        if _is_decision_missing(request, person, people)
    ]
    more = [f"{len(names) - MAX_NAMES_PER_ROLE} more"] if len(names) > MAX_NAMES_PER_ROLE else []
    members = ", ".join([*names[:MAX_NAMES_PER_ROLE], *more]) or "no person who can decide"
    return f"{escape_hidden_characters(role)} ({members})"


def _is_decision_missing(request: Request, person: Person, people: People) -> bool:
    """Return whether the person may decide and has not decided yet."""
    address = person_address(person.key)
    if not may_decide(person, request.terms) or address in request.approvers:
        return False
    if request.kind == "question" or request.terms.requester_may_approve:
        return True
    return not any(is_same_person(address, requester, people) for requester in request.all_requesters)


def _describe_deadline(request: Request, now: datetime) -> str:
    if request.is_kept_open:
        return ""
    time_format = "%H:%M" if request.expires_at.date() == now.date() else "%Y-%m-%d %H:%M"
    return f", until {request.expires_at:{time_format}} UTC"


def _is_expired(request: Request, now: datetime) -> bool:
    return not request.is_kept_open and now >= request.expires_at


def _describe_choices(request: Request) -> str:
    choices: Iterable[str] = allowed_choices(request)
    return f" Answer with one of: {', '.join(map(escape_hidden_characters, choices))}." if choices else ""


def _append_instructions(text: str, instructions: str) -> str:
    return f"{text}; {instructions}." if instructions else f"{text}."
