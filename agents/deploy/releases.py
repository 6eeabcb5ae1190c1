"""Names and records of releases.

Environments, tag names and commit ids come from people and models: they are checked before they reach the git program.
Records are JSON lines in the git note (`refs/notes/releases`) of the released commit.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError

from agents.core.errors import ToolError
from agents.core.values import FrozenModel

ENVIRONMENTS = ("production", "staging")
MAX_QUOTE_LENGTH = 60
"""Limit in characters for a text from outside that an error message quotes."""

ALL_ENVIRONMENTS = "all"
NOT_RELEASED = "nothing"
"""Value of `replaces` before the first release of an environment."""

# The full id of a commit, in SHA-1 or in SHA-256 repositories.
COMMIT_ID = re.compile(r"\A(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
TAG_NAME = re.compile(
    r"\A(?!@\Z|.*(?:\.\.|//|/\.|\.lock(?:/|\Z)|[./]\Z))"  # names that git check-ref-format rejects
    r"[A-Za-z0-9@][A-Za-z0-9._/@+#=%,-]{0,199}\Z"  # a subset of the allowed characters; cannot look like an option
)
_COMMIT_PREFIX = re.compile(r"[0-9a-fA-F]{4,64}")  # git requires at least 4 digits
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


def check_commit_rule_value(value: object) -> None:
    """Raise ToolError when a policy rule compares `commit` with a value that it never has in a prepared call.

    A prepared call (with its names resolved, before the approval) holds the full id.
    """
    if not COMMIT_ID.match(str(value)):
        raise ToolError(f"{quote(str(value))} is not a full commit id; write all its 40 hex digits, in lower case.")


def check_replaces_rule_value(value: object) -> None:
    """Raise ToolError when a policy rule compares `replaces` with a value that it never has in a prepared call."""
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


CommitId = Annotated[str, Field(pattern=COMMIT_ID)]
EmptyText = Literal[""]
Action = Literal["release", "roll_back"]


class Release(FrozenModel, extra="ignore"):
    """Record of one release or rollback. `previous` is the commit before it; `key` identifies the tool call.

    `number` counts the records of one environment from 1, so that their order does not depend on clocks.
    """

    number: int = 0
    action: Action = "release"
    environment: str
    tag: Annotated[str, Field(pattern=TAG_NAME)] | EmptyText = ""
    commit: CommitId
    previous: CommitId | EmptyText = ""
    key: str = ""

    def to_line(self) -> str:
        """Return the record as a line of a note."""
        return self.model_dump_json(ensure_ascii=True)


@dataclass(frozen=True)
class CallIdentity:
    """Identity of a tool call: the key that all its attempts share, and its approved arguments.

    An empty commit matches any.
    """

    key: str
    action: Action
    environment: str
    commit: str = ""

    def matches(self, release: Release) -> bool:
        """Return whether this call wrote a record. The key alone is no proof, because notes can be forged."""
        is_same_call = (release.key, release.action, release.environment) == (self.key, self.action, self.environment)
        return is_same_call and release.commit.startswith(self.commit)


def parse_releases(notes: str) -> tuple[Release, ...]:
    """Return the records among the lines of notes; other lines are ignored."""
    return tuple(release for line in notes.splitlines() if (release := _parse_line(line)) is not None)


def releases_for(releases: Iterable[Release], environment: str) -> tuple[Release, ...]:
    """Return the records of one environment, oldest first."""
    return tuple(sorted((r for r in releases if r.environment == environment), key=lambda release: release.number))


def commit_trail(releases: Iterable[Release]) -> tuple[str, ...]:
    """Return the commits of an environment, oldest first, without those that were rolled back.

    A `previous` without its own record (a change by hand, or before the first record) counts as a release.
    """
    commits: list[str] = []
    for release in releases:
        if release.previous and release.previous not in commits[-1:]:
            commits.append(release.previous)
        if release.action == "roll_back":
            commits = _commits_before(commits, release.commit)
        commits.append(release.commit)
    return tuple(commits)


def _commits_before(commits: list[str], commit: str) -> list[str]:
    """Return the commits before the last occurrence of a commit; all of them when it does not occur."""
    positions = [position for position, other in enumerate(commits) if other == commit]
    return commits[: positions[-1]] if positions else commits


def _parse_line(line: str) -> Release | None:
    if not line.startswith("{"):
        return None
    try:
        return Release.model_validate_json(line)
    except ValidationError:
        return None
