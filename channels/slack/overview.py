"""Overview of one Slack user: their linked person, the requests that wait for them and their threads."""

from dataclasses import dataclass
from datetime import datetime

from agents.addresses import Address
from agents.people import Person
from agents.requests import Request
from agents.state import ThreadStatus


@dataclass(frozen=True)
class PendingRequest:
    """Open request. `channel` is the id of the Slack channel with its card, `permalink` the card's URL, if known."""

    request: Request
    channel: str | None = None
    permalink: str | None = None


@dataclass(frozen=True)
class ThreadSummary:
    """One thread; `title` is its first message."""

    agent: str
    status: ThreadStatus
    title: str
    updated_at: datetime
    permalink: str | None = None


@dataclass(frozen=True)
class Overview:
    """Overview for one user. `by` is their address, `slack:TEAM/USER`; `person` is None if they are not linked."""

    by: Address
    person: Person | None = None
    pending_requests: tuple[PendingRequest, ...] = ()
    threads: tuple[ThreadSummary, ...] = ()
