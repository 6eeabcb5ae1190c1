"""What people and models may write: environments, tag names, commit ids. Nothing else ever reaches the git program."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from agents.errors import ToolError

ENVIRONMENTS = ("production", "staging")
MAX_QUOTE_LENGTH = 60
ALL_ENVIRONMENTS = "all"
NOT_RELEASED = "nothing"
"""Where an environment stands before its first release."""

COMMIT_ID = re.compile(r"\A(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
TAG_NAME = re.compile(
    r"\A(?!@\Z|.*(?:\.\.|//|/\.|\.lock(?:/|\Z)|[./]\Z))"  # what git check-ref-format refuses of the characters below
    r"[A-Za-z0-9@][A-Za-z0-9._/@+#=%,-]{0,199}\Z"  # fewer characters than it allows; nothing that looks like an option
)
_COMMIT_PREFIX = re.compile(r"[0-9a-fA-F]{4,64}")
_ALIASES = {"prod": "production", "stage": "staging"}


def normalize_environment(value: object) -> object:
    """The environment as we write it, however it was said, so that policy and people see one name for one thing."""
    if not isinstance(value, str):
        return value
    word = value.strip().lower()
    return _ALIASES.get(word, word)


# Not a Literal: a typing error is answered by `environment_named` in a sentence; the model sees the enum all the same.
Environment = Annotated[str, BeforeValidator(normalize_environment), Field(json_schema_extra={"enum": [*ENVIRONMENTS]})]
EnvironmentOrAll = Annotated[
    str, BeforeValidator(normalize_environment), Field(json_schema_extra={"enum": [*ENVIRONMENTS, ALL_ENVIRONMENTS]})
]


def parse_environment(name: str) -> str:
    """The name itself. Raises ToolError, naming those there are."""
    if name not in ENVIRONMENTS:
        raise ToolError(f"There is no environment {quote(name)}; there are {' and '.join(ENVIRONMENTS)}.")
    return name


def parse_tag_name(name: str) -> str:
    """The name itself. Raises ToolError for what git would not take as a tag, or might take as an option."""
    if not TAG_NAME.match(name):
        raise ToolError(f"{quote(name)} cannot be the name of a tag; write it like v1.4.0.")
    if name in ENVIRONMENTS:
        raise ToolError(f"{name} is an environment; name the tag to release, such as v1.4.0.")
    return name


def parse_commit_prefix(text: str) -> str:
    """A commit id, or the start of one, in lower case; empty stays empty. Raises ToolError."""
    if text and not _COMMIT_PREFIX.fullmatch(text):
        raise ToolError(f"{quote(text)} is not a commit id; leave it empty, or give at least its first 4 hex digits.")
    return text.lower()


def parse_replaced_commit(text: str) -> str:
    """Where an environment is said to stand, as prepared arguments put it: `v1.4.0 1a2b…` in full, NOTHING, or empty.

    Returns the commit, NOTHING or "". Raises ToolError.
    """
    stand = text.rpartition(" ")[2]
    if stand not in ("", NOT_RELEASED) and not COMMIT_ID.match(stand):
        raise ToolError(f"{quote(text)} is not a full commit id; leave `replaces` empty.")
    return stand


def check_commit_condition(value: object) -> None:
    """Raise ToolError for what no prepared call holds: commit ids are whole there."""
    if not COMMIT_ID.match(str(value)):
        raise ToolError(f"{quote(str(value))} is not a whole commit id; write all its 40 hex digits, in small letters.")


def check_replaces_condition(value: object) -> None:
    """Raise ToolError for what `replaces` never holds in a prepared call."""
    parse_replaced_commit(str(value))


def quote(text: str) -> str:
    """Anything at all as a short, harmless word of a message."""
    return ascii(text if len(text) <= MAX_QUOTE_LENGTH else f"{text[: MAX_QUOTE_LENGTH - 3]}...")


def short_id(commit: str) -> str:
    """A commit id as people read it."""
    return commit[:8]


def format_version(tag: str, commit: str) -> str:
    """A release as people read it: `v1.4.0 (1a2b3c4d)`, or the commit alone when no tag names it."""
    return f"{tag} ({short_id(commit)})" if tag else short_id(commit)
