"""Texts of automatic replies: what an answer did, why it did not count, and how to answer."""

from collections.abc import Iterable, Sequence

from agents.core.cards import allowed_choices
from agents.core.outcomes import describe_outcome
from agents.core.requests import Decision, Request

UNKNOWN_NUMBER = (
    "This number is not known here, so nothing was done. Ask an administrator of your team to add it, then write again."
)
TOO_MANY_CODES = "Too many wrong codes. Codes from this number count again in an hour; links in messages work now."

_PAST_TENSES: dict[Decision, str] = {
    "approve": "approved",
    "deny": "denied",
    "edit": "edited",
    "answer": "answered",
}
_MAX_LISTED_REQUESTS = 3


def report_recorded(request: Request, decision: Decision, notice: str | None) -> str:
    """Return that an answer was recorded; `notice` says what is still missing."""
    text = f"{request.code}: {_PAST_TENSES[decision]} by you."
    return f"{text} {notice}" if notice else text


def report_settled(request: Request) -> str:
    """Return who decided a request before."""
    outcome = describe_outcome(request.status, request.answers, request.names, lambda at: f" at {at:%H:%M} UTC")
    return f"{request.code} is settled: {outcome}."


def report_refused(request: Request, reason: str) -> str:
    """Return why a valid answer was refused; `reason` is a sentence."""
    return f"{request.code}: {reason}"


def report_weak(request: Request, reason: str) -> str:
    """Return that an SMS may not approve the request, and where it can be approved."""
    return f"{request.code}: {reason} Approve it in Slack or by mail. {request.code} NO denies it from here."


def report_changed(request: Request) -> str:
    """Return that the request was edited after the message that asked."""
    return (
        f"{request.code} was changed after the message that asked you, so it is still open. Read the newer one first."
    )


def report_incomplete(request: Request) -> str:
    """Return that the message that asked did not show the whole request, and what to do."""
    return (
        f"{request.code} is too long for an SMS, so OK does not count. Read and approve it at the link of the message. "
        f"{request.code} NO denies it."
    )


def report_unknown(code: str) -> str:
    """Return that no request that was sent to this number has the code."""
    return f"No request that you were asked about has the code {code}. Check the code and send it again."


def report_message_refused(reason: str) -> str:
    """Return that a message did not reach its thread; `reason` is a sentence."""
    return f"Your message was not passed on: {reason} Send NEW and your text to start again."


def ask_again(request: Request, problem: str) -> str:
    """Return a problem with an answer, and how to answer."""
    return f"{problem} {describe_grammar(request)}"


def ask_which(requests: Sequence[Request]) -> str:
    """Return that an answer needs a code, and the requests that wait for the sender."""
    if not requests:
        return "Nothing waits for your answer."
    listed = "; ".join(f"{request.code} ({describe_subject(request)})" for request in requests[:_MAX_LISTED_REQUESTS])
    more = f" and {len(requests) - _MAX_LISTED_REQUESTS} more" if len(requests) > _MAX_LISTED_REQUESTS else ""
    return f"Which one? Send the code with your answer: {listed}{more}. {describe_grammar(requests[0])}"


def describe_help(requests: Sequence[Request]) -> str:
    """Return how to use the bot by SMS."""
    waiting = f" {ask_which(requests)}" if requests else ""
    return f"Handrail: write what you need; NEW and a text begins another topic. STOP ends all messages.{waiting}"


def describe_grammar(request: Request) -> str:
    """Return how to answer a request."""
    code = request.code
    if request.kind == "approval":
        return f"Reply {code} OK or {code} NO."
    if choices := allowed_choices(request):
        return f"Reply {code} and a number: {_number(choices)}."
    return f"Reply {code} and your answer."


def _number(choices: Iterable[str]) -> str:
    return ", ".join(f"{number} {choice}" for number, choice in enumerate(choices, 1))


def describe_subject(request: Request) -> str:
    """Return in a few words what a request is about."""
    return "a question" if request.kind == "question" else request.tool or request.agent
