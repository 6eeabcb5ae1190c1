"""Requests from Slack to the bot, and the bot's responses."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tests.fakes.slack.message import Json

RequestKind = Literal["events_api", "interactive", "slash_commands"]
"""Envelope types of Socket Mode; over HTTP each has its own content type."""
FailureReason = Literal["http_timeout", "http_error", "connection_failed"]


@dataclass(frozen=True)
class BotRequest:
    """Request to the bot. `retry_reason` is the reason why the previous attempt failed."""

    kind: RequestKind
    payload: Json
    retry_number: int = 0
    retry_reason: FailureReason | None = None


@dataclass(frozen=True)
class BotResponse:
    """Response of the bot; it is accepted unless it has a failure reason."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    failure_reason: FailureReason | None = None

    @property
    def is_accepted(self) -> bool:
        return self.failure_reason is None

    @property
    def has_no_retry_header(self) -> bool:
        return self.headers.get("x-slack-no-retry") == "1"


class Transport(Protocol):
    """Transport by which requests reach the bot."""

    @property
    def is_ready(self) -> bool:
        """Whether the bot can be reached."""

    async def deliver(self, request: BotRequest) -> BotResponse:
        """Deliver the request once. The caller limits the time."""
