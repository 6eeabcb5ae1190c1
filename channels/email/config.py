"""Settings of the email channel."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs

from pydantic import AfterValidator, Field, SecretStr

from agents.core.values import FrozenModel
from channels.settings import EMPTY_DISABLES, InstallationSettings, parse_with
from channels.text import split_url

_LISTEN_ADDRESS_PATTERN = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})", re.ASCII
)
_MAIL_ADDRESS_PATTERN = re.compile(r"[^@\s,;<>]{1,64}@[^@\s,;<>]{1,189}")  # 254 together, RFC 5321 §4.5.3.1.3
_MAX_PORT = 65535


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


def validate_smtp_url(secret: SecretStr) -> SecretStr:
    """Validate `smtp://` or `smtps://`, optionally with user and password and with `?starttls=required`."""
    url = split_url(secret.get_secret_value())
    if url.scheme not in ("smtp", "smtps") or not url.hostname or url.path.strip("/") or url.fragment:
        raise ValueError(
            "must be smtp:// or smtps:// and a host, optionally with user:password@ before and :port after"
        )
    if url.query and parse_qs(url.query) != {"starttls": ["required"]}:
        raise ValueError("can have only one option: ?starttls=required")
    return secret


class EmailSettings(InstallationSettings):
    """Settings of the email channel: its address, and the servers for mail in both directions."""

    email_address: Annotated[str, AfterValidator(validate_mail_address)] = Field(
        "bot@localhost",
        description="the bot's email address; replies go to name+token@domain",
        examples=["bot@example.com"],
    )
    # without EMPTY_DISABLES an empty variable would mean the default
    smtp_listen: Annotated[ListenAddress | None, parse_with(parse_listen_address), EMPTY_DISABLES] = Field(
        ListenAddress(host="127.0.0.1", port=2525),
        description="address to receive mail by SMTP; empty: disabled",
        examples=["127.0.0.1:2525"],
    )
    lmtp_listen: Annotated[ListenAddress | None, parse_with(parse_listen_address)] = Field(
        None, description="address to receive mail by LMTP; empty: disabled", examples=["127.0.0.1:2424"]
    )
    smtp_tls_cert: Path | None = Field(
        None,
        description="PEM file with the certificate for STARTTLS of SMTP_LISTEN",
        examples=["/etc/handrail/mail.pem"],
    )
    smtp_tls_key: Path | None = Field(
        None, description="PEM file with the key of SMTP_TLS_CERT", examples=["/etc/handrail/mail.key"]
    )
    smtp_url: Annotated[SecretStr, AfterValidator(validate_smtp_url)] | None = Field(
        None,
        description="server for outgoing mail, smtp:// or smtps://; empty: files .handrail/outbox/*.eml",
        examples=["smtp://user:password@host:587?starttls=required"],
    )
    email_authserv_id: str | None = Field(
        None,
        description="the server whose Authentication-Results are trusted; empty: Handrail verifies DKIM and DMARC",
        examples=["mx.example.com"],
    )
    dns_resolver: Annotated[ListenAddress | None, parse_with(parse_listen_address)] = Field(
        None,
        description="DNS server for checks of senders; empty: those of the machine",
        examples=["127.0.0.1:53"],
    )
