"""Scopes: which of the remembered events are those of the agent at work, in a thread where agents ask each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agents.events import ToolCalled, ToolSucceeded
from agents.state import HistoryEvent, ThreadState


@dataclass(frozen=True)
class AgentContext:
    """What was before the agent at work was asked, and what has been since; all is since for the thread's own agent.

    Where the call that asked is forgotten, all that is remembered came after it.
    """

    before: tuple[HistoryEvent, ...]
    since: tuple[HistoryEvent, ...]


def agent_context(state: ThreadState) -> AgentContext:
    """The scope of the agent at work."""
    call_id = state.delegations[-1].call_id if state.delegations else None
    calls = (i for i, event in enumerate(state.history) if isinstance(event, ToolCalled) and event.call_id == call_id)
    begin = next(calls, -1) + 1
    return AgentContext(state.history[:begin], state.history[begin:])


def mark_own_events(events: Sequence[HistoryEvent]) -> Iterator[tuple[HistoryEvent, bool]]:
    """Each event, and whether it is the agent's own: what one it asked did between the call and the answer is not.

    An asked agent that never answered, because the thread ended meanwhile, has no end to be told apart by.
    """
    answers = {event.call_id for event in events if isinstance(event, ToolSucceeded)}
    begin = _index_of_last_orphan_result(events)
    asked: str | None = None
    for index, event in enumerate(events):
        own = index >= begin and (asked is None or _is_result_of(event, asked))
        if own:
            asked = (
                event.call_id
                if isinstance(event, ToolCalled) and event.is_delegation and event.call_id in answers
                else None
            )
        yield event, own


def _is_result_of(event: HistoryEvent, call_id: str) -> bool:
    return isinstance(event, ToolSucceeded) and event.call_id == call_id


def _index_of_last_orphan_result(events: Sequence[HistoryEvent]) -> int:
    """Where the last answer stands whose call is forgotten: all before it was the asked agent's."""
    called = {event.call_id for event in events if isinstance(event, ToolCalled)}
    answers = (
        i
        for i, event in enumerate(events)
        if isinstance(event, ToolSucceeded) and event.actor.scheme == "agent" and event.call_id not in called
    )
    return max(answers, default=0)
