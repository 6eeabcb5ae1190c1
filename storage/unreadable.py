"""Rows a newer build wrote: what this build shows instead of them, so that one of them breaks nothing else."""

from collections.abc import Iterable
from typing import Any, get_args

from sqlalchemy import Row

from agents.addresses import ENGINE, Address
from agents.events import Event, UnknownEvent
from agents.policy import Ask, Verdict
from agents.reducer import reduce
from agents.requests import Request, RequestStatus
from agents.state import ThreadState

NEWER = "a row of a newer build"
_OPEN = "open"


def unreadable_thread(row: Row[Any], folded: ThreadState) -> ThreadState:
    """What is known of a thread without its log: the columns of its row."""
    known = {"thread_id": row.id, "agent": row.agent, "version": row.version, "created_at": row.created_at}
    state = folded.model_copy(update=known | {"updated_at": folded.updated_at or row.updated_at})
    if state.requester == ENGINE:
        requester = address_of(row.requester)
        state = state.model_copy(update={"requester": requester, "requesters": state.requesters or (requester,)})
    return state if state.unreadable else state.model_copy(update={"unreadable": NEWER})


def address_of(text: str | None) -> Address:
    """The address, or the engine's own for a text that is none to this build."""
    try:
        return Address(text or ENGINE)
    except ValueError:
        return ENGINE


def folded(state: ThreadState, events: Iterable[Event]) -> ThreadState:
    """The state after all the events; one that this build cannot fold is counted, and pauses the thread.

    What follows an event of a newer build may not fit what this build made of the log before it.
    """
    for event in events:
        try:
            state = reduce(state, event)
        except Exception:  # noqa: BLE001 - a log must not break whatever looks at its thread
            state = reduce(state, UnknownEvent(type=event.type, v=event.v, at=event.at, actor=event.actor))
    return state


def unreadable_request(row: Row[Any]) -> Request:
    """What is known of a request whose row and log this build cannot read. Nobody may decide it here."""
    status = row.status if row.status in get_args(RequestStatus) else "superseded"
    return Request(
        id=row.id,
        code=row.code,
        kind="question",
        purpose="question",
        thread_id=row.thread_id,
        agent="unknown",
        requester=ENGINE,
        question="This request was written by a newer Handrail. Open it with that version.",
        digest="",
        policy=Verdict(answer="ask", rule="unreadable", ask=Ask()),
        opened_at=row.opened_at,
        status=status,
        held=status == _OPEN,
    )
