"""Texts for a person whose answer left the request open or the thread paused. They suit every channel."""

from agents.core.state import ThreadState
from bot.services.engine import CommitResult


def describe_recorded_answer(commit: CommitResult, request_id: str) -> str | None:
    """Describe an answer that did not decide its request, or decided it in a paused thread; None for any other."""
    state = commit.after
    if commit.duplicate_of is None and state.status == "paused" and state.open_request is None and commit.events:
        return f"Your answer was recorded, but the thread is {_describe_pause(state)}."
    request = commit.after.get_request(request_id)
    if commit.duplicate_of is not None or request is None or request.status != "open" or request.kind != "approval":
        return None
    missing = request.terms.quorum - len(request.approvers)
    if not commit.events:
        return f"You already approved this; {_format_approvals(missing)} required."
    if request.answers[-1].is_proposal:
        return f"Edit proposed. {_format_approvals(missing)} required, from another person."
    return f"Approval recorded. {_format_approvals(missing)} required." if request.answers[-1].counted else None


def _describe_pause(state: ThreadState) -> str:
    reason = (state.paused or "paused").removesuffix(".")
    return f"{reason}. Resume it with `handrail threads resume {state.thread_id}`"


def _format_approvals(count: int) -> str:
    return f"{count} more approval{'s are' if count > 1 else ' is'}"
