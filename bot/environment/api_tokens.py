"""The bearer tokens programs and people come with."""

import re
from collections import Counter

from pydantic import SecretStr

from agents.frozen import Frozen

SHORTEST_TOKEN = 24  # characters, in production; 96 bits when they are hexadecimal
_ENTRY = re.compile(
    r"""
    (?P<name> [A-Za-z0-9][A-Za-z0-9._-]{0,63} )
    : (?P<secret> [A-Za-z0-9._~+/-]+=* )            # the b64token of RFC 6750 §2.1
    (?: : (?P<person> [a-z0-9][a-z0-9._-]{0,63} ) )?
    """,
    re.VERBOSE | re.ASCII,
)


class ApiToken(Frozen):
    """One token. With a person it answers as that person."""

    name: str
    secret: SecretStr
    person: str | None = None


def api_tokens(text: str) -> tuple[ApiToken, ...]:
    """The tokens of `name:token[:person]`, comma separated.

    Raises ValueError, naming entries by their position and never by what they hold.
    """
    tokens = tuple(_token(position, entry) for position, entry in enumerate(text.split(","), start=1))
    for what, values in (("name", [t.name for t in tokens]), ("token", [t.secret for t in tokens])):
        if twice := [str(position) for position, value in enumerate(values, start=1) if Counter(values)[value] > 1]:
            raise ValueError(f"entries {' and '.join(twice)} have the same {what}")
    return tokens


def _token(position: int, entry: str) -> ApiToken:
    parts = _ENTRY.fullmatch(entry.strip())
    if parts is None:
        raise ValueError(f"entry {position} is not name:token or name:token:person")
    return ApiToken(name=parts["name"], secret=SecretStr(parts["secret"]), person=parts["person"])
