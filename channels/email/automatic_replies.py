"""Texts and limits of automatic replies: confirmations, refusals and questions back, one reply for one mail.

No line of a reply is a verdict: examples stand between typographic quotation marks, which the grammar does not accept,
so that a quoted copy decides nothing. The limit keys say how often a person gets such a reply: once for each mail,
three times a day for each settled request, and once for each request whose answers were not understood.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from agents.core.cards import allowed_choices
from agents.core.outcomes import describe_outcome
from agents.core.requests import Decision, Request
from agents.core.visible_text import escape_hidden_characters
from channels.email.correspondence import ReceivedMail
from channels.stored_input import InputReply, ThreadContext

_PAST_TENSES: dict[Decision, str] = {
    "approve": "approved",
    "deny": "denied",
    "edit": "edited",
    "answer": "answered",
}
_MAX_SETTLED_REPLIES_PER_DAY = 3
_MAX_LISTED_REQUESTS = 10

ReportKind = Literal["recorded", "settled", "question"]


@dataclass(frozen=True)
class AnswerReport:
    """Report to a person about one verdict: recorded or refused, settled before, or a question back.

    `subject` is the id of the request, with a suffix that distinguishes this report from others about it.
    """

    kind: ReportKind
    text: str
    subject: str = ""
    thread_id: str | None = None


def compose_reply(received: ReceivedMail, reports: Sequence[AnswerReport]) -> InputReply | None:
    """Return one reply for all reports about a mail, None without any."""
    if not reports:
        return None
    parsed = received.parsed
    thread_ids = {report.thread_id for report in reports if report.thread_id is not None}
    references = (*parsed.references, *((parsed.message_id,) if parsed.message_id else ()))
    thread_id = thread_ids.pop() if len(thread_ids) == 1 else ""
    return InputReply(
        to=received.address,
        text="\n\n".join(dict.fromkeys(report.text for report in reports)),
        limit_key=_limit_key(received, reports),
        max_count=_MAX_SETTLED_REPLIES_PER_DAY if _only_settled(reports) else 1,
        context=ThreadContext(thread_id, parsed.subject or None, references),
    )


def _limit_key(received: ReceivedMail, reports: Sequence[AnswerReport]) -> str:
    """Return the key of the report that may be sent most often; the keys of questions back never change."""
    by_kind = {report.kind: report for report in reversed(reports)}
    if "recorded" in by_kind:
        return received.key
    if settled := by_kind.get("settled"):
        return _digest("settled", settled.subject, received.address, f"{received.arrived_at:%Y-%m-%d}")
    return _digest("ask", by_kind["question"].subject, received.address)


def _only_settled(reports: Sequence[AnswerReport]) -> bool:
    """Return whether the limit key of the reply is that of a settled request."""
    kinds = {report.kind for report in reports}
    return "recorded" not in kinds and "settled" in kinds


def _digest(kind: str, *parts: str) -> str:
    return f"{kind}:{sha256(chr(0).join(parts).encode()).hexdigest()[:40]}"


def report_recorded(request: Request, decision: Decision, notice: str | None) -> AnswerReport:
    """Report that an answer was recorded; `notice` says what is still missing."""
    name = f"{request.code} ({request.tool})" if request.tool else request.code
    text = f"Recorded for {name}: {_PAST_TENSES[decision]} by you."
    return AnswerReport("recorded", f"{text} {notice}" if notice else text, request.id, request.thread_id)


def report_settled(request: Request) -> AnswerReport:
    """Report who decided a request before."""
    outcome = describe_outcome(request.status, request.answers, request.names, lambda at: f" at {at:%H:%M} UTC")
    return AnswerReport("settled", f"{request.code} is settled: {outcome}.", request.id, request.thread_id)


def report_refused(request: Request, reason: str) -> AnswerReport:
    """Report that a valid answer was refused, with the reason as a sentence."""
    return AnswerReport("recorded", f"{request.code}: {reason}", request.id, request.thread_id)


def report_weak(request: Request, reason: str) -> AnswerReport:
    """Report that mail may not approve a request, and where it can be approved."""
    text = (
        f"{request.code}: {reason} Approve it with a click in Slack, or reply with “DENY {request.code}” on a line of "
        "its own."
    )
    return AnswerReport("recorded", text, request.id, request.thread_id)


def ask_for_token(request: Request) -> AnswerReport:
    """Ask to reply to the mail with the card, because the answer came without the token of that mail."""
    text = (
        f"{request.code} was not approved, because your mail is not a reply to the mail that asked you about it. Reply "
        f"to that mail or use its link. A reply with “DENY {request.code}” on a line of its own works from here too."
    )
    return AnswerReport("question", text, f"{request.id}:token", request.thread_id)


def report_incomplete(request: Request) -> AnswerReport:
    """Report that the mail did not show the whole request, so that a reply to it does not approve."""
    text = (
        f"{request.code} was not approved, because the mail that you answered does not show all of it. Read and "
        f"approve it at its link. A reply with “DENY {request.code}” on a line of its own works from here too."
    )
    return AnswerReport("question", text, f"{request.id}:whole", request.thread_id)


def report_changed(request: Request) -> AnswerReport:
    """Report that the request was edited after the mail that was answered."""
    text = f"{request.code} was changed after the mail that you answered; reply to the newer mail, which shows it."
    return AnswerReport("question", text, f"{request.id}:{request.digest[:8]}", request.thread_id)


def ask_again(request: Request, problem: str) -> AnswerReport:
    """Ask to answer a request again, with the exact words."""
    text = f"{problem} {request.code} is still open. {describe_grammar(request)}"
    return AnswerReport("question", text, request.id, request.thread_id)


def ask_for_code(requests: Iterable[Request]) -> AnswerReport:
    """Ask for the code of a verdict without one. `requests` are those that the person may decide."""
    listed = tuple(requests)[:_MAX_LISTED_REQUESTS]
    lines = [f"{request.code}: {_describe(request)}. {describe_grammar(request)}" for request in listed]
    text = "\n\n".join(["Your mail decided nothing, because a verdict needs the code of its request.", *lines])
    return AnswerReport("question", text, ",".join(sorted(request.id for request in listed)))


def report_unknown(code: str) -> AnswerReport:
    """Report that no request that the sender may see has this code."""
    return AnswerReport("question", f"There is no request {code} that you can decide.", f"unknown:{code}")


def describe_grammar(request: Request) -> str:
    """Return how to answer a request by mail, with examples that are no verdicts themselves."""
    code = request.code
    if request.kind == "approval":
        edit = f", “EDIT {code} name=value”" if request.purpose == "tool" else ""
        return (
            f"Reply with “APPROVE {code}”{edit} or “DENY {code}” and your reason, on a line of its own above the "
            "quoted text."
        )
    if choices := allowed_choices(request):
        numbered = ", ".join(f"{n} for {escape_hidden_characters(choice)}" for n, choice in enumerate(choices, 1))
        return f"Reply with “ANSWER {code}” and a number on a line of its own: {numbered}."
    return f"Reply with “ANSWER {code}” and your text on a line of its own."


def _describe(request: Request) -> str:
    if request.kind == "question":
        return "a question"
    return f"{request.agent} wants to run {request.tool}" if request.tool else f"an approval for {request.agent}"


def report_message_refused(reason: str, thread_id: str | None) -> AnswerReport:
    """Report that a message did not reach its thread."""
    text = f"Your mail was not passed on: {reason} Write a new mail to start again."
    return AnswerReport("recorded", text, thread_id or "", thread_id)
