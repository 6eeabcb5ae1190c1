"""What should be in flight now? Asked after every change and after every start; pure (factor 12)."""

from agents.budget import KINDS, BudgetKind
from agents.effects import AskHuman, CallModel, Effect, Prefetch, RecoverTool, RunTool, SendMessage, Work
from agents.state import OpenCall, ThreadState

MOST_REPAIRS = 2
MOST_FAILURES = 3


def next_step(state: ThreadState) -> tuple[Effect, ...]:
    """All effects that are wanted: the messages not yet taken, and at most one piece of work.

    None of a thread whose log this build cannot read.
    """
    return (*messages(state), *work(state))


def messages(state: ThreadState) -> tuple[SendMessage, ...]:
    """Messages go out whatever the thread is doing: also a cancelled thread corrects its cards."""
    sent = () if state.unreadable is not None else state.outgoing
    return tuple(
        SendMessage(key=m.key, to=m.to, message=m.message, request_id=m.request_id, replacing=m.replacing) for m in sent
    )


def work(state: ThreadState) -> tuple[Work, ...]:
    """The one thing to do next; nothing while people or the clock are waited for."""
    if state.unreadable is not None:
        return ()
    if state.call is not None and state.call.phase == "started" and state.paused is None:
        return (RecoverTool(key=f"recover:{state.call.call_id}:{state.call.attempt}", call=state.call),)
    if state.status not in ("running", "waiting_for_time") or state.fires_at is not None:
        return ()
    if state.call is not None:
        return _run(state.call)
    if state.prefetch:
        return (_look_up(state, state.prefetch[0]),)
    return _think(state) if state.models_turn else ()


def _run(call: OpenCall) -> tuple[Work, ...]:
    if call.phase != "ready":
        return ()
    return (RunTool(key=f"tool:{call.call_id}:{call.attempt + 1}", not_before=call.retry_at, call=call),)


def _look_up(state: ThreadState, tool: str) -> Prefetch:
    """Every agent that is asked looks up anew, each time."""
    asked = f"{state.asked[-1].call_id}:" if state.asked else ""
    return Prefetch(key=f"prefetch:{asked}{tool}", tool=tool)


def _think(state: ThreadState) -> tuple[Work, ...]:
    if state.repairs > MOST_REPAIRS or state.failures >= MOST_FAILURES:
        return (AskHuman(key=f"stuck:{state.context_seq}", why="stuck"),)
    if (kind := exhausted(state)) is not None:
        return (AskHuman(key=f"budget:{kind}:{state.context_seq}", why="budget", kind=kind),)
    return (CallModel(key=f"model:{state.context_seq}:{state.retries}", not_before=state.retry_at),)


def exhausted(state: ThreadState) -> BudgetKind | None:
    """The first limit that is reached, if one is."""
    for kind in KINDS:
        limit = getattr(state.budget, kind)
        if limit is not None and getattr(state.spent, kind) >= limit:
            return kind
    return None
