"""Settings of the SMS channel."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from channels.settings import InstallationSettings, parse_with
from channels.text import validate_web_url

_ACCOUNT_SID_PATTERN = re.compile(r"AC[0-9a-f]{32}", re.ASCII)
_SENDER_PATTERN = re.compile(
    r"\+[1-9][0-9]{6,14}|[0-9]{3,8}|MG[0-9a-f]{32}", re.ASCII
)  # E.164, a short code, a service SID
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
