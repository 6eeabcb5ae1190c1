"""History of the commands that ran in a thread, computed from the thread's events."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise

from agents.core.agent import agent_context, mark_own_events
from agents.core.commands import CommandMatch, Commands, fill_slots
from agents.core.events import (
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
from agents.core.state import HistoryEvent, ThreadState
from agents.core.steps import NothingToDo, RequestHumanInput, Step
from agents.core.values import ENGINE

COMMAND_MODEL_NAME = "commands"
"""Value of `StepChosen.model` for steps that a command chose."""


@dataclass(frozen=True)
class CommandRun:
    """A step that a command chose, and the events after it. `match` is None when the message is no longer known."""

    step: Step
    match: CommandMatch | None
    events: tuple[HistoryEvent, ...] = ()

    @property
    def is_superseded(self) -> bool:
        """Whether another instruction replaced it."""
        return any(isinstance(event, RequestSuperseded) for event in self.events)


@dataclass(frozen=True)
class UnhandledMessage:
    """A message without a step yet: a command, or a comment when `match` is None. `ref` is the channel's id of it.

    `is_quoted` is true when a person forwarded the text of another author.
    """

    match: CommandMatch | None
    ref: str | None = None
    is_quoted: bool = False


@dataclass(frozen=True)
class CommandHistory:
    """The active agent's view of a thread since the last reply, or since another agent delegated to it.

    `unhandled` holds the commands without a step and the comments since the last step, with edits applied.
    `last_event` is the newest event. `has_other_model_acted` is true when a model chose the last step, not a command.
    """

    runs: tuple[CommandRun, ...] = ()
    unhandled: tuple[UnhandledMessage, ...] = ()
    last_event: HistoryEvent | None = None
    has_other_model_acted: bool = False

    @property
    def pending_commands(self) -> tuple[CommandMatch, ...]:
        """The commands among the unhandled messages."""
        return tuple(message.match for message in self.unhandled if message.match is not None)

    @property
    def comments(self) -> tuple[UnhandledMessage, ...]:
        """The unhandled messages that are not commands."""
        return tuple(message for message in self.unhandled if message.match is None)

    @property
    def has_only_quotes(self) -> bool:
        """Whether all unhandled messages are quotes, which are not instructions."""
        return bool(self.unhandled) and all(message.is_quoted and message.match is None for message in self.unhandled)

    @property
    def has_only_deleted_messages(self) -> bool:
        """Whether all messages were deleted before a step was chosen for them."""
        return isinstance(self.last_event, MessageDeleted) and not (
            self.unhandled or self.runs or self.has_other_model_acted
        )


def command_history(state: ThreadState, commands: Commands, read_only_tools: Container[str] = ()) -> CommandHistory:
    """Return the history of the thread for its active agent, whose commands these are.

    A command in a quoted message counts only when its tool is one of `read_only_tools`.
    """
    context = agent_context(state)
    events = _own_events(context.since_delegation)
    own = _drop_prefetched_calls(
        _drop_messages_used_as_answers(events if state.delegations else _events_since_end_of_work(events))
    )
    # Without the delegating call, the history may lack later steps too: the message may already have been handled.
    initial = (
        _history_of_delegation(state.delegations[-1].message, commands)
        if state.delegations and context.before_delegation
        else CommandHistory()
    )
    return reduce(
        lambda history, event: replace(_apply_event(history, event, commands, read_only_tools), last_event=event),
        own,
        initial,
    )


def _own_events(events: tuple[HistoryEvent, ...]) -> tuple[HistoryEvent, ...]:
    """Return the agent's own events, and edits and deletions of messages while another agent was active."""
    return tuple(e for e, is_own in mark_own_events(events) if is_own or isinstance(e, MessageEdited | MessageDeleted))


def _history_of_delegation(message: str, commands: Commands) -> CommandHistory:
    """Return the initial history of a delegated agent: the message of the agent that asked it."""
    return CommandHistory(unhandled=(UnhandledMessage(commands.match(message)),))


def _events_since_end_of_work(history: tuple[HistoryEvent, ...]) -> tuple[HistoryEvent, ...]:
    ends = (i for i, event in enumerate(history) if _is_end_of_work(event))
    return history[max(ends, default=-1) + 1 :]


def _is_end_of_work(event: HistoryEvent) -> bool:
    """Return whether an event ends the work before it: a reply, a step that needs no reply, or a fork."""
    is_nothing_to_do = isinstance(event, StepChosen) and isinstance(event.step, NothingToDo)
    is_reply = isinstance(event, ReplyChosen) and event.actor != ENGINE  # one by the engine reports a problem
    return is_nothing_to_do or is_reply or isinstance(event, ThreadForked)


def _drop_messages_used_as_answers(events: tuple[HistoryEvent, ...]) -> Iterator[HistoryEvent]:
    """Yield the events without messages that answered a question: the log also holds the answer, which counts."""
    for event, following in pairwise((*events, None)):
        if event is not None and not (isinstance(event, MessageReceived) and _is_same_answer(following, event)):
            yield event


def _is_same_answer(event: HistoryEvent | None, message: MessageReceived) -> bool:
    return isinstance(event, RequestAnswered) and (event.at, event.actor) == (message.at, message.actor)


def _drop_prefetched_calls(events: Iterable[HistoryEvent]) -> Iterator[HistoryEvent]:
    """Yield the events without those of prefetched calls, which no command asked for."""
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
            message = (
                _to_unhandled(event, commands)
                if event.author is None
                else _to_unhandled_quote(event, commands, read_only_tools)
            )
            return replace(history, unhandled=(*history.unhandled, message))
        case MessageEdited():
            return replace(history, unhandled=_apply_edit(history, event, commands))
        case MessageDeleted():
            return replace(
                history, unhandled=tuple(message for message in history.unhandled if message.ref != event.ref)
            )
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
    is_read_only = match is not None and match.step.get("intent") in read_only_tools
    return UnhandledMessage(match if is_read_only else None, event.ref, is_quoted=True)


def _apply_edit(history: CommandHistory, event: MessageEdited, commands: Commands) -> tuple[UnhandledMessage, ...]:
    """Return the unhandled messages after an edit.

    The new text of a message that already led to a step is a comment, or an instruction when it superseded a request.
    """
    new = _to_unhandled(event, commands)
    if any(message.ref == event.ref for message in history.unhandled):
        return tuple(new if message.ref == event.ref else message for message in history.unhandled)
    return (
        *history.unhandled,
        new if isinstance(history.last_event, RequestSuperseded) else UnhandledMessage(match=None),
    )


def _apply_step(history: CommandHistory, event: StepChosen) -> CommandHistory:
    """Return the history after a step. A step that a model chose, and not a command, handles all earlier messages."""
    if event.model != COMMAND_MODEL_NAME:
        return CommandHistory(has_other_model_acted=True)
    first, *rest = [message for message in history.unhandled if message.match] or [UnhandledMessage(match=None)]
    return CommandHistory(runs=(*history.runs, CommandRun(event.step, first.match)), unhandled=tuple(rest))


def _append_to_last_run(history: CommandHistory, event: HistoryEvent) -> CommandHistory:
    if not history.runs:
        return history
    *earlier, run = history.runs
    return replace(history, runs=(*earlier, replace(run, events=(*run.events, event))))


def _apply_answer(history: CommandHistory, event: RequestAnswered, commands: Commands) -> CommandHistory:
    """Return the history after an answer, which completes the command that asked or is a command itself."""
    if not event.answer.counted or event.answer.decision != "answer":
        return history
    text = event.answer.text or ""
    match = _complete_command(history, text, commands) or commands.match(text)
    return replace(history, unhandled=(UnhandledMessage(match), *history.unhandled)) if match else history


def _complete_command(history: CommandHistory, text: str, commands: Commands) -> CommandMatch | None:
    run = history.runs[-1] if history.runs else None
    if run is None or not isinstance(run.step, RequestHumanInput):
        return None
    if run.match is None or run.match.command.answered is None:
        return None
    return commands.match(fill_slots(run.match.command.answered, {**run.match.values, "answer": text.strip()}))
