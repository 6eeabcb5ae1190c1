"""What a person is told about an errand: said plainly, from the log, without any model."""

from typing import Any

from agents.commands import filled
from agents.errands import Errand
from agents.events import (
    RequestAnswered,
    RequestExpired,
    RequestSuperseded,
    TimerFired,
    ToolCalled,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from agents.people import name_in
from agents.requests import RUN_AGAIN
from agents.state import Remembered
from agents.steps import Await, CallTool

_NOBODY = "Nobody answered in time, so nothing was done: a timeout, not a refusal. Ask again if you want it."
_WITHDRAWN = "I withdrew that; nothing was done."


def report(errand: Errand) -> str | None:
    """How the errand ended: the first event that settles it, in words. None while it is not over."""
    told = (_told(errand, event) for event in errand.since)
    return next((words for words in told if words is not None), None)


def denial(errand: Errand) -> RequestAnswered | None:
    """The answer of the person who said no, if somebody did."""
    answers = (event for event in errand.since if isinstance(event, RequestAnswered))
    return next((event for event in answers if event.status == "denied"), None)


def _told(errand: Errand, event: Remembered) -> str | None:
    return _told_of_work(errand, event) or _told_of_people(errand, event)


def _told_of_work(errand: Errand, event: Remembered) -> str | None:
    match event:
        case ToolSucceeded():
            return _worded(errand, event.summary, event.result)
        case ToolFailed(retry_at=None):
            return f"That did not work: {event.error}"
        case ToolCalled() if event.verdict.answer == "deny":
            return f"I did not do that: {event.verdict.reason or event.verdict.rule}"
        case TimerFired() if isinstance(errand.step, Await):
            return _worded(errand, f"The wait is over: {errand.step.reason}", None)
        case _:
            return None


def _told_of_people(errand: Errand, event: Remembered) -> str | None:
    match event:
        case RequestAnswered():
            return _answered(errand, event)
        case RequestExpired() if event.on_expire != "hold":
            return _still_unknown(errand) if _in_doubt(errand) else _NOBODY
        case RequestSuperseded():
            return _still_unknown(errand) if _in_doubt(errand) else _WITHDRAWN
        case _:
            return None


def _answered(errand: Errand, event: RequestAnswered) -> str | None:
    answer = event.answer
    if event.status == "denied":
        why = answer.comment or answer.text
        return f"Not done: {name_in(event.names or {}, answer.by)} said no" + (f": {why}" if why else ".")
    if event.status == "answered" and _in_doubt(errand) and answer.text != RUN_AGAIN:
        return f"{name_in(event.names or {}, answer.by)} looked and says of {_tool(errand)}: {answer.text}."
    return None


def _in_doubt(errand: Errand) -> bool:
    return any(isinstance(event, ToolOutcomeUnknown) for event in errand.since)


def _still_unknown(errand: Errand) -> str:
    return f"I cannot tell whether {_tool(errand)} ran, and nobody could say. Please look before you try again."


def _tool(errand: Errand) -> str:
    return errand.step.tool if isinstance(errand.step, CallTool) else "it"


def _worded(errand: Errand, summary: str, result: Any) -> str:
    """The command's own words for its result: what was said, what was really used, what was found."""
    if errand.match is None:
        return summary
    found = result if isinstance(result, dict) else {}
    plain = {name: value for name, value in found.items() if isinstance(value, str | int | float)}
    values = {**errand.match.values, **_used(errand), **plain, "summary": summary}
    return str(filled(errand.match.command.reply, values))


def _used(errand: Errand) -> dict[str, Any]:
    """The arguments as they were when the tool ran: preparation and people may have changed them."""
    used: dict[str, Any] = {}
    for event in errand.since:
        if isinstance(event, ToolCalled | RequestAnswered):
            used |= event.arguments or {}
    return used
