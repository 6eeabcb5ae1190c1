"""Check of approvers: rules whose requests no person, or only their requester, could approve."""

from collections.abc import Iterator

from bot.approvers import ApproverShortage, find_approver_shortages
from bot.config import Configuration
from bot.doctor.finding import Finding

_CHECK_NAME = "approvers"


def check_approvers(configuration: Configuration) -> Iterator[Finding]:
    """Yield a finding for every shortage of approvers, or one `ok` if there is none."""
    findings = [_to_finding(shortage) for shortage in find_approver_shortages(configuration)]
    if not findings:
        yield Finding(name=_CHECK_NAME, state="ok", message="every rule has enough approvers")
    yield from findings


def _to_finding(shortage: ApproverShortage) -> Finding:
    state = "problem" if shortage.is_certain else "warning"
    return Finding(name=_CHECK_NAME, state=state, message=f"{shortage.subject} {shortage.message}", fix=shortage.fix)
