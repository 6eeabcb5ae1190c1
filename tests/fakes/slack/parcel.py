"""What Slack sends to the bot, and what comes back."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tests.fakes.slack.message import Json

Kind = Literal["events_api", "interactive", "slash_commands"]
"""As Socket Mode calls them; over HTTP each has a content type of its own."""
Reason = Literal["http_timeout", "http_error", "connection_failed"]


@dataclass(frozen=True)
class Parcel:
    """One request to the bot. `retry` counts the repetitions, `reason` is why the one before came to nothing."""

    kind: Kind
    payload: Json
    retry: int = 0
    reason: Reason | None = None


@dataclass(frozen=True)
class Answer:
    """What the bot said: taken, unless there is a reason why not."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    reason: Reason | None = None

    @property
    def taken(self) -> bool:
        return self.reason is None

    @property
    def wants_no_retry(self) -> bool:
        return self.headers.get("x-slack-no-retry") == "1"


class Carrier(Protocol):
    """A way to the bot."""

    @property
    def is_ready(self) -> bool:
        """Whether there is a bot at the other end."""

    async def carry(self, parcel: Parcel) -> Answer:
        """Bring it there once; how long that may take, the postman decides."""
