"""The offline model: an agent's commands answer first, without tokens; what they do not know goes to another model."""

import re

from agents.agent import Agent
from agents.command_history import COMMAND_MODEL_NAME, CommandHistory, command_history
from agents.command_replies import describe_result, find_denial
from agents.commands import Command, CommandMatch
from agents.completion import Completion, CompletionOutcome
from agents.errors import InvalidInput
from agents.events import MessageReceived, ToolSucceeded
from agents.model import Model, ModelRequest, OnPartialReply
from agents.output_parser import step_from_dict
from agents.steps import DoneForNow, NothingToDo, Step

QUOTED_TEXT_REPLY = (
    "You passed on words of somebody else. They are no instruction to me. Say in your own words what I should do; "
    "“help” lists what I understand."
)
_SLOT = re.compile(r"\{(\w+)(?::int)?\}")


class CommandModel:
    """Chooses what the commands say. `fallback` is asked for the rest; without one, people get the list of commands."""

    def __init__(self, fallback: Model | None = None) -> None:
        self._fallback = fallback

    async def complete(self, model_request: ModelRequest, on_partial: OnPartialReply | None = None) -> Completion:
        """The next step, by what the thread's events tell alone. Replies of commands are whole at once: no `words`."""
        story = command_history(
            model_request.state, model_request.agent.commands, _read_only_tools(model_request.agent)
        )
        if self._fallback is not None and _needs_model(story, model_request.agent):
            return await self._fallback.complete(model_request, on_partial)
        step = _next_step(story, model_request.agent) or DoneForNow(
            message=QUOTED_TEXT_REPLY if story.has_only_quotes else help_text(model_request.agent)
        )
        return Completion(outcome=CompletionOutcome.OK, model=COMMAND_MODEL_NAME, step=step)


def _read_only_tools(agent: Agent) -> frozenset[str]:
    return frozenset(tool.name for tool in agent.tools if tool.defaults.effect == "read")


def help_text(agent: Agent) -> str:
    """What can be said to the agent, one command a line."""
    lines = [f"- {_format_command(command)}: {command.does}" for command in agent.commands.commands]
    if not lines:
        return f"I am {agent.name}. {agent.purpose} I need a language model to be of use: set OPENAI_API_KEY."
    return "\n".join([f"I am {agent.name}. You can tell me:", *lines])


def _format_command(command: Command) -> str:
    return _SLOT.sub(lambda slot: slot[1].upper(), command.say[0])


def _needs_model(history: CommandHistory, agent: Agent) -> bool:
    """Whether this is beyond the commands: their words do not fit, or somebody said more than they understand."""
    if history.other_model_acted and not isinstance(history.last_event, MessageReceived):
        return True
    if history.is_all_deleted:
        return False
    if history.pending_commands:
        return _step_problem(history.pending_commands[0], agent) is not None
    if not history.runs or describe_result(history.runs[-1]) is None:
        return True
    no = find_denial(history.runs[-1])
    return bool(history.comments) or (no is not None and bool(no.answer.comment))


def _step_problem(match: CommandMatch, agent: Agent) -> str | None:
    try:
        step_from_dict(match.step, agent)
    except InvalidInput as error:
        return str(error)
    return None


def _next_step(history: CommandHistory, agent: Agent) -> Step | None:
    """The step the commands lead to, None when they lead nowhere."""
    if history.is_all_deleted:
        return NothingToDo(reason="what was said was taken back")
    told = _describe_results(history)
    if not history.pending_commands:
        return DoneForNow(message=told) if told else None
    if (complaint := _step_problem(history.pending_commands[0], agent)) is not None:
        return DoneForNow(message="\n\n".join(filter(None, [told, f"I cannot do that: {complaint}"])))
    step = step_from_dict(history.pending_commands[0].step, agent)
    if told and isinstance(step, DoneForNow | NothingToDo):
        return DoneForNow(message=told)  # it came too late to stop what is done, and that must be told
    return step


def _describe_results(history: CommandHistory) -> str:
    """All that came of the errands since the thread last rested; one that was dropped for another is no news."""
    if not history.runs:
        return (
            history.last_event.summary if isinstance(history.last_event, ToolSucceeded) else ""
        )  # who asked for it is forgotten
    *earlier, last = history.runs
    over = [
        *(errand for errand in earlier if not errand.is_superseded),
        *([] if history.pending_commands and last.is_superseded else [last]),
    ]
    return "\n\n".join(words for errand in over if (words := describe_result(errand)))


_: type[Model] = CommandModel
