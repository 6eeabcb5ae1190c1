"""The line for a person who writes while a request is open: who can decide it, until when, and how."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from agents.addresses import ENGINE, person
from agents.cards import choices_of
from agents.errors import AlreadySettled, InvalidAnswer
from agents.events import NoticeGiven
from agents.judge import eligible, judge, same_person
from agents.messages import Assurance, Heard
from agents.people import People, Person
from agents.requests import Answer, Request
from agents.state import ThreadState
from agents.visible import visible

HowTo = Callable[[Request], str]
"""How a person answers a request where the message came from, in words; empty where there is no way to."""

NOTICE_INTERVAL = timedelta(seconds=5)
"""Within this time the same line is not sent again to a shared place."""

MAX_NAMED = 10
CONSENTS = frozenset(
    {"approve", "approved", "confirm", "confirmed", "fine", "go", "granted", "lgtm", "ok", "okay", "sure", "yeah"}
    | {"yep", "yes", "👍", "✅", "+1"}
)
_NEVER = " A message never approves."
_WORDS = re.compile(r"[^\s,.!:;]+")


def pending_notice(
    state: ThreadState, heard: Heard, people: People, how_to: HowTo, *, is_shared: bool = False
) -> tuple[NoticeGiven, ...]:
    """Return the line for the writer of a message that left the open request as it was.

    A place that is shared with people who talk to each other is not told the same again within seconds.
    """
    request = state.request
    if request is None or _is_over(request, heard.at):
        return ()
    text = describe_pending(request, people, heard, how_to(request))
    notice = NoticeGiven(at=heard.at, actor=ENGINE, text=text, to=heard.source)
    return () if is_shared and _is_repeated(notice, state.last_notice) else (notice,)


def _is_repeated(notice: NoticeGiven, last: NoticeGiven | None) -> bool:
    if last is None or (last.to, last.text) != (notice.to, notice.text):
        return False
    return notice.at - last.at < NOTICE_INTERVAL


def describe_pending(request: Request, people: People, heard: Heard, how: str) -> str:
    """Return who can still decide, how many are missing, until when, and how to answer."""
    if request.kind == "question":
        return _describe_question(request, people, heard, how)
    approved = f"{len(request.approvers)} of {request.ask.quorum}"
    told = f"{request.code} still waits for {who_can_decide(request, people)}, {approved}{_until(request, heard.at)}"
    return _with(told, how) + (_NEVER if consents(heard.text) else "")


def who_can_decide(request: Request, people: People) -> str:
    """Return the roles and people that can still decide a request, by the names of those who have not."""
    ask = request.ask
    told = ["anyone known here"] if "*" in ask.roles else [_role(request, role, people) for role in ask.roles]
    named = [who for key in ask.people if (who := people.get(person(key))) is not None]
    told += [visible(who.name) for who in named if _is_missing(request, who, people)]
    return " or ".join(told) or "an approval that no person here can give"


def consents(text: str) -> bool:
    """Return whether a message sounds as if it approved something."""
    words = _WORDS.findall(text.lower()[:200])
    return bool(words) and (words[0] in CONSENTS or "approve" in words)


def _describe_question(request: Request, people: People, heard: Heard, how: str) -> str:
    until = _until(request, heard.at)
    told = f"{request.code} still waits for {_answerers(request, people)}{until}"
    if request.purpose == "outcome":
        return _with(f"{told}; a message does not answer this one", how) + _choices(request)
    if _may_answer(request, people, heard):
        return f"{request.code} still waits for an answer{until}.{_choices(request)}"
    return _with(told, how) + _choices(request)


def _answerers(request: Request, people: People) -> str:
    told = [people.name_of(request.requester)]
    if request.ask.roles or request.ask.people:
        told.append(who_can_decide(request, people))
    return " or ".join(told)


def _may_answer(request: Request, people: People, heard: Heard) -> bool:
    tried = Answer(
        by=heard.by,
        entered_by=heard.entered_by,
        channel=heard.source,
        assurance=Assurance.MEDIUM,
        decision="answer",
        text=heard.text,
    )
    try:
        return judge(request, tried, people=people, now=heard.at).given.counted
    except InvalidAnswer:  # the right to answer is judged before the answer
        return True
    except AlreadySettled:
        return False


def _role(request: Request, role: str, people: People) -> str:
    names = [visible(who.name) for who in people.with_role(role) if _is_missing(request, who, people)]
    more = [f"{len(names) - MAX_NAMED} more"] if len(names) > MAX_NAMED else []
    inside = ", ".join([*names[:MAX_NAMED], *more]) or "no person who can"
    return f"{visible(role)} ({inside})"


def _is_missing(request: Request, who: Person, people: People) -> bool:
    """Return whether the person may decide and has not."""
    own = person(who.key)
    if not eligible(who, request.ask) or own in request.approvers:
        return False
    if request.kind == "question" or request.ask.requester_may_approve:
        return True
    return not any(same_person(own, asked, people) for asked in request.asked_by)


def _until(request: Request, now: datetime) -> str:
    if request.held:
        return ""
    form = "%H:%M" if request.expires_at.date() == now.date() else "%Y-%m-%d %H:%M"
    return f", until {request.expires_at:{form}} UTC"


def _is_over(request: Request, now: datetime) -> bool:
    return not request.held and now >= request.expires_at


def _choices(request: Request) -> str:
    choices: Iterable[str] = choices_of(request)
    return f" Answer with one of: {', '.join(map(visible, choices))}." if choices else ""


def _with(told: str, how: str) -> str:
    return f"{told}; {how}." if how else f"{told}."
