"""`reduce(state, event) -> state`: pure, and the only place where a log becomes a state (factor 12)."""

from collections.abc import Iterable
from typing import Any, get_args

from agents.budget import Budget
from agents.events import Event, KnownEvent, StepRejected, ThreadForked, UnknownEvent
from agents.folding.asking import AskingEvent, fold_asking
from agents.folding.life import LifeEvent, fold_life
from agents.folding.requesters import fold_requesters
from agents.folding.settling import still_of_interest
from agents.folding.talking import TalkingEvent, fold_talking
from agents.folding.working import WorkingEvent, fold_working
from agents.state import Remembered, ThreadState

MOST_REMEMBERED = 40
_REMEMBERED = get_args(get_args(Remembered)[0])


def fold(state: ThreadState, events: Iterable[Event]) -> ThreadState:
    """The state after all the events, in order."""
    for event in events:
        state = reduce(state, event)
    return state


def reduce(state: ThreadState, event: Event) -> ThreadState:
    """The state after one more event. Every event counts, also those this build cannot read."""
    if state.requests:
        state = state.model_copy(update={"requests": still_of_interest(state)})
    changed = _changed(state, event)
    return state.model_copy(update={**changed, **_log(state, event, changed)})


def _changed(state: ThreadState, event: Event) -> dict[str, Any]:
    """Behind an event this build cannot read the log is only counted: what follows may rest on what that event said."""
    if isinstance(event, UnknownEvent):
        return {"unreadable": event.type}
    if state.unreadable is not None:
        return {}
    return {**_family(state, event), **fold_requesters(state, event)}


def _family(state: ThreadState, event: KnownEvent) -> dict[str, Any]:
    """Each family has its own `match`; mypy fails here when an event belongs to none, and there when it has no arm."""
    if isinstance(event, TalkingEvent):
        return fold_talking(state, event)
    if isinstance(event, WorkingEvent):
        return fold_working(state, event)
    if isinstance(event, AskingEvent):
        return fold_asking(state, event)
    life: LifeEvent = event
    return fold_life(state, life)


def _log(state: ThreadState, event: Event, changed: dict[str, Any]) -> dict[str, Any]:
    seq = state.version + 1
    counted = {"version": seq, "updated_at": event.at, "spent": _worked(state, event, changed)}
    if not isinstance(event, _REMEMBERED):
        return counted
    recent = (*_worth_remembering(state, event), event)
    over = max(0, len(recent) - MOST_REMEMBERED)
    return {**counted, "recent": recent[over:], "forgotten": state.forgotten + over, "context_seq": seq}


def _worth_remembering(state: ThreadState, event: Event) -> tuple[Remembered, ...]:
    """Of calls of the model that failed one after the other the last is enough: an outage pushes nothing else out."""
    fails_again = _is_failed_call(event) and bool(state.recent) and _is_failed_call(state.recent[-1])
    return state.recent[:-1] if fails_again else state.recent


def _is_failed_call(event: Event) -> bool:
    return isinstance(event, StepRejected) and not event.outcome.repairable


def _worked(state: ThreadState, event: Event, changed: dict[str, Any]) -> Budget:
    """The time between two events counts as work when the thread was running in between; to a fork it is nothing."""
    spent: Budget = changed.get("spent", state.spent)
    if state.updated_at is None or state.status != "running" or isinstance(event, ThreadForked):
        return spent
    return spent.plus("wall_clock", max(0.0, (event.at - state.updated_at).total_seconds()))
