"""Validators for single environment variables. Each raises ValueError and never shows the value."""

import re

from pydantic import SecretStr

from agents.frozen import FrozenModel

_LISTEN_ADDRESS_PATTERN = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})", re.ASCII
)
_MAIL_ADDRESS_PATTERN = re.compile(r"[^@\s,;<>]{1,64}@[^@\s,;<>]{1,189}")  # 254 together, RFC 5321 §4.5.3.1.3
_ACCOUNT_SID_PATTERN = re.compile(r"AC[0-9a-f]{32}", re.ASCII)
_SENDER_PATTERN = re.compile(
    r"\+[1-9][0-9]{6,14}|[0-9]{3,8}|MG[0-9a-f]{32}", re.ASCII
)  # E.164, a short code, a service SID
_CONFIG_TOKEN_PATTERN = re.compile(r"(?:A[A-Z0-9]+:)?xoxe\.[^\s:]+", re.ASCII)
_MAX_PORT = 65535
_MAX_AUTH_TOKENS = 2


class ListenAddress(FrozenModel):
    """Host and port on which a server listens."""

    host: str
    port: int


def parse_listen_address(text: str) -> ListenAddress | None:
    """Parse `host:port` or `[::1]:port`; an empty text means no server."""
    if not text:
        return None
    parts = _LISTEN_ADDRESS_PATTERN.fullmatch(text)
    if parts is None or not 1 <= int(parts["port"]) <= _MAX_PORT:
        raise ValueError(f"must be host:port with a port from 1 to {_MAX_PORT}")
    return ListenAddress(host=parts["ipv6"] or parts["host"], port=int(parts["port"]))


def validate_mail_address(text: str) -> str:
    """Validate one email address without a display name, and return it in lower case."""
    if not _MAIL_ADDRESS_PATTERN.fullmatch(text):
        raise ValueError("must be one email address, name@domain, without a display name")
    return text.lower()


def validate_bot_token(secret: SecretStr) -> SecretStr:
    """Validate a bot token, which Slack's *OAuth & Permissions* page shows."""
    return _check_prefix("xoxb-", secret, "the bot token of the Slack app")


def validate_app_token(secret: SecretStr) -> SecretStr:
    """Validate an app-level token, which Slack's *Basic Information* page shows."""
    return _check_prefix("xapp-", secret, "an app-level token of the Slack app")


def validate_config_token(secret: SecretStr) -> SecretStr:
    """Validate an app configuration token, which Slack's list of apps shows; the app's id may precede it."""
    if not _CONFIG_TOKEN_PATTERN.fullmatch(secret.get_secret_value()):
        raise ValueError("must be an app configuration token, which begins with xoxe., optionally preceded by A...:")
    return secret


def validate_account_sid(text: str) -> str:
    """Validate an Account SID of Twilio."""
    if not _ACCOUNT_SID_PATTERN.fullmatch(text):
        raise ValueError("must be AC and 32 hexadecimal digits")
    return text


def parse_auth_tokens(text: str) -> tuple[SecretStr, ...]:
    """Parse one token, or during a rotation two that are comma separated; the first is used for signing."""
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


def _check_prefix(prefix: str, secret: SecretStr, description: str) -> SecretStr:
    if not secret.get_secret_value().startswith(prefix):
        raise ValueError(f"must be {description}, which begins with {prefix}")
    return secret
