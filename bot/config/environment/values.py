"""Validators for environment variables. Each raises ValueError and never shows the value, which may be secret."""

import re
from collections import Counter
from typing import Literal, get_args

from pydantic import SecretStr

from agents.core.values import FrozenModel
from channels.urls import INVALID_URL_MESSAGE, split_url
from storage.database.postgres import expand_multi_host_url


def parse_entries(text: str) -> tuple[str, ...]:
    """Parse entries separated by commas; empty entries are dropped."""
    return tuple(entry for part in text.split(",") if (entry := part.strip()))


def validate_database_url(secret: SecretStr) -> SecretStr:
    """Validate `sqlite:///FILE` or `postgresql://…` (also `postgres://…`), which may have several hosts."""
    secret = SecretStr(_split_hosts(secret.get_secret_value()))
    url = split_url(secret.get_secret_value())
    if url.scheme == "sqlite":
        if url.netloc or url.query or url.path.strip("/") in ("", ":memory:"):
            raise ValueError("must name a file after sqlite:///; a database in memory would lose all threads")
    elif url.scheme not in ("postgresql", "postgres"):
        raise ValueError("must begin with sqlite:/// or postgresql://; no other database is supported")
    return secret


def _split_hosts(text: str) -> str:
    try:
        return expand_multi_host_url(text)
    except ValueError:
        raise ValueError(INVALID_URL_MESSAGE) from None


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
