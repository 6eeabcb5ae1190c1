"""`reduce(state, event) -> state`: pure, and the only place where a log becomes a state (factor 12)."""

from collections.abc import Iterable
from typing import Any, get_args

from agents.budget import Budget
from agents.events import Event, KnownEvent, StepRejected, ThreadForked, UnknownEvent
from agents.reducers.lifecycle import LifecycleEvent, reduce_lifecycle
from agents.reducers.messages import MessagingEvent, reduce_messages
from agents.reducers.request_updates import active_requests
from agents.reducers.requesters import reduce_requesters
from agents.reducers.requests import RequestEvent, reduce_requests
from agents.reducers.work import WorkEvent, reduce_work
from agents.state import HistoryEvent, ThreadState

MAX_HISTORY_EVENTS = 40
_HISTORY_EVENT_TYPES = get_args(get_args(HistoryEvent)[0])


def fold(state: ThreadState, events: Iterable[Event]) -> ThreadState:
    """The state after all the events, in order."""
    for event in events:
        state = reduce(state, event)
    return state


def reduce(state: ThreadState, event: Event) -> ThreadState:
    """The state after one more event. Every event counts, also those this build cannot read."""
    if state.requests:
        state = state.model_copy(update={"requests": active_requests(state)})
    changed = _changed_fields(state, event)
    return state.model_copy(update={**changed, **_log_fields(state, event, changed)})


def _changed_fields(state: ThreadState, event: Event) -> dict[str, Any]:
    """Behind an event this build cannot read the log is only counted: what follows may rest on what that event said."""
    if isinstance(event, UnknownEvent):
        return {"unreadable": event.type}
    if state.unreadable is not None:
        return {}
    return {**_reduce_by_family(state, event), **reduce_requesters(state, event)}


def _reduce_by_family(state: ThreadState, event: KnownEvent) -> dict[str, Any]:
    """Each family has its own `match`; mypy fails here when an event belongs to none, and there when it has no arm."""
    if isinstance(event, MessagingEvent):
        return reduce_messages(state, event)
    if isinstance(event, WorkEvent):
        return reduce_work(state, event)
    if isinstance(event, RequestEvent):
        return reduce_requests(state, event)
    life: LifecycleEvent = event
    return reduce_lifecycle(state, life)


def _log_fields(state: ThreadState, event: Event, fields: dict[str, Any]) -> dict[str, Any]:
    seq = state.version + 1
    counted = {"version": seq, "updated_at": event.at, "spent": _add_work_time(state, event, fields)}
    if not isinstance(event, _HISTORY_EVENT_TYPES):
        return counted
    recent = (*_history_before(state, event), event)
    over = max(0, len(recent) - MAX_HISTORY_EVENTS)
    return {**counted, "history": recent[over:], "dropped_events": state.dropped_events + over, "context_seq": seq}


def _history_before(state: ThreadState, event: Event) -> tuple[HistoryEvent, ...]:
    """Of calls of the model that failed one after the other the last is enough: an outage pushes nothing else out."""
    fails_again = _is_failed_call(event) and bool(state.history) and _is_failed_call(state.history[-1])
    return state.history[:-1] if fails_again else state.history


def _is_failed_call(event: Event) -> bool:
    return isinstance(event, StepRejected) and not event.outcome.is_repairable


def _add_work_time(state: ThreadState, event: Event, fields: dict[str, Any]) -> Budget:
    """The time between two events counts as work when the thread was running in between; to a fork it is nothing."""
    spent: Budget = fields.get("spent", state.spent)
    if state.updated_at is None or state.status != "running" or isinstance(event, ThreadForked):
        return spent
    return spent.add("wall_clock", max(0.0, (event.at - state.updated_at).total_seconds()))
