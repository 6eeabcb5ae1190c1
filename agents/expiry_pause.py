"""A request that ran out and stays open pauses its thread; whatever settles the request takes that pause away."""

from datetime import datetime

from agents.addresses import Address
from agents.events import ThreadResumed
from agents.requests import Request
from agents.state import ThreadState


def expiry_pause_reason(request: Request) -> str:
    """Return why a thread is paused whose request ran out and stays open, and what to do."""
    return f"request {request.code} got no answer in time and stays open: answer it, and the thread goes on"


def is_paused_by_expiry(state: ThreadState) -> bool:
    """Return whether the pause comes from the expiry of the open request, and no person ordered it."""
    request = state.open_request
    if request is None or not request.is_kept_open or state.paused is None:
        return False
    return state.paused in (
        expiry_pause_reason(request),
        f"nobody answered request {request.code} in time; it stays open",
    )


def resume_events(state: ThreadState, at: datetime, by: Address) -> tuple[ThreadResumed, ...]:
    """Return what follows when the open request is settled: the pause of its expiry ends."""
    return (ThreadResumed(at=at, actor=by),) if is_paused_by_expiry(state) else ()
