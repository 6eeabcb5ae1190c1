"""`[[webhooks]]` and `[[schedules]]`: what starts threads by itself."""

import re
from zoneinfo import ZoneInfo, available_timezones

from pydantic import ValidationInfo, field_validator

from bot.config_file.names import names
from bot.config_file.references import KnownAddress, KnownAgent, Name, only_once
from bot.mistakes import quoted, suggestion
from bot.triggers import Schedule, Webhook

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CRON_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_CRON_FIELD = re.compile(r"[0-9A-Za-z*/,-]+", re.ASCII)


class WebhookTable(Webhook):
    """One of `[[webhooks]]` as written."""

    name: Name
    agent: KnownAgent | None = None
    reply_to: KnownAddress | None = None

    @field_validator("name")
    @classmethod
    def _own_name(cls, value: str, info: ValidationInfo) -> str:
        return only_once("webhooks", value, names(info).webhooks[value])

    @field_validator("secret_env")
    @classmethod
    def _a_variable(cls, value: str) -> str:
        if not _VARIABLE.fullmatch(value):  # not shown: it may be the secret itself
            raise ValueError('must be the name of an environment variable, like "ALERTS_TOKEN", not the secret')
        return value

    def webhook(self) -> Webhook:
        """The webhook without the checks of the file."""
        return Webhook.model_validate(self.model_dump())


class ScheduleTable(Schedule):
    """One of `[[schedules]]` as written."""

    name: Name
    agent: KnownAgent | None = None
    reply_to: KnownAddress | None = None

    @field_validator("name")
    @classmethod
    def _own_name(cls, value: str, info: ValidationInfo) -> str:
        return only_once("schedules", value, names(info).schedules[value])

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, value: str) -> str:
        fields = value.split()
        if len(fields) != len(_CRON_FIELDS) or not all(map(_CRON_FIELD.fullmatch, fields)):
            asked = f"must be five fields, {', '.join(_CRON_FIELDS)}"
            raise ValueError(f'{asked}, like "0 9 * * mon-fri" (found {quoted(value)})')
        return " ".join(fields)

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # OSError: the name of a folder of zones, such as "Europe"
            hint = suggestion(value, available_timezones())
            raise ValueError(f"there is no time zone {quoted(value)}; {hint}") from None
        return value

    @field_validator("message")
    @classmethod
    def _something_to_say(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty")
        return value

    def schedule(self) -> Schedule:
        """The schedule without the checks of the file."""
        return Schedule.model_validate(self.model_dump())
