"""What somebody on Slack may look up: who they are here, what waits for them, and what works for them."""

from dataclasses import dataclass
from datetime import datetime

from agents.addresses import Address
from agents.people import Person
from agents.requests import Request
from agents.state import ThreadStatus


@dataclass(frozen=True)
class PendingRequest:
    """An open request. `channel` and `link` are where its card is on Slack: an id, and the permalink if it is known."""

    request: Request
    channel: str | None = None
    permalink: str | None = None


@dataclass(frozen=True)
class ThreadSummary:
    """One thread: what was asked first, and what it is doing."""

    agent: str
    status: ThreadStatus
    title: str
    updated_at: datetime
    permalink: str | None = None


@dataclass(frozen=True)
class Overview:
    """All of it for one person. `by` is who they are on Slack, `slack:TEAM/USER`; `person` is None for a stranger."""

    by: Address
    person: Person | None = None
    pending_requests: tuple[PendingRequest, ...] = ()
    threads: tuple[ThreadSummary, ...] = ()
