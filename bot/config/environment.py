"""Environment variables: their validators, and the `.env` file with warnings about misspelled names.

A validator raises ValueError and never shows the value, which may be secret. `.env` has NAME=value lines, which are
parsed without expanding variables.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Literal, get_args

from dotenv.parser import Binding, parse_stream
from pydantic import SecretStr

from agents.core.config_issues import ConfigIssue, to_configuration_error
from agents.core.values import FrozenModel
from channels.text import INVALID_URL_MESSAGE, split_url
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


def load_variables(path: Path) -> Mapping[str, str]:
    """Return the variables of the file; none if it is missing. Raises ConfigurationError with the unreadable lines."""
    bindings = list(parse_stream(StringIO(_read_text(path))))
    issues = [_unreadable_line_issue(path, binding) for binding in bindings if binding.error]
    if issues:
        raise to_configuration_error(issues)
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}


def load_variable_lines(path: Path) -> Mapping[str, int]:
    """Return the line number of every variable of the file."""
    return {binding.key: binding.original.line for binding in parse_stream(StringIO(_read_text(path))) if binding.key}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise to_configuration_error([ConfigIssue(file=str(path), message="is not UTF-8; save it as UTF-8")]) from None
    except OSError as error:
        raise to_configuration_error(
            [ConfigIssue(file=str(path), message=f"cannot be read: {error.strerror}")]
        ) from None


def _unreadable_line_issue(path: Path, binding: Binding) -> ConfigIssue:
    return ConfigIssue(file=str(path), line=binding.original.line, message="cannot be read; write NAME=value")


_SHORT_NAME_LENGTH = 8  # characters; two edits of a shorter name make another word


def find_near_misses(
    names: Collection[str], known: Collection[str], lines: Mapping[str, int], env_file: str
) -> Iterator[ConfigIssue]:
    """Yield a warning for every unknown name that is similar to a known name that is not set.

    The first of several equally similar known names is suggested. `lines` are the lines of the names in `env_file`.
    """
    missing = [name for name in known if name not in names]
    for name in sorted(names):
        if name not in known and (closest := _closest_name(name, missing)):
            file = env_file if name in lines else None
            message = f"is not a variable of Handrail and is ignored; did you mean {closest}?"
            yield ConfigIssue(file=file, line=lines.get(name), key=name, message=message, severity="warning")


def _closest_name(name: str, missing: Collection[str]) -> str | None:
    written = name.upper()
    similar = [(_edit_distance(written, other), other) for other in missing if _is_close(written, other)]
    if similar:
        return min(similar)[1]
    longer = [other for other in missing if _is_abbreviated(written, other)]
    return min(longer, key=len) if longer else None


def _is_close(written: str, other: str) -> bool:
    return _edit_distance(written, other) <= (1 if len(other) < _SHORT_NAME_LENGTH else 2)


def _is_abbreviated(written: str, other: str) -> bool:
    """Return whether `written` has the first word of `other` but lacks some of the others, as OPENAI_KEY does."""
    words, all_words = written.split("_"), other.split("_")
    return len(words) > 1 and words[0] == all_words[0] and set(words) < set(all_words)


def _edit_distance(left: str, right: str) -> int:
    """Return the optimal string alignment distance: insertions, deletions, replacements and adjacent swaps."""
    if abs(len(left) - len(right)) > 2:  # noqa: PLR2004 - more edits than count as a misspelling
        return len(left) + len(right)
    second_last_row: list[int] = []
    last_row = list(range(len(right) + 1))
    for i, letter in enumerate(left, start=1):
        row = [i]
        for j, other in enumerate(right, start=1):
            cost = min(last_row[j] + 1, row[j - 1] + 1, last_row[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == other:
                cost = min(cost, second_last_row[j - 2] + 1)
            row.append(cost)
        second_last_row, last_row = last_row, row
    return last_row[-1]
