"""Validation of environments, tag names and commit ids from people and models, before they reach the git program."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from agents.core.errors import ToolError

ENVIRONMENTS = ("production", "staging")
MAX_QUOTE_LENGTH = 60
ALL_ENVIRONMENTS = "all"
NOT_RELEASED = "nothing"
"""Value of `replaces` before the first release of an environment."""

COMMIT_ID = re.compile(r"\A(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
TAG_NAME = re.compile(
    r"\A(?!@\Z|.*(?:\.\.|//|/\.|\.lock(?:/|\Z)|[./]\Z))"  # names that git check-ref-format rejects
    r"[A-Za-z0-9@][A-Za-z0-9._/@+#=%,-]{0,199}\Z"  # a subset of the allowed characters; cannot look like an option
)
_COMMIT_PREFIX = re.compile(r"[0-9a-fA-F]{4,64}")
_ALIASES = {"prod": "production", "stage": "staging"}


def normalize_environment(value: object) -> object:
    """Return the environment's canonical name, so that policy rules and people see one name for each environment."""
    if not isinstance(value, str):
        return value
    name = value.strip().lower()
    return _ALIASES.get(name, name)


# Not a Literal, because `parse_environment` raises a clearer error for a misspelt name. The model still gets the enum.
Environment = Annotated[str, BeforeValidator(normalize_environment), Field(json_schema_extra={"enum": [*ENVIRONMENTS]})]
EnvironmentOrAll = Annotated[
    str, BeforeValidator(normalize_environment), Field(json_schema_extra={"enum": [*ENVIRONMENTS, ALL_ENVIRONMENTS]})
]


def parse_environment(name: str) -> str:
    """Return the name. Raises ToolError for an unknown environment."""
    if name not in ENVIRONMENTS:
        raise ToolError(f"There is no environment {quote(name)}; choose {' or '.join(ENVIRONMENTS)}.")
    return name


def parse_tag_name(name: str) -> str:
    """Return the name. Raises ToolError for a name that git would reject as a tag, or might read as an option."""
    if not TAG_NAME.match(name):
        raise ToolError(f"{quote(name)} cannot be the name of a tag; write it like v1.4.0.")
    if name in ENVIRONMENTS:
        raise ToolError(f"{name} is an environment; name the tag to release, such as v1.4.0.")
    return name


def parse_commit_prefix(text: str) -> str:
    """Return a commit id or a prefix of one in lower case; an empty text stays empty. Raises ToolError."""
    if text and not _COMMIT_PREFIX.fullmatch(text):
        raise ToolError(f"{quote(text)} is not a commit id; leave it empty, or give at least its first 4 hex digits.")
    return text.lower()


def parse_replaced_commit(text: str) -> str:
    """Return the commit in a `replaces` argument: a full commit id, NOT_RELEASED or "".

    Prepared arguments have the form `v1.4.0 1a2b…` with a full commit id. Raises ToolError.
    """
    commit = text.rpartition(" ")[2]
    if commit not in ("", NOT_RELEASED) and not COMMIT_ID.match(commit):
        raise ToolError(f"{quote(text)} is not a full commit id; leave `replaces` empty.")
    return commit


def check_commit_condition(value: object) -> None:
    """Raise ToolError for a value that `commit` never has in a prepared call, which holds the full id."""
    if not COMMIT_ID.match(str(value)):
        raise ToolError(f"{quote(str(value))} is not a full commit id; write all its 40 hex digits, in lower case.")


def check_replaces_condition(value: object) -> None:
    """Raise ToolError for a value that `replaces` never has in a prepared call."""
    parse_replaced_commit(str(value))


def quote(text: str) -> str:
    """Return any text quoted, in ASCII, and truncated to MAX_QUOTE_LENGTH characters, for a message."""
    return ascii(text if len(text) <= MAX_QUOTE_LENGTH else f"{text[: MAX_QUOTE_LENGTH - 3]}...")


def short_id(commit: str) -> str:
    """Return the first 8 characters of a commit id, for messages."""
    return commit[:8]


def format_version(tag: str, commit: str) -> str:
    """Return a release for messages: `v1.4.0 (1a2b3c4d)`, or only the commit when it has no tag."""
    return f"{tag} ({short_id(commit)})" if tag else short_id(commit)
