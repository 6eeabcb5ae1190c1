"""Reduce events about model calls and tool calls."""

from typing import Any, assert_never

from agents.core.completion import Budget, CompletionOutcome, Usage
from agents.core.events import (
    StepChosen,
    StepRejected,
    ToolCalled,
    ToolFailed,
    ToolOutcomeUnknown,
    ToolStarted,
    ToolSucceeded,
)
from agents.core.reducer.lifecycle import RESET_RETRIES, START_MODEL
from agents.core.state import CurrentCall, Delegation, Outage, ThreadState

WorkEvent = StepChosen | StepRejected | ToolCalled | ToolStarted | ToolSucceeded | ToolFailed | ToolOutcomeUnknown


def reduce_work(state: ThreadState, event: WorkEvent) -> dict[str, Any]:
    """Return the fields of the state that the event changes, with their new values."""
    match event:
        case StepChosen():
            reset = {"needs_model": False, "repairs": 0, **RESET_RETRIES}
            return {"spent": _add_usage(state, event.usage, steps=1), **reset}
        case StepRejected():
            steps = int(event.outcome.counts_as_step)
            return {"spent": _add_usage(state, event.usage, steps=steps), **_reduce_rejected(state, event)}
        case ToolCalled():
            return _start_delegation(state, event) if event.is_delegation else _reduce_called(state, event)
        case ToolStarted():
            return _update_call(
                state,
                phase="running",
                attempt=event.attempt,
                retry_at=None,
                consecutive_delays=0,
                is_retry_ordered=False,
            )
        case ToolSucceeded() if _is_delegation_result(state, event):
            return {"delegations": state.delegations[:-1], **START_MODEL}
        case ToolSucceeded():
            return {**_close_call(state), "failures": state.failures if _is_prefetch(state) else 0}
        case ToolFailed():
            return _reduce_failed(state, event)
        case ToolOutcomeUnknown():
            return _update_call(state, phase="awaiting_approval")
        case _:
            assert_never(event)


def _add_usage(state: ThreadState, usage: Usage | None, *, steps: int) -> Budget:
    spent = state.spent.add("steps", steps)
    if usage is None:
        return spent
    return spent.add("tokens", usage.input + usage.output).add("usd", usage.usd)


def _reduce_rejected(state: ThreadState, event: StepRejected) -> dict[str, Any]:
    if event.outcome.is_repairable:
        return {"repairs": state.repairs + 1, **RESET_RETRIES}
    retries = state.retries + (event.outcome is not CompletionOutcome.DEFERRED)
    return {"retries": retries, "retry_at": event.retry_at, "outage": _update_outage(state, event)}


def _update_outage(state: ThreadState, event: StepRejected) -> Outage | None:
    """Return the outage, which begins with the first retried call and lasts until the model answers."""
    if event.retry_at is None:
        return None
    outage = state.outage or Outage(since=event.at)
    return outage.model_copy(update={"is_announced": outage.is_announced or bool(event.announced)})


def _reduce_called(state: ThreadState, event: ToolCalled) -> dict[str, Any]:
    remaining = tuple(name for name in state.prefetch if not event.prefetched or name != event.tool)
    if event.verdict.answer == "deny":
        failures = state.failures + (not event.prefetched)
        return {"prefetch": remaining, "current_call": None, "needs_model": True, "failures": failures}
    call = CurrentCall(
        call_id=event.call_id,
        tool=event.tool,
        tool_version=event.tool_version,
        effect=event.effect,
        arguments=event.arguments,
        digest=event.digest,
        phase="approved" if event.verdict.answer == "allow" else "awaiting_approval",
        prefetched=event.prefetched,
        requesters=state.requesters_for(event.tool),
        agent=state.active_agent if state.delegations else None,
    )
    return {"prefetch": remaining, "current_call": call}


def _start_delegation(state: ThreadState, event: ToolCalled) -> dict[str, Any]:
    """Return the changed fields when another agent takes over; failure counters start again."""
    agent, message = str(event.arguments.get("agent")), str(event.arguments.get("message"))
    delegation = Delegation(agent=agent, delegator=state.active_agent, call_id=event.call_id, message=message)
    return {"delegations": (*state.delegations, delegation), "prefetch": event.prefetch, **START_MODEL}


def _is_delegation_result(state: ThreadState, event: ToolSucceeded) -> bool:
    return bool(state.delegations) and state.delegations[-1].call_id == event.call_id


def _update_call(state: ThreadState, **fields: Any) -> dict[str, Any]:
    return {"current_call": state.current_call.model_copy(update=fields)} if state.current_call else {}


def _is_prefetch(state: ThreadState) -> bool:
    return state.current_call is not None and state.current_call.prefetched


def _close_call(state: ThreadState) -> dict[str, Any]:
    return {"current_call": None, "needs_model": state.lifecycle == "open"}


def _reduce_failed(state: ThreadState, event: ToolFailed) -> dict[str, Any]:
    if event.retry_at is not None:
        return _update_call(state, phase="approved", retry_at=event.retry_at, **_count_failed_attempt(state, event))
    return {**_close_call(state), "failures": state.failures + (not _is_prefetch(state))}


def _count_failed_attempt(state: ThreadState, event: ToolFailed) -> dict[str, int]:
    """Return the increased counter if the failed stage was not the run of the tool itself; else an empty dict."""
    if state.current_call is None or event.stage is None:
        return {}
    if event.stage == "not_started":
        return {"unstarted_attempts": state.current_call.unstarted_attempts + 1}
    return {"consecutive_delays": state.current_call.consecutive_delays + 1}
