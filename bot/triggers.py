"""Triggers: webhooks and schedules of the configuration that start threads."""

from typing import Literal

from agents.addresses import Address
from agents.frozen import FrozenModel


class Webhook(FrozenModel):
    """Webhook at /channels/webhook/NAME; `secret_env` names the environment variable with its secret.

    `agent` None is the default agent; without `reply_to` no message is sent.
    """

    name: str
    profile: Literal["standard", "github", "alertmanager", "cloudevents", "generic"]
    secret_env: str
    agent: str | None = None
    reply_to: Address | None = None


class Schedule(FrozenModel):
    """Message to an agent at the times of a cron expression; `misfire` decides about times missed during a downtime."""

    name: str
    cron: str
    timezone: str = "UTC"
    agent: str | None = None
    message: str
    reply_to: Address | None = None
    misfire: Literal["latest", "skip"] = "latest"
