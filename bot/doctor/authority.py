"""Who can decide: rules that nobody, or only the one who asks, could ever satisfy."""

from collections.abc import Iterator

from bot.approvers import Shortage, find_shortages
from bot.config import Configuration
from bot.doctor.finding import Finding

_NAME = "approvers"


def authority(configuration: Configuration) -> Iterator[Finding]:
    """A finding for every set of terms that cannot be met, one that all is well when there is none."""
    findings = [_finding(shortage) for shortage in find_shortages(configuration)]
    if not findings:
        yield Finding(name=_NAME, state="ok", told="everything that is asked can be approved by somebody")
    yield from findings


def _finding(shortage: Shortage) -> Finding:
    state = "problem" if shortage.is_certain else "warning"
    return Finding(name=_NAME, state=state, told=f"{shortage.what} {shortage.told}", fix=shortage.fix)
