"""Settings of the SMS channel."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from agents.core.errors import ConfigurationError
from channels.settings import InstallationSettings, parse_with
from channels.text import validate_web_url

_ACCOUNT_SID_PATTERN = re.compile(r"AC[0-9a-f]{32}", re.ASCII)
_SENDER_PATTERN = re.compile(
    r"\+[1-9][0-9]{6,14}|[0-9]{3,8}|MG[0-9a-f]{32}", re.ASCII
)  # E.164, a short code, a service SID
_COUNTRY_PATTERN = re.compile(r"\+[1-9][0-9]{0,7}", re.ASCII)
_MAX_AUTH_TOKENS = 2


def validate_account_sid(text: str) -> str:
    """Validate an Account SID of Twilio."""
    if not _ACCOUNT_SID_PATTERN.fullmatch(text):
        raise ValueError("must be AC and 32 hexadecimal digits")
    return text


def parse_auth_tokens(text: str) -> tuple[SecretStr, ...]:
    """Parse one token, or during a rotation two, comma separated, the new one first."""
    tokens = [token.strip() for token in text.split(",")]
    if not all(tokens) or len(tokens) > _MAX_AUTH_TOKENS:
        raise ValueError("must be one token, or during a rotation two, comma separated")
    return tuple(map(SecretStr, tokens))


def validate_sender(text: str) -> str:
    """Validate a sender: a phone number, a short code or the SID of a messaging service."""
    if not _SENDER_PATTERN.fullmatch(text):
        raise ValueError(
            "must be a phone number with + and country code, a short code of 3 to 8 digits, "
            "or the SID of a messaging service"
        )
    return text


def parse_countries(text: str) -> tuple[str, ...]:
    """Parse beginnings of phone numbers, comma separated."""
    beginnings = tuple(one.strip() for one in text.split(",") if one.strip())
    if not all(_COUNTRY_PATTERN.fullmatch(one) for one in beginnings):
        raise ValueError("must be beginnings of phone numbers with + and country code, comma separated")
    return beginnings


class SmsSettings(InstallationSettings):
    """Settings of the Twilio account, and the base URL of Twilio's API."""

    twilio_account_sid: Annotated[str, AfterValidator(validate_account_sid)] | None = Field(
        None, description="the Twilio account that sends SMS", examples=["AC and 32 hexadecimal digits"]
    )
    twilio_auth_token: Annotated[tuple[SecretStr, ...], parse_with(parse_auth_tokens)] = Field(
        (), description="its token; during a rotation two, comma separated", examples=["token or new-token,old-token"]
    )
    twilio_from: Annotated[str, AfterValidator(validate_sender)] | None = Field(
        None, description="a phone number, a short code or the SID of a messaging service", examples=["+15550001000"]
    )
    twilio_api_url: Annotated[str, AfterValidator(validate_web_url)] = Field(
        "https://api.twilio.com", description="the base URL of Twilio's API", examples=["https://api.twilio.com"]
    )
    sms_countries: Annotated[tuple[str, ...], parse_with(parse_countries)] = Field(
        (), description="the only countries that get SMS, as beginnings of numbers; empty: all", examples=["+1,+49"]
    )
    sms_daily_segments: int = Field(
        500, ge=0, description="limit on the SMS segments that are sent within 24 hours", examples=["500"]
    )

    @property
    def has_twilio_account(self) -> bool:
        """Return whether SMS go over Twilio. Raises ConfigurationError if only a part of the account is set."""
        variables = {
            "TWILIO_ACCOUNT_SID": self.twilio_account_sid,
            "TWILIO_AUTH_TOKEN": self.twilio_auth_token,
            "TWILIO_FROM": self.twilio_from,
        }
        missing = [name for name, value in variables.items() if not value]
        if missing and len(missing) < len(variables):
            raise ConfigurationError(f"set {' and '.join(missing)} too, or unset the other TWILIO_ variables")
        return not missing
