"""Pause of a thread whose request expired and stays open. The pause ends when the request is settled."""

from datetime import datetime

from agents.addresses import Address
from agents.events import ThreadResumed
from agents.requests import Request
from agents.state import ThreadState


def expiry_pause_reason(request: Request) -> str:
    """Return the reason for the pause and what to do about it."""
    return f"request {request.code} got no answer in time and stays open: answer it, and the thread goes on"


def is_paused_by_expiry(state: ThreadState) -> bool:
    """Return whether the thread is paused by the expiry of its open request and not by a person."""
    request = state.open_request
    if request is None or not request.is_kept_open or state.paused is None:
        return False
    return state.paused == expiry_pause_reason(request)


def resume_events(state: ThreadState, at: datetime, by: Address) -> tuple[ThreadResumed, ...]:
    """Return the event that ends the pause when the open request is settled; empty if there is no such pause."""
    return (ThreadResumed(at=at, actor=by),) if is_paused_by_expiry(state) else ()
