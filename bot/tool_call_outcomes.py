"""The ledger of tool calls: what must hold before one starts, and what its end adds to the log."""

from collections.abc import Sequence
from dataclasses import replace

from agents.addresses import ENGINE, Address
from agents.decisions import lapse_reason
from agents.digest import call_digest
from agents.event_stamp import EventStamp
from agents.events import KnownEvent, ReplyChosen, ToolFailed, ToolOutcomeUnknown, ToolSucceeded
from agents.messages import Provenance
from agents.policy import Policy
from agents.request_factory import outcome_request
from agents.state import CurrentCall, ThreadState
from agents.tools import Tool
from bot.tool_runner import MAX_TOOL_ATTEMPTS, ToolOutcome, next_retry_at

MAX_CHECK_ATTEMPTS = 3
MAX_POSTPONEMENTS = 10
"""With back-off these are some eight minutes."""


def idempotency_key(state: ThreadState, call: CurrentCall) -> str:
    """The idempotency key of a call: the same for all its attempts."""
    return f"{state.thread_id}:{call.call_id}"


def blocked_reason(state: ThreadState, call: CurrentCall, tool: Tool | None, policy: Policy) -> str | None:
    """Why the call may not start after all: what was approved, the rules and the people are looked at once more."""
    if tool is None or tool.version != call.tool_version:
        return missing(call) if tool is None else f"{call.tool} changed since this was asked; propose it again"
    digest = call_digest(state.thread_id, call.call_id, call.tool, call.tool_version, call.arguments)
    if digest != call.digest:
        return "these are not the arguments that were asked about"
    verdict = policy.evaluate(call.tool, call.arguments, defaults=tool.defaults, is_trusted=state.is_trusted)
    if verdict.answer == "deny":
        return f"policy denies it now: {verdict.reason}"
    if verdict.ask is None:
        return None
    if call.terms is None:
        return f"it needs an approval now ({verdict.rule}); propose it again"
    return lapse_reason(verdict.ask, call.approvals, call.requesters or (state.requester,), policy.people)


def missing(call: CurrentCall) -> str:
    """Return why a call whose tool was removed does not start."""
    return f"the tool {call.tool} does not exist here any more, so it did not run; use another one, or say so"


def final_outcome(call: CurrentCall, tool_outcome: ToolOutcome) -> ToolOutcome:
    """The end of a call that will not be tried again.

    A read did nothing, what was looked for and not found did not happen, and what never began neither. Of anything
    else it is unknown whether it happened.
    """
    never_began = (
        tool_outcome.stage in ("unbegun", "postponed")
        and call.unstarted_attempts + (tool_outcome.stage == "unbegun") >= call.attempt
    )
    doubtful = ("idempotent", "once", "verifiable") if tool_outcome.stage == "look" else ("idempotent", "once")
    return replace(tool_outcome, status="unknown" if call.effect in doubtful and not never_began else "failed")


def outcome_events(
    state: ThreadState,
    call: CurrentCall,
    tool_outcome: ToolOutcome,
    moment: EventStamp,
    jitter: float,
    *,
    is_trusted: bool = False,
) -> Sequence[KnownEvent]:
    """The events an end of an attempt gives rise to. `trusted`: what the tool said is the operator's own data."""
    actor = Address(f"tool:{call.tool}")
    if tool_outcome.status == "succeeded" and tool_outcome.result is not None:
        done = ToolSucceeded(
            at=moment.now,
            actor=actor,
            provenance=Provenance.TOOL,
            call_id=call.call_id,
            summary=tool_outcome.result.summary,
            result=tool_outcome.result.data,
            trusted=is_trusted,
        )
        return (done,)
    if tool_outcome.status == "again" and (state.lifecycle == "cancelled" or _is_last_attempt(call, tool_outcome)):
        tool_outcome = final_outcome(call, tool_outcome)
    if tool_outcome.status == "unknown":
        unknown = ToolOutcomeUnknown(
            at=moment.now,
            actor=actor,
            call_id=call.call_id,
            detail=tool_outcome.text,
            where=tool_outcome.where,
            trusted=is_trusted,
        )
        return unknown, (
            _unknown_outcome_reply(call, moment)
            if state.lifecycle == "cancelled"
            else outcome_request(state, call, moment)
        )
    failed = ToolFailed(
        at=moment.now,
        actor=actor,
        call_id=call.call_id,
        error=tool_outcome.text,
        retry_at=next_retry_at(_consecutive_attempts(call, tool_outcome), jitter, moment.now)
        if tool_outcome.status == "again"
        else None,
        stage=tool_outcome.stage,
        where=tool_outcome.where,
        trusted=is_trusted,
    )
    return (failed,)


def _consecutive_attempts(call: CurrentCall, tool_outcome: ToolOutcome) -> int:
    """How often in a row what has just failed was tried."""
    return call.consecutive_delays + 1 if tool_outcome.stage in ("look", "postponed") else call.attempt


def _is_last_attempt(call: CurrentCall, tool_outcome: ToolOutcome) -> bool:
    limits = {"look": MAX_CHECK_ATTEMPTS, "postponed": MAX_POSTPONEMENTS}
    return _consecutive_attempts(call, tool_outcome) >= limits.get(tool_outcome.stage or "run", MAX_TOOL_ATTEMPTS)


def _unknown_outcome_reply(call: CurrentCall, moment: EventStamp) -> ReplyChosen:
    """Nobody can be asked in a thread that is over, since nothing follows; but nobody is left believing all is well."""
    text = f"{call.tool} had been started when this was cancelled, and I cannot tell whether it ran. Please look."
    return ReplyChosen(at=moment.now, actor=ENGINE, text=text)
