"""Notes to people about an answer that left its request open, in words any channel can show."""

from bot.engine import Recorded


def answer_note(recorded: Recorded, request_id: str) -> str | None:
    """Return what an approval or an edit did that did not decide its request; None for anything else."""
    request = recorded.after.request_named(request_id)
    if recorded.earlier is not None or request is None or request.status != "open" or request.kind != "approval":
        return None
    missing = request.ask.quorum - len(request.approvers)
    if not recorded.events:
        return f"You already approved this; {_approvals(missing)} required."
    if request.answers[-1].is_proposal:
        return f"Your edit approves nothing; {_approvals(missing)} required, and not yours."
    return f"Your approval counts; {missing} more must approve this." if request.answers[-1].counted else None


def _approvals(missing: int) -> str:
    return f"{missing} more approval{'s are' if missing > 1 else ' is'}"
