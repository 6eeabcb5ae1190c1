"""The ledger of tool calls: what must hold before one starts, and what its end adds to the log."""

from collections.abc import Sequence

from agents.addresses import ENGINE, Address
from agents.digest import call_digest
from agents.events import KnownEvent, ReplyChosen, ToolFailed, ToolOutcomeUnknown, ToolSucceeded
from agents.judge import lapsed
from agents.messages import Provenance
from agents.moment import Moment
from agents.opening import ask_what_happened
from agents.policy import Policy
from agents.state import OpenCall, ThreadState
from agents.tools import Tool
from bot.running import MOST_ATTEMPTS, Ended, back_off, fitting


def key_of(state: ThreadState, call: OpenCall) -> str:
    """The idempotency key of a call: the same for all its attempts."""
    return f"{state.thread_id}:{call.call_id}"


def objection(state: ThreadState, call: OpenCall, tool: Tool | None, policy: Policy) -> str | None:
    """Why the call may not start after all: what was approved, the rules and the people are looked at once more."""
    if tool is None or tool.version != call.tool_version:
        return f"{call.tool} changed since this was asked; propose it again"
    digest = call_digest(state.thread_id, call.call_id, call.tool, call.tool_version, call.arguments)
    if digest != call.digest:
        return "these are not the arguments that were asked about"
    verdict = policy.verdict(call.tool, call.arguments, stance=tool.stance, trusted=state.trusted)
    if verdict.answer == "deny":
        return f"policy denies it now: {verdict.reason}"
    if verdict.ask is None:
        return None
    return lapsed(verdict.ask, call.approvers, state.requester, policy.people)


def given_up(call: OpenCall, why: str) -> Ended:
    """The end of a call that will not be tried again.

    A read did nothing, and what can be looked for was not there; of anything else nobody knows whether it happened.
    """
    return Ended("unknown" if call.effect in ("idempotent", "once") else "failed", why)


def outcome(state: ThreadState, call: OpenCall, ended: Ended, moment: Moment, jitter: float) -> Sequence[KnownEvent]:
    """The events an end of an attempt gives rise to."""
    actor = Address(f"tool:{call.tool}")
    if ended.how == "succeeded" and ended.result is not None:
        done = ToolSucceeded(
            at=moment.now,
            actor=actor,
            provenance=Provenance.TOOL,
            call_id=call.call_id,
            summary=ended.result.summary,
            result=fitting(ended.result),
        )
        return (done,)
    if ended.how == "again" and call.attempt >= MOST_ATTEMPTS:
        ended = given_up(call, ended.text)
    if ended.how == "unknown":
        unknown = ToolOutcomeUnknown(at=moment.now, actor=actor, call_id=call.call_id, detail=ended.text)
        return unknown, (_tell(call, moment) if state.life == "cancelled" else ask_what_happened(state, call, moment))
    retry_at = back_off(call.attempt, jitter, moment.now) if ended.how == "again" else None
    return (ToolFailed(at=moment.now, actor=actor, call_id=call.call_id, error=ended.text, retry_at=retry_at),)


def _tell(call: OpenCall, moment: Moment) -> ReplyChosen:
    """Nobody can be asked in a thread that is over, since nothing follows; but nobody is left believing all is well."""
    text = f"{call.tool} had been started when this was cancelled, and I cannot tell whether it ran. Please look."
    return ReplyChosen(at=moment.now, actor=ENGINE, text=text)
