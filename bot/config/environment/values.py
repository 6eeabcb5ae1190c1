"""Validators for environment variables. Each raises ValueError and never shows the value, which may be secret."""

import re
from collections import Counter
from typing import Literal, get_args
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import SecretStr

from agents.core.values import FrozenModel
from storage.database.postgres import expand_multi_host_url

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


_INVALID_URL_MESSAGE = "is not a URL: the host or the port cannot be read; write special characters as %XX"


def validate_web_url(text: str) -> str:
    """Validate an http(s) URL without a query, and return it without a slash at its end."""
    url = _split_url(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError("must be a web address: http:// or https://, a host, optionally a port and a path")
    return text.rstrip("/")


def validate_database_url(secret: SecretStr) -> SecretStr:
    """Validate `sqlite:///FILE` or `postgresql://…` (also `postgres://…`), which may have several hosts."""
    secret = SecretStr(_split_hosts(secret.get_secret_value()))
    url = _split_url(secret.get_secret_value())
    if url.scheme == "sqlite":
        if url.netloc or url.query or url.path.strip("/") in ("", ":memory:"):
            raise ValueError("must name a file after sqlite:///; a database in memory would lose all threads")
    elif url.scheme not in ("postgresql", "postgres"):
        raise ValueError("must begin with sqlite:/// or postgresql://; no other database is supported")
    return secret


def validate_smtp_url(secret: SecretStr) -> SecretStr:
    """Validate `smtp://` or `smtps://`, optionally with user and password and with `?starttls=required`."""
    url = _split_url(secret.get_secret_value())
    if url.scheme not in ("smtp", "smtps") or not url.hostname or url.path.strip("/") or url.fragment:
        raise ValueError(
            "must be smtp:// or smtps:// and a host, optionally with user:password@ before and :port after"
        )
    if url.query and parse_qs(url.query) != {"starttls": ["required"]}:
        raise ValueError("can have only one option: ?starttls=required")
    return secret


def validate_api_base_url(text: str) -> str:
    """Validate a web URL to which method names are appended, and return it with one slash at its end."""
    return f"{validate_web_url(text)}/"


def _split_hosts(text: str) -> str:
    try:
        return expand_multi_host_url(text)
    except ValueError:
        raise ValueError(_INVALID_URL_MESSAGE) from None


def _split_url(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port  # urllib validates the port on access, and its error shows the value
    except ValueError:
        raise ValueError(_INVALID_URL_MESSAGE) from None
    return url


TokenScope = Literal["read", "start", "answer", "admin"]
"""`read`: read threads; `start`: open, control and write to threads; `answer`: answer requests; `admin`: everything."""

SCOPES: tuple[TokenScope, ...] = get_args(TokenScope)
DEFAULT_SCOPES: tuple[TokenScope, ...] = ("read", "start", "answer")
MIN_TOKEN_LENGTH = 24  # characters, in production; 96 bits when they are hexadecimal
_ENTRY_PATTERN = re.compile(
    r"""
    (?P<name> [A-Za-z0-9][A-Za-z0-9._-]{0,63} )
    : (?P<secret> [A-Za-z0-9._~+/-]+=* )            # the b64token of RFC 6750 §2.1
    (?: : (?P<person> [a-z0-9][a-z0-9._-]{0,63} )? (?: : (?P<scopes> [a-z+]+ ) )? )?
    """,
    re.VERBOSE | re.ASCII,
)
_ENTRY_FORMATS = "name:token, name:token:person or name:token:person:scope+scope"


class ApiToken(FrozenModel):
    """One token. A token with a person acts as that person. Without `scopes` it has the default scopes."""

    name: str
    secret: SecretStr
    person: str | None = None
    scopes: tuple[TokenScope, ...] | None = None

    def granted_scopes(self, *, is_admin: bool) -> tuple[TokenScope, ...]:
        """Return the token's own scopes; without them, all scopes for an admin and else the default ones."""
        if self.scopes is None:
            return SCOPES if is_admin else DEFAULT_SCOPES
        return SCOPES if "admin" in self.scopes else self.scopes


def parse_api_tokens(text: str) -> tuple[ApiToken, ...]:
    """Parse comma-separated entries `name:token[:person[:scope+scope]]`.

    Raises ValueError, which names entries by their position and never shows their content.
    """
    tokens = tuple(_parse_token(position, entry) for position, entry in enumerate(text.split(","), start=1))
    for part, values in (("name", [t.name for t in tokens]), ("token", [t.secret for t in tokens])):
        positions = [str(position) for position, value in enumerate(values, start=1) if Counter(values)[value] > 1]
        if positions:
            raise ValueError(f"entries {' and '.join(positions)} have the same {part}")
    return tokens


def _parse_token(position: int, entry: str) -> ApiToken:
    parts = _ENTRY_PATTERN.fullmatch(entry.strip())
    if parts is None or entry.strip().endswith(":"):
        raise ValueError(f"entry {position} is not {_ENTRY_FORMATS}")
    scopes = None if parts["scopes"] is None else _parse_scopes(position, parts["scopes"])
    return ApiToken(name=parts["name"], secret=SecretStr(parts["secret"]), person=parts["person"], scopes=scopes)


def _parse_scopes(position: int, text: str) -> tuple[TokenScope, ...]:
    names = text.split("+")
    if not set(names) <= set(SCOPES):
        raise ValueError(f"entry {position} has an unknown scope; the scopes are {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in names)
