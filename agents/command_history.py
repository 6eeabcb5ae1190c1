"""Errands: what an agent's commands were told to do in a thread, and what came of it, read from its events alone."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise

from agents.addresses import ENGINE
from agents.agent_context import agent_context, mark_own_events
from agents.commands import CommandMatch, Commands, fill_slots
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
from agents.state import HistoryEvent, ThreadState
from agents.steps import NothingToDo, RequestHumanInput, Step

COMMAND_MODEL_NAME = "commands"
"""The name under which the steps of commands stand in the log."""


@dataclass(frozen=True)
class CommandRun:
    """A step the commands chose, and all that happened since. `match` is None when what was said is forgotten."""

    step: Step
    match: CommandMatch | None
    events: tuple[HistoryEvent, ...] = ()

    @property
    def is_superseded(self) -> bool:
        """Another instruction took its place."""
        return any(isinstance(event, RequestSuperseded) for event in self.events)


@dataclass(frozen=True)
class UnhandledMessage:
    """What was said and nobody has acted upon: a command, or a remark when `match` is None. `ref` names its message.

    `is_quoted` tells that somebody else's words were passed on.
    """

    match: CommandMatch | None
    ref: str | None = None
    is_quoted: bool = False


@dataclass(frozen=True)
class CommandHistory:
    """A thread since it last rested, or since the agent at work was asked by another one, as that agent knows it.

    `said` holds commands nobody has acted upon, and remarks since the last step, as people last put them.
    `last` is what happened last; `foreign` tells that another model chose the last step.
    """

    runs: tuple[CommandRun, ...] = ()
    unhandled: tuple[UnhandledMessage, ...] = ()
    last_event: HistoryEvent | None = None
    other_model_acted: bool = False

    @property
    def pending_commands(self) -> tuple[CommandMatch, ...]:
        """The commands among what was said."""
        return tuple(said.match for said in self.unhandled if said.match is not None)

    @property
    def comments(self) -> tuple[UnhandledMessage, ...]:
        """The rest of it."""
        return tuple(said for said in self.unhandled if said.match is None)

    @property
    def has_only_quotes(self) -> bool:
        """Whether all that was said are words of others, which are no instruction."""
        return bool(self.unhandled) and all(said.is_quoted and said.match is None for said in self.unhandled)

    @property
    def is_all_deleted(self) -> bool:
        """Whether all that was said was deleted before anybody acted upon it."""
        return isinstance(self.last_event, MessageDeleted) and not (
            self.unhandled or self.runs or self.other_model_acted
        )


def command_history(state: ThreadState, commands: Commands, read_only_tools: Container[str] = ()) -> CommandHistory:
    """The story the thread tells to the agent at work, who understands these commands.

    `reading` are the tools that only read: commands in words that were passed on count for no other tool.
    """
    scope = agent_context(state)
    events = _own_events(scope.since)
    own = _drop_prefetched_calls(
        _drop_messages_used_as_answers(events if state.delegations else _events_since_rest(events))
    )
    begun = (
        _history_of_delegation(state.delegations[-1].message, commands)
        if state.delegations and scope.before
        else CommandHistory()
    )
    return reduce(
        lambda story, event: replace(_apply_event(story, event, commands, read_only_tools), last_event=event),
        own,
        begun,
    )


def _own_events(events: tuple[HistoryEvent, ...]) -> tuple[HistoryEvent, ...]:
    """The agent's own events, and what people made of messages while another one was at work."""
    return tuple(e for e, own in mark_own_events(events) if own or isinstance(e, MessageEdited | MessageDeleted))


def _history_of_delegation(message: str, commands: Commands) -> CommandHistory:
    """An asked agent begins with what it was asked. Once that is forgotten, it has long begun."""
    return CommandHistory(unhandled=(UnhandledMessage(commands.match(message)),))


def _events_since_rest(history: tuple[HistoryEvent, ...]) -> tuple[HistoryEvent, ...]:
    rests = (i for i, event in enumerate(history) if _ends_work(event))
    return history[max(rests, default=-1) + 1 :]


def _ends_work(event: HistoryEvent) -> bool:
    """Whether people were told how it stands, or need not be: what happened before is over."""
    quiet = isinstance(event, StepChosen) and isinstance(event.step, NothingToDo)
    replied = isinstance(event, ReplyChosen) and event.actor != ENGINE  # else it only says how things stand
    return quiet or replied or isinstance(event, ThreadForked)


def _drop_messages_used_as_answers(events: tuple[HistoryEvent, ...]) -> Iterator[HistoryEvent]:
    """A message that answered a question is in the log twice; it counts as the answer only."""
    for event, following in pairwise((*events, None)):
        if event is not None and not (isinstance(event, MessageReceived) and _is_same_answer(following, event)):
            yield event


def _is_same_answer(event: HistoryEvent | None, message: MessageReceived) -> bool:
    return isinstance(event, RequestAnswered) and (event.at, event.actor) == (message.at, message.actor)


def _drop_prefetched_calls(events: Iterable[HistoryEvent]) -> Iterator[HistoryEvent]:
    """What was looked up beforehand is no errand of anybody's."""
    prefetched: set[str] = set()
    for event in events:
        if isinstance(event, ToolCalled) and event.prefetched:
            prefetched.add(event.call_id)
        if getattr(event, "call_id", None) not in prefetched:
            yield event


def _apply_event(
    history: CommandHistory, event: HistoryEvent, commands: Commands, read_only_tools: Container[str]
) -> CommandHistory:
    match event:
        case MessageReceived():
            said = (
                _to_unhandled(event, commands)
                if event.author is None
                else _to_unhandled_quote(event, commands, read_only_tools)
            )
            return replace(history, unhandled=(*history.unhandled, said))
        case MessageEdited():
            return replace(history, unhandled=_apply_edit(history, event, commands))
        case MessageDeleted():
            return replace(history, unhandled=tuple(said for said in history.unhandled if said.ref != event.ref))
        case StepChosen():
            return _apply_step(history, event)
        case RequestAnswered():
            return _apply_answer(_append_to_last_run(history, event), event, commands)
        case _:
            return _append_to_last_run(history, event)


def _to_unhandled(event: MessageReceived | MessageEdited, commands: Commands) -> UnhandledMessage:
    return UnhandledMessage(commands.match(event.text), event.ref)


def _to_unhandled_quote(
    event: MessageReceived, commands: Commands, read_only_tools: Container[str]
) -> UnhandledMessage:
    match = commands.match(event.text)
    reads = match is not None and match.step.get("intent") in read_only_tools
    return UnhandledMessage(match if reads else None, event.ref, is_quoted=True)


def _apply_edit(history: CommandHistory, event: MessageEdited, commands: Commands) -> tuple[UnhandledMessage, ...]:
    """What was said, with the new text in its place.

    The new text of a message that was acted upon is a remark, and an instruction where it has superseded a request.
    """
    new = _to_unhandled(event, commands)
    if any(said.ref == event.ref for said in history.unhandled):
        return tuple(new if said.ref == event.ref else said for said in history.unhandled)
    return (
        *history.unhandled,
        new if isinstance(history.last_event, RequestSuperseded) else UnhandledMessage(match=None),
    )


def _apply_step(history: CommandHistory, event: StepChosen) -> CommandHistory:
    """Another model has seen all of it, so nothing is left for the commands to tell or to do."""
    if event.model != COMMAND_MODEL_NAME:
        return CommandHistory(other_model_acted=True)
    first, *rest = [said for said in history.unhandled if said.match] or [UnhandledMessage(match=None)]
    return CommandHistory(runs=(*history.runs, CommandRun(event.step, first.match)), unhandled=tuple(rest))


def _append_to_last_run(history: CommandHistory, event: HistoryEvent) -> CommandHistory:
    if not history.runs:
        return history
    *earlier, errand = history.runs
    return replace(history, runs=(*earlier, replace(errand, events=(*errand.events, event))))


def _apply_answer(history: CommandHistory, event: RequestAnswered, commands: Commands) -> CommandHistory:
    """An answer completes the command that asked; otherwise it may be a command itself."""
    if not event.answer.counted or event.answer.decision != "answer":
        return history
    said = event.answer.text or ""
    match = _complete_command(history, said, commands) or commands.match(said)
    return replace(history, unhandled=(UnhandledMessage(match), *history.unhandled)) if match else history


def _complete_command(history: CommandHistory, text: str, commands: Commands) -> CommandMatch | None:
    errand = history.runs[-1] if history.runs else None
    if errand is None or not isinstance(errand.step, RequestHumanInput):
        return None
    if errand.match is None or errand.match.command.answered is None:
        return None
    return commands.match(fill_slots(errand.match.command.answered, {**errand.match.values, "answer": text.strip()}))
