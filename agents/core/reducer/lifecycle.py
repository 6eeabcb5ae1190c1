"""Reduce events about starting, pausing, ending and forking a thread, its timer, its budget and retry counters."""

from collections.abc import Mapping
from typing import Any, assert_never

from agents.core.completion import Budget
from agents.core.events import (
    BudgetExtended,
    BudgetReached,
    ThreadCancelled,
    ThreadFinished,
    ThreadForked,
    ThreadPaused,
    ThreadResumed,
    ThreadStarted,
    TimerFired,
    TimerSet,
)
from agents.core.reducer.request_updates import settle_request
from agents.core.state import ThreadState

LifecycleEvent = (
    ThreadStarted
    | ThreadPaused
    | ThreadResumed
    | ThreadCancelled
    | ThreadFinished
    | ThreadForked
    | TimerSet
    | TimerFired
    | BudgetReached
    | BudgetExtended
)


def reduce_lifecycle(state: ThreadState, event: LifecycleEvent) -> dict[str, Any]:
    """Return the fields of the state that the event changes, with their new values."""
    match event:
        case ThreadStarted():
            return _reduce_started(event)
        case ThreadPaused():
            return {"paused": event.reason}
        case ThreadResumed():
            return {"paused": None, **RESET_RETRIES}
        case ThreadCancelled():
            return _reduce_cancelled(state, event)
        case ThreadFinished():
            return _reduce_finished(state, event)
        case ThreadForked():
            return _reduce_forked(event)
        case TimerSet():
            return {"timer_at": event.fires_at}
        case TimerFired():
            return {"timer_at": None, "needs_model": True}
        case BudgetReached():
            return {}
        case BudgetExtended():
            return {"budget": state.budget.add(event.kind, event.by), "needs_model": True}
        case _:
            assert_never(event)


def _reduce_started(event: ThreadStarted) -> dict[str, Any]:
    return {
        "thread_id": event.thread_id,
        "agent": event.agent,
        "origin": event.origin,
        "requester": event.requester,
        "labels": event.labels,
        "budget": event.budget,
        "prefetch": event.prefetch,
        "created_at": event.at,
    }


def _reduce_finished(state: ThreadState, event: ThreadFinished) -> dict[str, Any]:
    """Return the changed fields. Delegations and their prefetch end; the next message is for the thread's own agent."""
    ended = {"lifecycle": event.outcome, "needs_model": False, "timer_at": None, **RESET_RETRIES}
    return {**ended, "delegations": (), "prefetch": ()} if state.delegations else ended


def _reduce_cancelled(state: ThreadState, event: ThreadCancelled) -> dict[str, Any]:
    running = state.current_call if state.current_call and state.current_call.phase == "running" else None
    stopped = {"delegations": (), "current_call": running, "needs_model": False, "timer_at": None}
    ended = {"lifecycle": "cancelled", "paused": None, **stopped}
    if state.open_request is None:
        return ended
    return {**settle_request(state, state.open_request, "cancelled", event.at), **ended}


def _reduce_forked(event: ThreadForked) -> dict[str, Any]:
    """Return the changed fields. A fork starts at rest, without the parent's pending work, until it gets a message."""
    return {
        "thread_id": event.thread_id,
        "created_at": event.at,
        "deciders": (),
        "lifecycle": "done",
        "paused": None,
        "needs_model": False,
        "prefetch": (),
        "current_call": None,
        "delegations": (),
        "requests": (),
        "pending_messages": (),
        "timer_at": None,
        **RESET_RETRIES,
        "spent": Budget(steps=0, tokens=0, usd=0.0, wall_clock=0.0),
    }


RESET_RETRIES: Mapping[str, Any] = {"retries": 0, "retry_at": None, "outage": None}
"""Resets the retries of model calls, so that the next call is made at once."""

START_MODEL: Mapping[str, Any] = {"needs_model": True, "failures": 0, "repairs": 0, **RESET_RETRIES}
"""The model is needed; its failure counters start again."""
