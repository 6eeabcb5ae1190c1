"""Texts of replies about commands, made from the log without a model."""

from typing import Any

from agents.core.commands import fill_slots
from agents.core.events import (
    RequestAnswered,
    RequestExpired,
    RequestSuperseded,
    TimerFired,
    ToolCalled,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolSucceeded,
)
from agents.core.people import name_in
from agents.core.requests import RETRY_CALL
from agents.core.state import HistoryEvent
from agents.core.steps import Await, CallTool
from agents.llm.offline.history import CommandRun

_EXPIRED_REPLY = "The request expired without an answer, so nothing was done. Ask again if you still want it."
_SUPERSEDED_REPLY = "I withdrew the request; nothing was done."


def describe_result(run: CommandRun) -> str | None:
    """Return a text for the first event that ended the command; None while it is running."""
    texts = (_describe_event(run, event) for event in run.events)
    return next((text for text in texts if text is not None), None)


def find_denial(run: CommandRun) -> RequestAnswered | None:
    """Return the answer that denied the command's request; None when it was not denied."""
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
        reason = answer.comment or answer.text
        return f"Not done: {name_in(event.names or {}, answer.by)} denied it" + (f": {reason}" if reason else ".")
    if event.status == "answered" and _is_outcome_unknown(run) and answer.text != RETRY_CALL:
        return f"{name_in(event.names or {}, answer.by)} checked {_tool_name(run)}: {answer.text}."
    return None


def _is_outcome_unknown(run: CommandRun) -> bool:
    return any(isinstance(event, ToolOutcomeUnknown) for event in run.events)


def _describe_unknown_outcome(run: CommandRun) -> str:
    return f"I cannot tell whether {_tool_name(run)} ran. Please check before you try again."


def _tool_name(run: CommandRun) -> str:
    return run.step.tool if isinstance(run.step, CallTool) else "it"


def _render_reply(run: CommandRun, summary: str, result: Any) -> str:
    """Fill the command's reply text with its slots, the final arguments, and the fields of the result."""
    if run.match is None:
        return summary
    fields = result if isinstance(result, dict) else {}
    plain_fields = {name: value for name, value in fields.items() if isinstance(value, str | int | float)}
    values = {**run.match.values, **_final_arguments(run), **plain_fields, "summary": summary}
    return str(fill_slots(run.match.command.reply, values))


def _final_arguments(run: CommandRun) -> dict[str, Any]:
    """Return the arguments with which the tool ran: preparation and approvers may have changed them."""
    arguments: dict[str, Any] = {}
    for event in run.events:
        if isinstance(event, ToolCalled | RequestAnswered):
            arguments |= event.arguments or {}
    return arguments
