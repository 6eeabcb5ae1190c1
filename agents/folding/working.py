"""The model chooses, tools run."""

from typing import Any, assert_never

from agents.budget import Budget, Usage
from agents.completion import Outcome
from agents.events import (
    StepChosen,
    StepRejected,
    ToolCalled,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolStarted,
    ToolSucceeded,
)
from agents.folding.fresh import FRESH_START, NO_RETRIES
from agents.state import Asked, OpenCall, Outage, ThreadState

WorkingEvent = StepChosen | StepRejected | ToolCalled | ToolStarted | ToolSucceeded | ToolFailed | ToolOutcomeUnknown


def fold_working(state: ThreadState, event: WorkingEvent) -> dict[str, Any]:
    """The changed fields."""
    match event:
        case StepChosen():
            rested = {"models_turn": False, "repairs": 0, **NO_RETRIES}
            return {"spent": _spent(state, event.usage, steps=1), **rested}
        case StepRejected():
            steps = int(event.outcome.counts_as_step)
            return {"spent": _spent(state, event.usage, steps=steps), **_rejected(state, event)}
        case ToolCalled():
            return _asked(state, event) if event.asks else _called(state, event)
        case ToolStarted():
            return _in_hand(state, phase="started", attempt=event.attempt, retry_at=None, delays=0, insisted=False)
        case ToolSucceeded() if _is_answer(state, event):
            return {"asked": state.asked[:-1], **FRESH_START}
        case ToolSucceeded():
            return {**_closed(state), "failures": state.failures if _prefetched(state) else 0}
        case ToolFailed():
            return _failed(state, event)
        case ToolOutcomeUnknown():
            return _in_hand(state, phase="asked")
        case _:
            assert_never(event)


def _spent(state: ThreadState, usage: Usage | None, *, steps: int) -> Budget:
    spent = state.spent.plus("steps", steps)
    if usage is None:
        return spent
    return spent.plus("tokens", usage.input + usage.output).plus("usd", usage.usd)


def _rejected(state: ThreadState, event: StepRejected) -> dict[str, Any]:
    if event.outcome.repairable:
        return {"repairs": state.repairs + 1, **NO_RETRIES}
    retries = state.retries + (event.outcome is not Outcome.POSTPONED)
    return {"retries": retries, "retry_at": event.retry_at, "outage": _outage(state, event)}


def _outage(state: ThreadState, event: StepRejected) -> Outage | None:
    """It begins with the first call that is tried again, and lasts until one is answered."""
    if event.retry_at is None:
        return None
    outage = state.outage or Outage(since=event.at)
    return outage.model_copy(update={"announced": outage.announced or bool(event.announced)})


def _called(state: ThreadState, event: ToolCalled) -> dict[str, Any]:
    waiting = tuple(name for name in state.prefetch if not event.prefetched or name != event.tool)
    if event.verdict.answer == "deny":
        failures = state.failures + (not event.prefetched)
        return {"prefetch": waiting, "call": None, "models_turn": True, "failures": failures}
    call = OpenCall(
        call_id=event.call_id,
        tool=event.tool,
        tool_version=event.tool_version,
        effect=event.effect,
        arguments=event.arguments,
        digest=event.digest,
        phase="ready" if event.verdict.answer == "allow" else "asked",
        prefetched=event.prefetched,
        requesters=state.requesters_of(event.tool),
        agent=state.acting if state.asked else None,
    )
    return {"prefetch": waiting, "call": call}


def _asked(state: ThreadState, event: ToolCalled) -> dict[str, Any]:
    """Another agent goes on; what had failed before had not failed for that one."""
    agent, message = str(event.arguments.get("agent")), str(event.arguments.get("message"))
    asked = Asked(agent=agent, by=state.acting, call_id=event.call_id, message=message)
    return {"asked": (*state.asked, asked), "prefetch": event.prefetch, **FRESH_START}


def _is_answer(state: ThreadState, event: ToolSucceeded) -> bool:
    return bool(state.asked) and state.asked[-1].call_id == event.call_id


def _in_hand(state: ThreadState, **changed: Any) -> dict[str, Any]:
    return {"call": state.call.model_copy(update=changed)} if state.call else {}


def _prefetched(state: ThreadState) -> bool:
    return state.call is not None and state.call.prefetched


def _closed(state: ThreadState) -> dict[str, Any]:
    return {"call": None, "models_turn": state.life == "open"}


def _failed(state: ThreadState, event: ToolFailed) -> dict[str, Any]:
    if event.retry_at is not None:
        return _in_hand(state, phase="ready", retry_at=event.retry_at, **_counted(state, event))
    return {**_closed(state), "failures": state.failures + (not _prefetched(state))}


def _counted(state: ThreadState, event: ToolFailed) -> dict[str, int]:
    """What an attempt was that is no attempt of the tool itself."""
    if state.call is None or event.stage is None:
        return {}
    if event.stage == "unbegun":
        return {"unbegun": state.call.unbegun + 1}
    return {"delays": state.call.delays + 1}
