"""Substitutes for rows that a newer build wrote, so that one unreadable row does not prevent listing the others."""

from collections.abc import Iterable
from typing import Any, get_args

from sqlalchemy import Row

from agents.addresses import ENGINE, Address
from agents.events import Event, UnknownEvent
from agents.policy import ApprovalTerms, PolicyDecision
from agents.reducer import reduce
from agents.requests import Request, RequestStatus
from agents.state import ThreadState

NEWER_BUILD_REASON = "a row of a newer build"
_OPEN_STATUS = "open"


def unreadable_thread(row: Row[Any], folded_state: ThreadState) -> ThreadState:
    """Return the state of a thread whose log is unreadable, from the columns of its row."""
    known = {"thread_id": row.id, "agent": row.agent, "version": row.version, "created_at": row.created_at}
    state = folded_state.model_copy(update=known | {"updated_at": folded_state.updated_at or row.updated_at})
    if state.requester == ENGINE:
        requester = parse_address_or_engine(row.requester)
        state = state.model_copy(update={"requester": requester, "requesters": state.requesters or (requester,)})
    return state if state.unreadable else state.model_copy(update={"unreadable": NEWER_BUILD_REASON})


def parse_address_or_engine(text: str | None) -> Address:
    """Return the address, or the engine's address if the text is not a valid one."""
    try:
        return Address(text or ENGINE)
    except ValueError:
        return ENGINE


def fold_readable(state: ThreadState, events: Iterable[Event]) -> ThreadState:
    """Return the state after all events. An event that cannot be folded pauses the thread as unreadable.

    Events after one of a newer build may not fit the state that this build folded before them.
    """
    for event in events:
        try:
            state = reduce(state, event)
        except Exception:  # noqa: BLE001 - one unreadable log must not break lists
            state = reduce(state, UnknownEvent(type=event.type, v=event.v, at=event.at, actor=event.actor))
    return state


def unreadable_request(row: Row[Any]) -> Request:
    """Return a substitute for a request whose row and log this build cannot read. This build cannot decide it."""
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
        policy=PolicyDecision(answer="ask", rule="unreadable", ask=ApprovalTerms()),
        opened_at=row.opened_at,
        status=status,
        is_kept_open=status == _OPEN_STATUS,
    )
