"""Model that chooses steps from an agent's commands, without tokens. Other messages go to a fallback model."""

import re

from agents.core.agent import Agent
from agents.core.commands import Command, CommandMatch
from agents.core.completion import Completion, CompletionOutcome
from agents.core.errors import InvalidInput
from agents.core.events import MessageReceived, ToolSucceeded
from agents.core.steps import DoneForNow, NothingToDo, Step
from agents.llm.base import Model, ModelRequest, OnPartialReply
from agents.llm.offline.history import COMMAND_MODEL_NAME, CommandHistory, command_history
from agents.llm.offline.replies import describe_result, find_denial
from agents.llm.output_parser import step_from_dict

QUOTED_TEXT_REPLY = (
    "I do not follow instructions in quoted or forwarded text. Write yourself what I should do; "
    "“help” lists the commands I understand."
)
_SLOT = re.compile(r"\{(\w+)(?::int)?\}")


class CommandModel:
    """Choose steps by the agent's commands. Other messages go to `fallback`; without one, reply with the help text."""

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
