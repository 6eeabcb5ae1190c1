"""Rules for tool calls: the checks before a call starts, and the events that its outcome adds to the log."""

from collections.abc import Sequence
from dataclasses import replace

from agents.core.canonical_json import call_digest
from agents.core.decisions import lapse_reason
from agents.core.events import KnownEvent, ReplyChosen, ToolFailed, ToolOutcomeUnknown, ToolSucceeded
from agents.core.messages import Provenance
from agents.core.policy import Policy
from agents.core.request_factory import outcome_request
from agents.core.state import CurrentCall, ThreadState
from agents.core.tools import Tool, ToolResult
from agents.core.values import ENGINE, Address, EventStamp
from bot.execution.tools.runner import MAX_TOOL_ATTEMPTS, ToolOutcome
from bot.services.retry import next_retry_at

MAX_CHECK_ATTEMPTS = 3
"""Attempts to check whether an earlier run of the call had its effect."""
MAX_POSTPONEMENTS = 10
"""Attempts to start a call while earlier calls of its tool hang. With back-off, ten take about eight minutes."""


def idempotency_key(state: ThreadState, call: CurrentCall) -> str:
    """Return the idempotency key of a call, the same for all its attempts."""
    return f"{state.thread_id}:{call.call_id}"


def blocked_reason(state: ThreadState, call: CurrentCall, tool: Tool | None, policy: Policy) -> str | None:
    """Check arguments, policy and approvals again. Return why the call may not start, or None if it may."""
    if tool is None or tool.version != call.tool_version:
        changed_message = f"the tool {call.tool} has changed since this call was proposed; propose the call again"
        return missing_tool_message(call) if tool is None else changed_message
    digest = call_digest(state.thread_id, call.call_id, call.tool, call.tool_version, call.arguments)
    if digest != call.digest:
        return "the arguments differ from those of the proposed call; propose the call again"
    decision = policy.evaluate(call.tool, call.arguments, defaults=tool.defaults, is_trusted=state.is_trusted)
    if decision.answer == "deny":
        return f"policy denies this call now: {decision.reason}"
    if decision.ask is None:
        return None
    if call.terms is None:
        return f"this call needs an approval now ({decision.rule}); propose the call again"
    return lapse_reason(decision.ask, call.approvals, call.requesters or (state.requester,), policy.people)


def missing_tool_message(call: CurrentCall) -> str:
    """Return why a call whose tool was removed does not start. The model reads this text."""
    return f"the tool {call.tool} no longer exists, so the call did not run; use another tool, or tell the requester"


def final_outcome(call: CurrentCall, tool_outcome: ToolOutcome) -> ToolOutcome:
    """Return the final outcome of a call that will not be retried.

    The call failed if its tool only reads, if no attempt started, or if the tool's `check` found no effect. Otherwise
    the outcome is unknown.
    """
    has_never_started = (
        tool_outcome.stage in ("not_started", "postponed")
        and call.unstarted_attempts + (tool_outcome.stage == "not_started") >= call.attempt
    )
    uncertain_effects = (
        ("idempotent", "once", "verifiable") if tool_outcome.stage == "check" else ("idempotent", "once")
    )
    is_unknown = call.effect in uncertain_effects and not has_never_started
    return replace(tool_outcome, status="unknown" if is_unknown else "failed")


def outcome_events(
    state: ThreadState,
    call: CurrentCall,
    tool_outcome: ToolOutcome,
    stamp: EventStamp,
    jitter: float,
    *,
    is_trusted: bool = False,
) -> Sequence[KnownEvent]:
    """Return the events for the outcome of an attempt. `is_trusted`: the tool returns only the operator's own data."""
    if tool_outcome.status == "succeeded" and tool_outcome.result is not None:
        return (_succeeded_event(call, tool_outcome.result, stamp, is_trusted=is_trusted),)
    if tool_outcome.status == "retry" and (state.lifecycle == "cancelled" or _is_last_attempt(call, tool_outcome)):
        tool_outcome = final_outcome(call, tool_outcome)
    if tool_outcome.status == "unknown":
        unknown = _unknown_event(call, tool_outcome, stamp, is_trusted=is_trusted)
        is_cancelled = state.lifecycle == "cancelled"
        return unknown, _unknown_outcome_reply(call, stamp) if is_cancelled else outcome_request(state, call, stamp)
    return (_failed_event(call, tool_outcome, stamp, jitter, is_trusted=is_trusted),)


def _tool_address(call: CurrentCall) -> Address:
    return Address(f"tool:{call.tool}")


def _succeeded_event(call: CurrentCall, result: ToolResult, stamp: EventStamp, *, is_trusted: bool) -> ToolSucceeded:
    return ToolSucceeded(
        at=stamp.now,
        actor=_tool_address(call),
        provenance=Provenance.TOOL,
        call_id=call.call_id,
        summary=result.summary,
        result=result.data,
        trusted=is_trusted,
    )


def _unknown_event(
    call: CurrentCall, tool_outcome: ToolOutcome, stamp: EventStamp, *, is_trusted: bool
) -> ToolOutcomeUnknown:
    return ToolOutcomeUnknown(
        at=stamp.now,
        actor=_tool_address(call),
        call_id=call.call_id,
        detail=tool_outcome.text,
        where=tool_outcome.where,
        trusted=is_trusted,
    )


def _failed_event(
    call: CurrentCall, tool_outcome: ToolOutcome, stamp: EventStamp, jitter: float, *, is_trusted: bool
) -> ToolFailed:
    """Return the failure of an attempt, with the time of the next one if there is one."""
    is_retried = tool_outcome.status == "retry"
    return ToolFailed(
        at=stamp.now,
        actor=_tool_address(call),
        call_id=call.call_id,
        error=tool_outcome.text,
        retry_at=next_retry_at(_consecutive_attempts(call, tool_outcome), jitter, stamp.now) if is_retried else None,
        stage=tool_outcome.stage,
        where=tool_outcome.where,
        trusted=is_trusted,
    )


def _consecutive_attempts(call: CurrentCall, tool_outcome: ToolOutcome) -> int:
    """Return the number of delays since the last start, this one included, or the number of the attempt that ran."""
    return call.consecutive_delays + 1 if tool_outcome.stage in ("check", "postponed") else call.attempt


def _is_last_attempt(call: CurrentCall, tool_outcome: ToolOutcome) -> bool:
    limits = {"check": MAX_CHECK_ATTEMPTS, "postponed": MAX_POSTPONEMENTS}
    return _consecutive_attempts(call, tool_outcome) >= limits.get(tool_outcome.stage or "run", MAX_TOOL_ATTEMPTS)


def _unknown_outcome_reply(call: CurrentCall, stamp: EventStamp) -> ReplyChosen:
    """Return a reply about a call in a cancelled thread, in which no request can be opened."""
    text = (
        f"{call.tool} was running when this thread was cancelled, so I do not know the outcome of this call. "
        "Please check what it did."
    )
    return ReplyChosen(at=stamp.now, actor=ENGINE, text=text)
