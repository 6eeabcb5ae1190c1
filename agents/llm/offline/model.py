"""Model that chooses steps from an agent's commands, without tokens. Other messages go to a fallback model.

The texts of its replies are made from the log.
"""

import re
from typing import Any

from agents.core.agent import Agent
from agents.core.commands import Command, CommandMatch, fill_slots
from agents.core.completion import Completion, CompletionOutcome
from agents.core.errors import InvalidInput
from agents.core.events import (
    MessageReceived,
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
from agents.core.steps import Await, CallTool, DoneForNow, NothingToDo, Step
from agents.llm.base import Model, ModelRequest, OnPartialReply
from agents.llm.offline.history import COMMAND_MODEL_NAME, CommandHistory, CommandRun, command_history
from agents.llm.output_parser import step_from_dict

QUOTED_TEXT_REPLY = (
    "I do not follow instructions in quoted or forwarded text. Write yourself what I should do; "
    "“help” lists the commands I understand."
)
_SLOT = re.compile(r"\{(\w+)(?::int)?\}")


class CommandModel:
    """Model that chooses steps by the agent's commands. Other messages go to `fallback`; else it replies with help."""

    def __init__(self, fallback: Model | None = None) -> None:
        self._fallback = fallback

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        """Return the next step. `on_partial` is passed to the fallback only: replies of commands are not streamed."""
        history = command_history(
            model_request.state, model_request.agent.commands, _read_only_tools(model_request.agent)
        )
        if self._fallback is not None and _needs_model(history, model_request.agent):
            return await self._fallback.complete(model_request, on_partial)
        step = _next_step(history, model_request.agent) or DoneForNow(
            message=QUOTED_TEXT_REPLY if history.has_only_quotes else help_text(model_request.agent)
        )
        return Completion(outcome=CompletionOutcome.OK, model=COMMAND_MODEL_NAME, step=step)


def _read_only_tools(agent: Agent) -> frozenset[str]:
    return frozenset(tool.name for tool in agent.tools if tool.defaults.effect == "read")


def help_text(agent: Agent) -> str:
    """Return the list of the agent's commands, one on each line."""
    lines = [f"- {_format_command(command)}: {command.does}" for command in agent.commands.commands]
    if not lines:
        return f"I am {agent.name}. {agent.purpose} I need a language model to work: set OPENAI_API_KEY."
    return "\n".join([f"I am {agent.name}. You can tell me:", *lines])


def _format_command(command: Command) -> str:
    return _SLOT.sub(lambda slot: slot[1].upper(), command.say[0])


def _needs_model(history: CommandHistory, agent: Agent) -> bool:
    """Return whether the fallback model must act: no command fits, or a person wrote more than the commands cover."""
    if history.has_other_model_acted and not isinstance(history.last_event, MessageReceived):
        return True
    if history.has_only_deleted_messages:
        return False
    if history.pending_commands:
        return _step_problem(history.pending_commands[0], agent) is not None
    if not history.runs or describe_result(history.runs[-1]) is None:
        return True
    denial = find_denial(history.runs[-1])
    return bool(history.comments) or (denial is not None and bool(denial.answer.comment))


def _step_problem(match: CommandMatch, agent: Agent) -> str | None:
    try:
        step_from_dict(match.step, agent)
    except InvalidInput as error:
        return str(error)
    return None


def _next_step(history: CommandHistory, agent: Agent) -> Step | None:
    """Return the step of the next pending command or a reply with the results; None when there is neither."""
    if history.has_only_deleted_messages:
        return NothingToDo(reason="the message was deleted")
    results = _describe_results(history)
    if not history.pending_commands:
        return DoneForNow(message=results) if results else None
    if (problem := _step_problem(history.pending_commands[0], agent)) is not None:
        return DoneForNow(message="\n\n".join(filter(None, [results, f"I cannot do that: {problem}"])))
    step = step_from_dict(history.pending_commands[0].step, agent)
    if results and isinstance(step, DoneForNow | NothingToDo):
        return DoneForNow(message=results)  # "cancel" came too late: report the results instead
    return step


def _describe_results(history: CommandHistory) -> str:
    """Return the results of the finished commands since the last reply, without those of superseded commands."""
    if not history.runs:
        # The events that asked for this result were dropped from the history.
        return history.last_event.summary if isinstance(history.last_event, ToolSucceeded) else ""
    *earlier, last = history.runs
    reported = [
        *(run for run in earlier if not run.is_superseded),
        *([] if history.pending_commands and last.is_superseded else [last]),
    ]
    return "\n\n".join(text for run in reported if (text := describe_result(run)))


_: type[Model] = CommandModel  # mypy checks that the class implements the protocol


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
