"""The ledger of tool calls: what must hold before one starts, and what its end adds to the log."""

from collections.abc import Sequence
from dataclasses import replace

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
from bot.running import MOST_ATTEMPTS, Ended, back_off

MAX_LOOKS = 3
MAX_POSTPONEMENTS = 10
"""With back-off these are some eight minutes."""


def key_of(state: ThreadState, call: OpenCall) -> str:
    """The idempotency key of a call: the same for all its attempts."""
    return f"{state.thread_id}:{call.call_id}"


def objection(state: ThreadState, call: OpenCall, tool: Tool | None, policy: Policy) -> str | None:
    """Why the call may not start after all: what was approved, the rules and the people are looked at once more."""
    if tool is None or tool.version != call.tool_version:
        return missing(call) if tool is None else f"{call.tool} changed since this was asked; propose it again"
    digest = call_digest(state.thread_id, call.call_id, call.tool, call.tool_version, call.arguments)
    if digest != call.digest:
        return "these are not the arguments that were asked about"
    verdict = policy.verdict(call.tool, call.arguments, stance=tool.stance, trusted=state.is_trusted)
    if verdict.answer == "deny":
        return f"policy denies it now: {verdict.reason}"
    if verdict.ask is None:
        return None
    if call.ask is None:
        return f"it needs an approval now ({verdict.rule}); propose it again"
    return lapsed(verdict.ask, call.approvals, call.requesters or (state.requester,), policy.people)


def missing(call: OpenCall) -> str:
    """Return why a call whose tool was removed does not start."""
    return f"the tool {call.tool} does not exist here any more, so it did not run; use another one, or say so"


def given_up(call: OpenCall, ended: Ended) -> Ended:
    """The end of a call that will not be tried again.

    A read did nothing, what was looked for and not found did not happen, and what never began neither. Of anything
    else it is unknown whether it happened.
    """
    never_began = ended.stage in ("unbegun", "postponed") and call.unbegun + (ended.stage == "unbegun") >= call.attempt
    doubtful = ("idempotent", "once", "verifiable") if ended.stage == "look" else ("idempotent", "once")
    return replace(ended, how="unknown" if call.effect in doubtful and not never_began else "failed")


def outcome(
    state: ThreadState, call: OpenCall, ended: Ended, moment: Moment, jitter: float, *, trusted: bool = False
) -> Sequence[KnownEvent]:
    """The events an end of an attempt gives rise to. `trusted`: what the tool said is the operator's own data."""
    actor = Address(f"tool:{call.tool}")
    if ended.how == "succeeded" and ended.result is not None:
        done = ToolSucceeded(
            at=moment.now,
            actor=actor,
            provenance=Provenance.TOOL,
            call_id=call.call_id,
            summary=ended.result.summary,
            result=ended.result.data,
            trusted=trusted,
        )
        return (done,)
    if ended.how == "again" and (state.life == "cancelled" or _is_last(call, ended)):
        ended = given_up(call, ended)
    if ended.how == "unknown":
        unknown = ToolOutcomeUnknown(
            at=moment.now, actor=actor, call_id=call.call_id, detail=ended.text, where=ended.where, trusted=trusted
        )
        return unknown, (_tell(call, moment) if state.life == "cancelled" else ask_what_happened(state, call, moment))
    failed = ToolFailed(
        at=moment.now,
        actor=actor,
        call_id=call.call_id,
        error=ended.text,
        retry_at=back_off(_attempts(call, ended), jitter, moment.now) if ended.how == "again" else None,
        stage=ended.stage,
        where=ended.where,
        trusted=trusted,
    )
    return (failed,)


def _attempts(call: OpenCall, ended: Ended) -> int:
    """How often in a row what has just failed was tried."""
    return call.delays + 1 if ended.stage in ("look", "postponed") else call.attempt


def _is_last(call: OpenCall, ended: Ended) -> bool:
    limits = {"look": MAX_LOOKS, "postponed": MAX_POSTPONEMENTS}
    return _attempts(call, ended) >= limits.get(ended.stage or "run", MOST_ATTEMPTS)


def _tell(call: OpenCall, moment: Moment) -> ReplyChosen:
    """Nobody can be asked in a thread that is over, since nothing follows; but nobody is left believing all is well."""
    text = f"{call.tool} had been started when this was cancelled, and I cannot tell whether it ran. Please look."
    return ReplyChosen(at=moment.now, actor=ENGINE, text=text)
