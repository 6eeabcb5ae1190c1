"""Rows a newer build wrote: what this build shows instead of them, so that one of them breaks nothing else."""

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
    """What is known of a thread without its log: the columns of its row."""
    known = {"thread_id": row.id, "agent": row.agent, "version": row.version, "created_at": row.created_at}
    state = folded_state.model_copy(update=known | {"updated_at": folded_state.updated_at or row.updated_at})
    if state.requester == ENGINE:
        requester = parse_address_or_engine(row.requester)
        state = state.model_copy(update={"requester": requester, "requesters": state.requesters or (requester,)})
    return state if state.unreadable else state.model_copy(update={"unreadable": NEWER_BUILD_REASON})


def parse_address_or_engine(text: str | None) -> Address:
    """The address, or the engine's own for a text that is none to this build."""
    try:
        return Address(text or ENGINE)
    except ValueError:
        return ENGINE


def fold_readable(state: ThreadState, events: Iterable[Event]) -> ThreadState:
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
        policy=PolicyDecision(answer="ask", rule="unreadable", ask=ApprovalTerms()),
        opened_at=row.opened_at,
        status=status,
        is_kept_open=status == _OPEN_STATUS,
    )
