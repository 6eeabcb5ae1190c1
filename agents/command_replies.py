"""What a person is told about an errand: said plainly, from the log, without any model."""

from typing import Any

from agents.command_history import CommandRun
from agents.commands import fill_slots
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
from agents.requests import RETRY_CALL
from agents.state import HistoryEvent
from agents.steps import Await, CallTool

_EXPIRED_REPLY = "Nobody answered in time, so nothing was done: a timeout, not a refusal. Ask again if you want it."
_SUPERSEDED_REPLY = "I withdrew that; nothing was done."


def describe_result(run: CommandRun) -> str | None:
    """How the errand ended: the first event that settles it, in words. None while it is not over."""
    told = (_describe_event(run, event) for event in run.events)
    return next((words for words in told if words is not None), None)


def find_denial(run: CommandRun) -> RequestAnswered | None:
    """The answer of the person who said no, if somebody did."""
    answers = (event for event in run.events if isinstance(event, RequestAnswered))
    return next((event for event in answers if event.status == "denied"), None)


def _describe_event(run: CommandRun, event: HistoryEvent) -> str | None:
    return _describe_work_event(run, event) or _describe_request_event(run, event)


def _describe_work_event(run: CommandRun, event: HistoryEvent) -> str | None:
    match event:
        case ToolSucceeded():
            return _render_reply(run, event.summary, event.result)
        case ToolFailed(retry_at=None):
            return f"That did not work: {event.error}"
        case ToolCalled() if event.verdict.answer == "deny":
            return f"I did not do that: {event.verdict.reason or event.verdict.rule}"
        case TimerFired() if isinstance(run.step, Await):
            return _render_reply(run, f"The wait is over: {run.step.reason}", None)
        case _:
            return None


def _describe_request_event(run: CommandRun, event: HistoryEvent) -> str | None:
    match event:
        case RequestAnswered():
            return _describe_answer(run, event)
        case RequestExpired() if event.on_expire != "hold":
            return _describe_unknown_outcome(run) if _is_outcome_unknown(run) else _EXPIRED_REPLY
        case RequestSuperseded():
            return _describe_unknown_outcome(run) if _is_outcome_unknown(run) else _SUPERSEDED_REPLY
        case _:
            return None


def _describe_answer(run: CommandRun, event: RequestAnswered) -> str | None:
    answer = event.answer
    if event.status == "denied":
        why = answer.comment or answer.text
        return f"Not done: {name_in(event.names or {}, answer.by)} said no" + (f": {why}" if why else ".")
    if event.status == "answered" and _is_outcome_unknown(run) and answer.text != RETRY_CALL:
        return f"{name_in(event.names or {}, answer.by)} looked and says of {_tool_name(run)}: {answer.text}."
    return None


def _is_outcome_unknown(run: CommandRun) -> bool:
    return any(isinstance(event, ToolOutcomeUnknown) for event in run.events)


def _describe_unknown_outcome(run: CommandRun) -> str:
    return f"I cannot tell whether {_tool_name(run)} ran, and nobody could say. Please look before you try again."


def _tool_name(run: CommandRun) -> str:
    return run.step.tool if isinstance(run.step, CallTool) else "it"


def _render_reply(run: CommandRun, summary: str, result: Any) -> str:
    """The command's own words for its result: what was said, what was really used, what was found."""
    if run.match is None:
        return summary
    found = result if isinstance(result, dict) else {}
    plain = {name: value for name, value in found.items() if isinstance(value, str | int | float)}
    values = {**run.match.values, **_final_arguments(run), **plain, "summary": summary}
    return str(fill_slots(run.match.command.reply, values))


def _final_arguments(run: CommandRun) -> dict[str, Any]:
    """The arguments as they were when the tool ran: preparation and people may have changed them."""
    used: dict[str, Any] = {}
    for event in run.events:
        if isinstance(event, ToolCalled | RequestAnswered):
            used |= event.arguments or {}
    return used
