"""Compute the effects (actions, as data) that a thread needs next, as a pure function of its state (ADR 0002)."""

from datetime import datetime
from typing import Literal

from agents.core.completion import BUDGET_KINDS, BudgetKind
from agents.core.messages import Message, Receipt
from agents.core.state import CurrentCall, ThreadState
from agents.core.values import Address, FrozenModel


class Effect(FrozenModel):
    """Base class of effects. An effect has the same `key` each time it is computed, and starts after `not_before`."""

    key: str
    not_before: datetime | None = None


class CallModel(Effect):
    """Let the model choose the next step."""


class Prefetch(Effect):
    """Call a tool that the agent runs before its first model call."""

    tool: str


class RunTool(Effect):
    """Start a call that policy allows or people have approved."""

    call: CurrentCall


class RecoverTool(Effect):
    """Find out what happened to a call that an earlier process started."""

    call: CurrentCall


class AskHuman(Effect):
    """Ask people how to continue, because the agent is stuck or has used up its budget of this `kind`."""

    reason: Literal["stuck", "budget"]
    kind: BudgetKind | None = None


class SendMessage(Effect):
    """Hand a message to the channel of its address; `replaces` is the receipt of a sent message to change instead."""

    to: Address
    message: Message
    request_id: str | None = None
    replaces: Receipt | None = None


WorkEffect = CallModel | Prefetch | RunTool | RecoverTool | AskHuman


MAX_REPAIRS = 2
"""Limit of invalid answers in a row that the model may correct; after one more, people are asked."""

MAX_FAILURES = 3
"""Number of tool calls in a row that failed or were denied by policy after which people are asked."""


def pending_sends(state: ThreadState) -> tuple[SendMessage, ...]:
    """Return the messages to send. A paused or cancelled thread sends them too, for example to update its cards."""
    pending = () if state.unreadable is not None else state.pending_messages
    return tuple(
        SendMessage(key=m.key, to=m.to, message=m.message, request_id=m.request_id, replaces=m.replaces)
        for m in pending
    )


def next_work(state: ThreadState) -> tuple[WorkEffect, ...]:
    """Return the next piece of work, at most one; empty while the thread waits for people or for a time.

    A thread with an event of a newer version of Handrail (`unreadable`) does nothing.
    """
    if state.unreadable is not None:
        return ()
    if state.current_call is not None and state.current_call.phase == "running" and state.paused is None:
        return (
            RecoverTool(
                key=f"recover:{state.current_call.call_id}:{state.current_call.attempt}", call=state.current_call
            ),
        )
    if state.status not in ("running", "waiting_for_time") or state.timer_at is not None:
        return ()
    if state.current_call is not None:
        return _run_effects(state.current_call)
    if state.prefetch:
        return (_prefetch_effect(state, state.prefetch[0]),)
    return _model_call_or_help(state) if state.needs_model else ()


def _run_effects(call: CurrentCall) -> tuple[WorkEffect, ...]:
    if call.phase != "approved":
        return ()
    return (RunTool(key=f"tool:{call.call_id}:{call.attempt + 1}", not_before=call.retry_at, call=call),)


def _prefetch_effect(state: ThreadState, tool: str) -> Prefetch:
    """Return a prefetch. Its key contains the delegation, because each delegated agent runs its own prefetch."""
    prefix = f"{state.delegations[-1].call_id}:" if state.delegations else ""
    return Prefetch(key=f"prefetch:{prefix}{tool}", tool=tool)


def _model_call_or_help(state: ThreadState) -> tuple[WorkEffect, ...]:
    if state.repairs > MAX_REPAIRS or state.failures >= MAX_FAILURES:
        return (AskHuman(key=f"stuck:{state.context_seq}", reason="stuck"),)
    if (kind := exhausted_budget(state)) is not None:
        return (AskHuman(key=f"budget:{kind}:{state.context_seq}", reason="budget", kind=kind),)
    return (CallModel(key=f"model:{state.context_seq}:{state.retries}", not_before=state.retry_at),)


def exhausted_budget(state: ThreadState) -> BudgetKind | None:
    """Return the first kind of budget whose limit is reached, or None."""
    for kind in BUDGET_KINDS:
        limit = getattr(state.budget, kind)
        if limit is not None and getattr(state.spent, kind) >= limit:
            return kind
    return None
