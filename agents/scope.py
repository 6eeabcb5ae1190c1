"""Scopes: which of the remembered events are those of the agent at work, in a thread where agents ask each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agents.events import ToolCalled, ToolSucceeded
from agents.state import Remembered, ThreadState


@dataclass(frozen=True)
class Scope:
    """What was before the agent at work was asked, and what has been since; all is since for the thread's own agent.

    Where the call that asked is forgotten, all that is remembered came after it.
    """

    before: tuple[Remembered, ...]
    since: tuple[Remembered, ...]


def scope_of(state: ThreadState) -> Scope:
    """The scope of the agent at work."""
    call_id = state.asked[-1].call_id if state.asked else None
    calls = (i for i, event in enumerate(state.recent) if isinstance(event, ToolCalled) and event.call_id == call_id)
    begin = next(calls, -1) + 1
    return Scope(state.recent[:begin], state.recent[begin:])


def told_apart(events: Sequence[Remembered]) -> Iterator[tuple[Remembered, bool]]:
    """Each event, and whether it is the agent's own: what one it asked did between the call and the answer is not.

    An asked agent that never answered, because the thread ended meanwhile, has no end to be told apart by.
    """
    answers = {event.call_id for event in events if isinstance(event, ToolSucceeded)}
    begin = _behind_forgotten_calls(events)
    asked: str | None = None
    for index, event in enumerate(events):
        own = index >= begin and (asked is None or _answers(event, asked))
        if own:
            asked = event.call_id if isinstance(event, ToolCalled) and event.asks and event.call_id in answers else None
        yield event, own


def _answers(event: Remembered, call_id: str) -> bool:
    return isinstance(event, ToolSucceeded) and event.call_id == call_id


def _behind_forgotten_calls(events: Sequence[Remembered]) -> int:
    """Where the last answer stands whose call is forgotten: all before it was the asked agent's."""
    called = {event.call_id for event in events if isinstance(event, ToolCalled)}
    answers = (
        i
        for i, event in enumerate(events)
        if isinstance(event, ToolSucceeded) and event.actor.scheme == "agent" and event.call_id not in called
    )
    return max(answers, default=0)
