"""What people and models may write: environments, tag names, commit ids. Nothing else ever reaches the git program."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from agents.errors import ToolError

ENVIRONMENTS = ("production", "staging")
LONGEST_QUOTE = 60
ALL = "all"
NOTHING = "nothing"
"""Where an environment stands before its first release."""

COMMIT_ID = re.compile(r"\A(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
TAG_NAME = re.compile(
    r"\A(?!@\Z|.*(?:\.\.|//|/\.|\.lock(?:/|\Z)|[./]\Z))"  # what git check-ref-format refuses of the characters below
    r"[A-Za-z0-9@][A-Za-z0-9._/@+#=%,-]{0,199}\Z"  # fewer characters than it allows; nothing that looks like an option
)
_COMMIT_START = re.compile(r"[0-9a-fA-F]{4,64}")
_ALIASES = {"prod": "production", "stage": "staging"}


def canonical(said: object) -> object:
    """The environment as we write it, however it was said, so that policy and people see one name for one thing."""
    if not isinstance(said, str):
        return said
    word = said.strip().lower()
    return _ALIASES.get(word, word)


# Not a Literal: a typing error is answered by `environment_named` in a sentence; the model sees the enum all the same.
Environment = Annotated[str, BeforeValidator(canonical), Field(json_schema_extra={"enum": [*ENVIRONMENTS]})]
EnvironmentOrAll = Annotated[str, BeforeValidator(canonical), Field(json_schema_extra={"enum": [*ENVIRONMENTS, ALL]})]


def environment_named(name: str) -> str:
    """The name itself. Raises ToolError, naming those there are."""
    if name not in ENVIRONMENTS:
        raise ToolError(f"There is no environment {quoted(name)}; there are {' and '.join(ENVIRONMENTS)}.")
    return name


def tag_named(name: str) -> str:
    """The name itself. Raises ToolError for what git would not take as a tag, or might take as an option."""
    if not TAG_NAME.match(name):
        raise ToolError(f"{quoted(name)} cannot be the name of a tag; write it like v1.4.0.")
    if name in ENVIRONMENTS:
        raise ToolError(f"{name} is an environment; name the tag to release, such as v1.4.0.")
    return name


def commit_named(said: str) -> str:
    """A commit id, or the start of one, in lower case; empty stays empty. Raises ToolError."""
    if said and not _COMMIT_START.fullmatch(said):
        raise ToolError(f"{quoted(said)} is not a commit id; leave it empty, or give at least its first 4 hex digits.")
    return said.lower()


def stand_named(said: str) -> str:
    """Where an environment is said to stand, as prepared arguments put it: `v1.4.0 1a2b…` in full, NOTHING, or empty.

    Returns the commit, NOTHING or "". Raises ToolError.
    """
    stand = said.rpartition(" ")[2]
    if stand not in ("", NOTHING) and not COMMIT_ID.match(stand):
        raise ToolError(f"{quoted(said)} is not a full commit id; leave `replaces` empty.")
    return stand


def check_commit_condition(value: object) -> None:
    """Raise ToolError for what no prepared call holds: commit ids are whole there."""
    if not COMMIT_ID.match(str(value)):
        raise ToolError(
            f"{quoted(str(value))} is not a whole commit id; write all its 40 hex digits, in small letters."
        )


def check_stand_condition(value: object) -> None:
    """Raise ToolError for what `replaces` never holds in a prepared call."""
    stand_named(str(value))


def quoted(said: str) -> str:
    """Anything at all as a short, harmless word of a message."""
    return ascii(said if len(said) <= LONGEST_QUOTE else f"{said[: LONGEST_QUOTE - 3]}...")


def short(commit: str) -> str:
    """A commit id as people read it."""
    return commit[:8]


def worded(tag: str, commit: str) -> str:
    """A release as people read it: `v1.4.0 (1a2b3c4d)`, or the commit alone when no tag names it."""
    return f"{tag} ({short(commit)})" if tag else short(commit)
