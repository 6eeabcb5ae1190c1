"""Notes to people about an answer that left its request open or its thread paused, in words any channel can show."""

from agents.state import ThreadState
from bot.engine import Recorded


def answer_note(recorded: Recorded, request_id: str) -> str | None:
    """Return what an answer did that did not decide its request, or decided it in a paused thread; None otherwise."""
    state = recorded.after
    if recorded.earlier is None and state.status == "paused" and state.request is None and recorded.events:
        return f"Your answer counts, but the thread is {_paused(state)}."
    request = recorded.after.request_named(request_id)
    if recorded.earlier is not None or request is None or request.status != "open" or request.kind != "approval":
        return None
    missing = request.ask.quorum - len(request.approvers)
    if not recorded.events:
        return f"You already approved this; {_approvals(missing)} required."
    if request.answers[-1].is_proposal:
        return f"Your edit approves nothing; {_approvals(missing)} required, and not yours."
    return f"Your approval counts; {missing} more must approve this." if request.answers[-1].counted else None


def _paused(state: ThreadState) -> str:
    reason = (state.paused or "paused").removesuffix(".")
    return f"{reason}. Resume it with `handrail threads resume {state.thread_id}`"


def _approvals(missing: int) -> str:
    return f"{missing} more approval{'s are' if missing > 1 else ' is'}"
