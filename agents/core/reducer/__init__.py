"""Compute the state of a thread from its events, as a pure function."""

from collections.abc import Iterable
from typing import Any, get_args

from agents.core.completion import Budget
from agents.core.events import Event, KnownEvent, StepRejected, ThreadForked, UnknownEvent
from agents.core.reducer.lifecycle import LifecycleEvent, reduce_lifecycle
from agents.core.reducer.messages import MessagingEvent, reduce_messages
from agents.core.reducer.request_updates import active_requests, reduce_requesters
from agents.core.reducer.requests import RequestEvent, reduce_requests
from agents.core.reducer.work import WorkEvent, reduce_work
from agents.core.state import HistoryEvent, ThreadState

MAX_HISTORY_EVENTS = 40
"""Limit of events that are kept in the state for the model; the log keeps all."""

_HISTORY_EVENT_TYPES = get_args(get_args(HistoryEvent)[0])


def fold(state: ThreadState, events: Iterable[Event]) -> ThreadState:
    """Return the state after applying the events in order."""
    for event in events:
        state = reduce(state, event)
    return state


def reduce(state: ThreadState, event: Event) -> ThreadState:
    """Return the state after one more event. An event of an unknown type advances the version too."""
    if state.requests:
        state = state.model_copy(update={"requests": active_requests(state)})
    changed = _changed_fields(state, event)
    return state.model_copy(update={**changed, **_log_fields(state, event, changed)})


def _changed_fields(state: ThreadState, event: Event) -> dict[str, Any]:
    """Return the changed fields.

    After an event of an unknown type only the version advances, because later events may depend on that event.
    """
    if isinstance(event, UnknownEvent):
        return {"unreadable": event.type}
    if state.unreadable is not None:
        return {}
    return {**_reduce_by_family(state, event), **reduce_requesters(state, event)}


def _reduce_by_family(state: ThreadState, event: KnownEvent) -> dict[str, Any]:
    """Return the fields that the reducer of the event's family (the union that has its type) changes.

    mypy fails here for an event without a family, and in the family's `match` for an event without a case.
    """
    if isinstance(event, MessagingEvent):
        return reduce_messages(state, event)
    if isinstance(event, WorkEvent):
        return reduce_work(state, event)
    if isinstance(event, RequestEvent):
        return reduce_requests(state, event)
    lifecycle_event: LifecycleEvent = event
    return reduce_lifecycle(state, lifecycle_event)


def _log_fields(state: ThreadState, event: Event, fields: dict[str, Any]) -> dict[str, Any]:
    seq = state.version + 1
    counted = {"version": seq, "updated_at": event.at, "spent": _add_work_time(state, event, fields)}
    if not isinstance(event, _HISTORY_EVENT_TYPES):
        return counted
    history = (*_history_before(state, event), event)
    excess = max(0, len(history) - MAX_HISTORY_EVENTS)
    return {**counted, "history": history[excess:], "dropped_events": state.dropped_events + excess, "context_seq": seq}


def _history_before(state: ThreadState, event: Event) -> tuple[HistoryEvent, ...]:
    """Return the history before the event. Only the last of consecutive failed model calls stays in it."""
    is_repeated_failure = _is_failed_call(event) and bool(state.history) and _is_failed_call(state.history[-1])
    return state.history[:-1] if is_repeated_failure else state.history


def _is_failed_call(event: Event) -> bool:
    return isinstance(event, StepRejected) and not event.outcome.is_repairable


def _add_work_time(state: ThreadState, event: Event, fields: dict[str, Any]) -> Budget:
    """Return the totals with the time since the previous event, if the thread was running; a fork starts at zero."""
    spent: Budget = fields.get("spent", state.spent)
    if state.updated_at is None or state.status != "running" or isinstance(event, ThreadForked):
        return spent
    return spent.add("wall_clock", max(0.0, (event.at - state.updated_at).total_seconds()))
