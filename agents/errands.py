"""Errands: what an agent's commands were told to do in a thread, and what came of it, read from its events alone."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise

from agents.addresses import ENGINE
from agents.commands import Commands, Match, filled
from agents.events import (
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReplyChosen,
    RequestAnswered,
    RequestSuperseded,
    StepChosen,
    ThreadForked,
    ToolCalled,
)
from agents.scope import scope_of, told_apart
from agents.state import Remembered, ThreadState
from agents.steps import NothingToDo, RequestHumanInput, Step

COMMANDS = "commands"
"""The name under which the steps of commands stand in the log."""


@dataclass(frozen=True)
class Errand:
    """A step the commands chose, and all that happened since. `match` is None when what was said is forgotten."""

    step: Step
    match: Match | None
    since: tuple[Remembered, ...] = ()

    @property
    def dropped(self) -> bool:
        """Another instruction took its place."""
        return any(isinstance(event, RequestSuperseded) for event in self.since)


@dataclass(frozen=True)
class Said:
    """What was said and nobody has acted upon: a command, or a remark when `match` is None. `ref` names its message.

    `is_quoted` tells that somebody else's words were passed on.
    """

    match: Match | None
    ref: str | None = None
    is_quoted: bool = False


@dataclass(frozen=True)
class Story:
    """A thread since it last rested, or since the agent at work was asked by another one, as that agent knows it.

    `said` holds commands nobody has acted upon, and remarks since the last step, as people last put them.
    `last` is what happened last; `foreign` tells that another model chose the last step.
    """

    errands: tuple[Errand, ...] = ()
    said: tuple[Said, ...] = ()
    last: Remembered | None = None
    foreign: bool = False

    @property
    def waiting(self) -> tuple[Match, ...]:
        """The commands among what was said."""
        return tuple(said.match for said in self.said if said.match is not None)

    @property
    def remarks(self) -> tuple[Said, ...]:
        """The rest of it."""
        return tuple(said for said in self.said if said.match is None)

    @property
    def only_quotes(self) -> bool:
        """Whether all that was said are words of others, which are no instruction."""
        return bool(self.said) and all(said.is_quoted and said.match is None for said in self.said)

    @property
    def taken_back(self) -> bool:
        """Whether all that was said was deleted before anybody acted upon it."""
        return isinstance(self.last, MessageDeleted) and not (self.said or self.errands or self.foreign)


def story_of(state: ThreadState, commands: Commands, reading: Container[str] = ()) -> Story:
    """The story the thread tells to the agent at work, who understands these commands.

    `reading` are the tools that only read: commands in words that were passed on count for no other tool.
    """
    scope = scope_of(state)
    events = _known(scope.since)
    own = _without_prefetched(_without_answers_as_messages(events if state.asked else _since_rest(events)))
    begun = _asked(state.asked[-1].message, commands) if state.asked and scope.before else Story()
    return reduce(lambda story, event: replace(_continued(story, event, commands, reading), last=event), own, begun)


def _known(events: tuple[Remembered, ...]) -> tuple[Remembered, ...]:
    """The agent's own events, and what people made of messages while another one was at work."""
    return tuple(e for e, own in told_apart(events) if own or isinstance(e, MessageEdited | MessageDeleted))


def _asked(message: str, commands: Commands) -> Story:
    """An asked agent begins with what it was asked. Once that is forgotten, it has long begun."""
    return Story(said=(Said(commands.match(message)),))


def _since_rest(recent: tuple[Remembered, ...]) -> tuple[Remembered, ...]:
    rests = (i for i, event in enumerate(recent) if _rests(event))
    return recent[max(rests, default=-1) + 1 :]


def _rests(event: Remembered) -> bool:
    """Whether people were told how it stands, or need not be: what happened before is over."""
    quiet = isinstance(event, StepChosen) and isinstance(event.step, NothingToDo)
    replied = isinstance(event, ReplyChosen) and event.actor != ENGINE  # else it only says how things stand
    return quiet or replied or isinstance(event, ThreadForked)


def _without_answers_as_messages(events: tuple[Remembered, ...]) -> Iterator[Remembered]:
    """A message that answered a question is in the log twice; it counts as the answer only."""
    for event, following in pairwise((*events, None)):
        if event is not None and not (isinstance(event, MessageReceived) and _is_answer(following, event)):
            yield event


def _is_answer(event: Remembered | None, message: MessageReceived) -> bool:
    return isinstance(event, RequestAnswered) and (event.at, event.actor) == (message.at, message.actor)


def _without_prefetched(events: Iterable[Remembered]) -> Iterator[Remembered]:
    """What was looked up beforehand is no errand of anybody's."""
    prefetched: set[str] = set()
    for event in events:
        if isinstance(event, ToolCalled) and event.prefetched:
            prefetched.add(event.call_id)
        if getattr(event, "call_id", None) not in prefetched:
            yield event


def _continued(story: Story, event: Remembered, commands: Commands, reading: Container[str]) -> Story:
    match event:
        case MessageReceived():
            said = _heard(event, commands) if event.author is None else _quoted(event, commands, reading)
            return replace(story, said=(*story.said, said))
        case MessageEdited():
            return replace(story, said=_reworded(story, event, commands))
        case MessageDeleted():
            return replace(story, said=tuple(said for said in story.said if said.ref != event.ref))
        case StepChosen():
            return _stepped(story, event)
        case RequestAnswered():
            return _answered(_happened(story, event), event, commands)
        case _:
            return _happened(story, event)


def _heard(event: MessageReceived | MessageEdited, commands: Commands) -> Said:
    return Said(commands.match(event.text), event.ref)


def _quoted(event: MessageReceived, commands: Commands, reading: Container[str]) -> Said:
    match = commands.match(event.text)
    reads = match is not None and match.step.get("intent") in reading
    return Said(match if reads else None, event.ref, is_quoted=True)


def _reworded(story: Story, event: MessageEdited, commands: Commands) -> tuple[Said, ...]:
    """What was said, with the new text in its place.

    The new text of a message that was acted upon is a remark, and an instruction where it has superseded a request.
    """
    new = _heard(event, commands)
    if any(said.ref == event.ref for said in story.said):
        return tuple(new if said.ref == event.ref else said for said in story.said)
    return (*story.said, new if isinstance(story.last, RequestSuperseded) else Said(match=None))


def _stepped(story: Story, event: StepChosen) -> Story:
    """Another model has seen all of it, so nothing is left for the commands to tell or to do."""
    if event.model != COMMANDS:
        return Story(foreign=True)
    first, *rest = [said for said in story.said if said.match] or [Said(match=None)]
    return Story(errands=(*story.errands, Errand(event.step, first.match)), said=tuple(rest))


def _happened(story: Story, event: Remembered) -> Story:
    if not story.errands:
        return story
    *earlier, errand = story.errands
    return replace(story, errands=(*earlier, replace(errand, since=(*errand.since, event))))


def _answered(story: Story, event: RequestAnswered, commands: Commands) -> Story:
    """An answer completes the command that asked; otherwise it may be a command itself."""
    if not event.answer.counted or event.answer.decision != "answer":
        return story
    said = event.answer.text or ""
    match = _completed(story, said, commands) or commands.match(said)
    return replace(story, said=(Said(match), *story.said)) if match else story


def _completed(story: Story, said: str, commands: Commands) -> Match | None:
    errand = story.errands[-1] if story.errands else None
    if errand is None or not isinstance(errand.step, RequestHumanInput):
        return None
    if errand.match is None or errand.match.command.answered is None:
        return None
    return commands.match(filled(errand.match.command.answered, {**errand.match.values, "answer": said.strip()}))
