"""`[[webhooks]]` and `[[schedules]]`: triggers that start threads.

Both are checked but do nothing yet: this version receives no webhooks and fires no schedules (README).
"""

import re
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import ValidationInfo, field_validator

from agents.core.values import Address, FrozenModel
from bot.config.file.references import KnownAddress, KnownAgent, Name, check_unique, get_declared_names
from bot.config.messages import quote, suggest_name


class Webhook(FrozenModel):
    """Webhook at /channels/webhook/NAME; `secret_env` names the environment variable with its secret.

    `profile` is the format of the payload: `standard` is that of Standard Webhooks (standardwebhooks.com), `generic` is
    any JSON, of which paths select the parts. Without `agent` the default agent is used; without `reply_to` no message
    is sent.
    """

    name: str
    profile: Literal["standard", "github", "alertmanager", "cloudevents", "generic"]
    secret_env: str
    agent: str | None = None
    reply_to: Address | None = None


class Schedule(FrozenModel):
    """Message to an agent at the times of a cron expression.

    `misfire`: `latest` sends one message for all times missed during a downtime, `skip` sends none.
    """

    name: str
    cron: str
    timezone: str = "UTC"
    agent: str | None = None
    message: str
    reply_to: Address | None = None
    misfire: Literal["latest", "skip"] = "latest"


_VARIABLE_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CRON_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_CRON_FIELD_PATTERN = re.compile(r"[0-9A-Za-z*/,-]+", re.ASCII)


class WebhookTable(Webhook):
    """One table of `[[webhooks]]`."""

    name: Name
    agent: KnownAgent | None = None
    reply_to: KnownAddress | None = None

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str, info: ValidationInfo) -> str:
        return check_unique("webhooks", value, get_declared_names(info).webhooks[value])

    @field_validator("secret_env")
    @classmethod
    def _check_secret_env(cls, value: str) -> str:
        if not _VARIABLE_PATTERN.fullmatch(value):  # the value is not shown: it may be the secret itself
            raise ValueError('must be the name of an environment variable, like "ALERTS_TOKEN", not the secret')
        return value

    def to_webhook(self) -> Webhook:
        """Return the webhook, a value without the validators of this table."""
        return Webhook.model_validate(self.model_dump())


class ScheduleTable(Schedule):
    """One table of `[[schedules]]`."""

    name: Name
    agent: KnownAgent | None = None
    reply_to: KnownAddress | None = None

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str, info: ValidationInfo) -> str:
        return check_unique("schedules", value, get_declared_names(info).schedules[value])

    @field_validator("cron")
    @classmethod
    def _check_cron(cls, value: str) -> str:
        fields = value.split()
        if len(fields) != len(_CRON_FIELDS) or not all(map(_CRON_FIELD_PATTERN.fullmatch, fields)):
            names = ", ".join(_CRON_FIELDS)
            raise ValueError(f'must be five fields, {names}, like "0 9 * * mon-fri" (found {quote(value)})')
        return " ".join(fields)

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # OSError: a directory of time zones, such as "Europe"
            hint = suggest_name(value, available_timezones())
            raise ValueError(f"there is no time zone {quote(value)}; {hint}") from None
        return value

    @field_validator("message")
    @classmethod
    def _check_message(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty")
        return value

    def to_schedule(self) -> Schedule:
        """Return the schedule, a value without the validators of this table."""
        return Schedule.model_validate(self.model_dump())
