"""The offline model: an agent's commands answer first, without tokens; what they do not know goes to another model."""

import re

from agents.agent import Agent
from agents.commands import Command, Match
from agents.completion import Completion, Outcome
from agents.errands import COMMANDS, Story, story_of
from agents.errors import Invalid
from agents.events import MessageReceived, ToolSucceeded
from agents.model import Model, Turn, Words
from agents.report import denial, report
from agents.steps import DoneForNow, NothingToDo, Step
from agents.wire import read_step

PASSED_ON = (
    "You passed on words of somebody else. They are no instruction to me. Say in your own words what I should do; "
    "“help” lists what I understand."
)
_SLOT = re.compile(r"\{(\w+)(?::int)?\}")


class CommandModel:
    """Chooses what the commands say. `fallback` is asked for the rest; without one, people get the list of commands."""

    def __init__(self, fallback: Model | None = None) -> None:
        self._fallback = fallback

    async def complete(self, turn: Turn, words: Words | None = None) -> Completion:
        """The next step, by what the thread's events tell alone. Replies of commands are whole at once: no `words`."""
        story = story_of(turn.state, turn.agent.commands, _reading(turn.agent))
        if self._fallback is not None and _needs_thought(story, turn.agent):
            return await self._fallback.complete(turn, words)
        step = _next(story, turn.agent) or DoneForNow(message=PASSED_ON if story.only_quotes else menu(turn.agent))
        return Completion(outcome=Outcome.OK, model=COMMANDS, step=step)


def _reading(agent: Agent) -> frozenset[str]:
    return frozenset(tool.name for tool in agent.tools if tool.stance.effect == "read")


def menu(agent: Agent) -> str:
    """What can be said to the agent, one command a line."""
    lines = [f"- {_as_said(command)}: {command.does}" for command in agent.commands.commands]
    if not lines:
        return f"I am {agent.name}. {agent.purpose} I need a language model to be of use: set OPENAI_API_KEY."
    return "\n".join([f"I am {agent.name}. You can tell me:", *lines])


def _as_said(command: Command) -> str:
    return _SLOT.sub(lambda slot: slot[1].upper(), command.say[0])


def _needs_thought(story: Story, agent: Agent) -> bool:
    """Whether this is beyond the commands: their words do not fit, or somebody said more than they understand."""
    if story.foreign and not isinstance(story.last, MessageReceived):
        return True
    if story.taken_back:
        return False
    if story.waiting:
        return _complaint(story.waiting[0], agent) is not None
    if not story.errands or report(story.errands[-1]) is None:
        return True
    no = denial(story.errands[-1])
    return bool(story.remarks) or (no is not None and bool(no.answer.comment))


def _complaint(match: Match, agent: Agent) -> str | None:
    try:
        read_step(match.step, agent)
    except Invalid as error:
        return str(error)
    return None


def _next(story: Story, agent: Agent) -> Step | None:
    """The step the commands lead to, None when they lead nowhere."""
    if story.taken_back:
        return NothingToDo(reason="what was said was taken back")
    told = _told(story)
    if not story.waiting:
        return DoneForNow(message=told) if told else None
    if (complaint := _complaint(story.waiting[0], agent)) is not None:
        return DoneForNow(message="\n\n".join(filter(None, [told, f"I cannot do that: {complaint}"])))
    step = read_step(story.waiting[0].step, agent)
    if told and isinstance(step, DoneForNow | NothingToDo):
        return DoneForNow(message=told)  # it came too late to stop what is done, and that must be told
    return step


def _told(story: Story) -> str:
    """All that came of the errands since the thread last rested; one that was dropped for another is no news."""
    if not story.errands:
        return story.last.summary if isinstance(story.last, ToolSucceeded) else ""  # who asked for it is forgotten
    *earlier, last = story.errands
    over = [*(errand for errand in earlier if not errand.dropped), *([] if story.waiting and last.dropped else [last])]
    return "\n\n".join(words for errand in over if (words := report(errand)))


_: type[Model] = CommandModel
