"""Agents: their tools, instructions and limits, and the events of a thread that the active agent sees."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from agents.core.commands import Commands
from agents.core.completion import Budget
from agents.core.events import ToolCalled, ToolSucceeded
from agents.core.state import HistoryEvent, ThreadState
from agents.core.tools import Tool

SetUp = Callable[[Path, Mapping[str, str]], Mapping[str, str]]


def _empty_environment(_data_folder: Path, _environment: Mapping[str, str]) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Agent:
    """Definition of one agent.

    `purpose` describes the agent in one line, for people and for agents that may ask it. `prefetch` names read-only
    tools without arguments that run before the first model call. `asks` names the other agents that this agent may ask.
    `set_up` is called once per process with Handrail's data folder and the environment variables; it creates the
    resources that the tools need and returns the settings for their ToolContext.
    """

    name: str
    purpose: str
    instructions: str
    tools: tuple[Tool, ...]
    commands: Commands = field(default_factory=Commands)
    prefetch: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    budget: Budget = field(default_factory=Budget)
    set_up: SetUp = _empty_environment

    def get_tool(self, name: str) -> Tool | None:
        return next((t for t in self.tools if t.name == name), None)

    @cached_property
    def prompt_hash(self) -> str:
        """Hash of the instructions, recorded with every step that a model chose; 12 hex digits tell versions apart."""
        return sha256(self.instructions.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class AgentContext:
    """History of a thread before and since the call with which another agent asked the active agent to work for it.

    `before_delegation` is empty for the thread's own agent, and when the history no longer holds the delegating call.
    """

    before_delegation: tuple[HistoryEvent, ...]
    since_delegation: tuple[HistoryEvent, ...]


def agent_context(state: ThreadState) -> AgentContext:
    """Return the context of the agent that works now: the one that was asked last, or the thread's own."""
    call_id = state.delegations[-1].call_id if state.delegations else None
    calls = (i for i, event in enumerate(state.history) if isinstance(event, ToolCalled) and event.call_id == call_id)
    begin = next(calls, -1) + 1
    return AgentContext(state.history[:begin], state.history[begin:])


def mark_own_events(events: Sequence[HistoryEvent]) -> Iterator[tuple[HistoryEvent, bool]]:
    """Yield each event of an agent's context and whether it belongs to that agent, not to one that it asked.

    Events between a delegating call and its result belong to the delegate, the agent that was asked. If the delegate
    never answered, because the thread ended first, its events cannot be distinguished and count as the agent's own.
    """
    answered_ids = {event.call_id for event in events if isinstance(event, ToolSucceeded)}
    begin = _index_of_last_orphan_result(events)
    delegation_id: str | None = None
    for index, event in enumerate(events):
        is_own = index >= begin and (delegation_id is None or _is_result_of(event, delegation_id))
        if is_own:
            delegation_id = (
                event.call_id
                if isinstance(event, ToolCalled) and event.is_delegation and event.call_id in answered_ids
                else None
            )
        yield event, is_own


def _is_result_of(event: HistoryEvent, call_id: str) -> bool:
    return isinstance(event, ToolSucceeded) and event.call_id == call_id


def _index_of_last_orphan_result(events: Sequence[HistoryEvent]) -> int:
    """Return the index of the last delegate's result whose call is no longer in the history, else 0.

    All events before it belong to the delegate.
    """
    called = {event.call_id for event in events if isinstance(event, ToolCalled)}
    answers = (
        i
        for i, event in enumerate(events)
        if isinstance(event, ToolSucceeded) and event.actor.scheme == "agent" and event.call_id not in called
    )
    return max(answers, default=0)
