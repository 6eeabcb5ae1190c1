"""Threads open, pause, end and fork."""

from typing import Any, assert_never

from agents.budget import Budget
from agents.events import (
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
from agents.folding.fresh import NO_RETRIES
from agents.folding.settling import settle
from agents.state import ThreadState

LifeEvent = (
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


def fold_life(state: ThreadState, event: LifeEvent) -> dict[str, Any]:
    """The changed fields."""
    match event:
        case ThreadStarted():
            return _started(event)
        case ThreadPaused():
            return {"paused": event.reason}
        case ThreadResumed():
            return {"paused": None, **NO_RETRIES}
        case ThreadCancelled():
            return _cancelled(state, event)
        case ThreadFinished():
            return _finished(state, event)
        case ThreadForked():
            return _forked(event)
        case TimerSet():
            return {"fires_at": event.fires_at}
        case TimerFired():
            return {"fires_at": None, "models_turn": True}
        case BudgetReached():
            return {}
        case BudgetExtended():
            return {"budget": state.budget.plus(event.kind, event.by), "models_turn": True}
        case _:
            assert_never(event)


def _started(event: ThreadStarted) -> dict[str, Any]:
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


def _finished(state: ThreadState, event: ThreadFinished) -> dict[str, Any]:
    """Whoever writes next is heard by the thread's own agent, which has nothing to do with what another looks up."""
    ended = {"life": event.outcome, "models_turn": False, "fires_at": None, **NO_RETRIES}
    return {**ended, "asked": (), "prefetch": ()} if state.asked else ended


def _cancelled(state: ThreadState, event: ThreadCancelled) -> dict[str, Any]:
    running = state.call if state.call and state.call.phase == "started" else None
    stopped = {"asked": (), "call": running, "models_turn": False, "fires_at": None}
    ended = {"life": "cancelled", "paused": None, **stopped}
    if state.request is None:
        return ended
    return {**settle(state, state.request, "cancelled", event.at), **ended}


def _forked(event: ThreadForked) -> dict[str, Any]:
    """A fork is at rest: nobody waits for it, nothing of its parent's is in flight, and writing to it wakes it."""
    return {
        "thread_id": event.thread_id,
        "created_at": event.at,
        "deciders": (),
        "life": "done",
        "paused": None,
        "models_turn": False,
        "prefetch": (),
        "call": None,
        "asked": (),
        "requests": (),
        "outgoing": (),
        "fires_at": None,
        **NO_RETRIES,
        "spent": Budget(steps=0, tokens=0, usd=0.0, wall_clock=0.0),
    }
