"""Who can decide: rules that nobody, or only the one who asks, could ever satisfy."""

from collections.abc import Iterator

from bot.approvers import ApproverShortage, find_approver_shortages
from bot.config import Configuration
from bot.doctor.finding import Finding

_CHECK_NAME = "approvers"


def check_approvers(configuration: Configuration) -> Iterator[Finding]:
    """A finding for every set of terms that cannot be met, one that all is well when there is none."""
    findings = [_to_finding(shortage) for shortage in find_approver_shortages(configuration)]
    if not findings:
        yield Finding(name=_CHECK_NAME, state="ok", message="everything that is asked can be approved by somebody")
    yield from findings


def _to_finding(shortage: ApproverShortage) -> Finding:
    state = "problem" if shortage.is_certain else "warning"
    return Finding(name=_CHECK_NAME, state=state, message=f"{shortage.subject} {shortage.message}", fix=shortage.fix)
