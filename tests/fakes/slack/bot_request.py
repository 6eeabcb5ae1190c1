"""What Slack sends to the bot, and what comes back."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tests.fakes.slack.message import Json

RequestKind = Literal["events_api", "interactive", "slash_commands"]
"""As Socket Mode calls them; over HTTP each has a content type of its own."""
FailureReason = Literal["http_timeout", "http_error", "connection_failed"]


@dataclass(frozen=True)
class BotRequest:
    """One request to the bot. `retry` counts the repetitions, `reason` is why the one before came to nothing."""

    kind: RequestKind
    payload: Json
    retry_number: int = 0
    retry_reason: FailureReason | None = None


@dataclass(frozen=True)
class BotResponse:
    """What the bot said: taken, unless there is a reason why not."""

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
    """A way to the bot."""

    @property
    def is_ready(self) -> bool:
        """Whether there is a bot at the other end."""

    async def deliver(self, request: BotRequest) -> BotResponse:
        """Bring it there once; how long that may take, the postman decides."""
