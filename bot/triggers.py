"""What starts threads by configuration: webhooks and schedules (CONTRACT §7)."""

from typing import Literal

from agents.addresses import Address
from agents.frozen import FrozenModel


class Webhook(FrozenModel):
    """One door at /channels/webhook/NAME; `secret_env` names the variable that holds its secret.

    Without `agent` the default one is meant; without `reply_to` nobody is told.
    """

    name: str
    profile: Literal["standard", "github", "alertmanager", "cloudevents", "generic"]
    secret_env: str
    agent: str | None = None
    reply_to: Address | None = None


class Schedule(FrozenModel):
    """A message to an agent at the times of a cron line; `misfire` says what becomes of times missed while down."""

    name: str
    cron: str
    timezone: str = "UTC"
    agent: str | None = None
    message: str
    reply_to: Address | None = None
    misfire: Literal["latest", "skip"] = "latest"
